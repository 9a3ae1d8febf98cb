//! Stand-in for TensorRT in a build without it. Every use of it fails.

use std::sync::Arc;

use super::class::EngineClass;
use super::contract::{GpuEngine, OpenedGpu};
use super::error::EngineError;
use super::options::{EngineChoice, EngineOptions};
use crate::Result;
use crate::model::Network;

/// TensorRT as an engine to choose.
pub(super) struct TensorRtEngine;

fn not_built_in<T>() -> Result<T> {
    Err(EngineError::NotBuiltIn { engine: "tensorrt" }.into())
}

impl GpuEngine for TensorRtEngine {
    fn choice(&self) -> EngineChoice {
        EngineChoice::TensorRt
    }

    fn name(&self) -> &'static str {
        "TensorRT-RTX"
    }

    fn class(&self, _: &EngineOptions) -> EngineClass {
        EngineClass::TensorRtF16
    }

    fn check(&self) -> Result<()> {
        not_built_in()
    }

    fn probe(&self, _: &EngineOptions) -> Result<()> {
        not_built_in()
    }

    fn begin(&self, _: &EngineOptions) {}

    fn settle(&self) {}

    fn open(&self, _: &Network, _: &EngineOptions) -> Result<Arc<dyn OpenedGpu>> {
        not_built_in()
    }
}
