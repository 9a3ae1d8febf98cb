//! TensorRT as one of the engines among which is chosen.

use std::sync::Arc;

use super::precision::{class, precision};
use super::{probe, start};
use crate::Result;
use crate::engine::class::EngineClass;
use crate::engine::contract::{GpuEngine, OpenedGpu};
use crate::engine::options::{EngineChoice, EngineOptions};
use crate::model::Network;

/// TensorRT as an engine to choose.
pub(in crate::engine) struct TensorRtEngine;

impl GpuEngine for TensorRtEngine {
    fn choice(&self) -> EngineChoice {
        EngineChoice::TensorRt
    }

    fn name(&self) -> &'static str {
        "TensorRT-RTX"
    }

    fn class(&self, options: &EngineOptions) -> EngineClass {
        class(precision(&options.gpu))
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn probe(&self, options: &EngineOptions) -> Result<()> {
        probe::probe(&options.gpu).map(drop)
    }

    fn begin(&self, options: &EngineOptions) {
        start::begin(&options.gpu);
    }

    fn settle(&self) {
        start::settle();
    }

    fn open(&self, network: &Network, options: &EngineOptions) -> Result<Arc<dyn OpenedGpu>> {
        Ok(Arc::new(start::open_gpu(network, &options.gpu)?))
    }
}
