//! Stand-in for TensorRT in a build without it. Every use of it fails.

use std::convert::Infallible;
use std::time::Duration;

use super::{Engine, EngineError, TensorRtOptions};
use crate::Result;
use crate::model::Network;
use crate::progress::Listener;

/// Whether this build has TensorRT.
pub(super) const IS_BUILT_IN: bool = false;

/// Opened GPU, which cannot exist in this build.
#[derive(Clone, Debug)]
pub(super) struct Opened(Infallible);

pub(super) fn open_gpu(_: &Network, _: &TensorRtOptions) -> Result<Opened> {
    Err(EngineError::NotBuiltIn.into())
}

pub(super) fn probe(_: &TensorRtOptions) -> Result<()> {
    Err(EngineError::NotBuiltIn.into())
}

pub(super) fn begin(_: &TensorRtOptions) {}

pub(super) fn settle() {}

impl Opened {
    pub(super) fn name(&self) -> String {
        match self.0 {}
    }

    pub(super) fn until_ready(&self, _: &[&Network], _: &TensorRtOptions) -> Duration {
        match self.0 {}
    }

    pub(super) fn start(
        self,
        _: &Network,
        _: &TensorRtOptions,
        _: &mut dyn Listener,
    ) -> Result<Box<dyn Engine>> {
        match self.0 {}
    }
}
