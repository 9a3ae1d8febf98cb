//! Contract between engines, what chooses among them, and what gives them work.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::class::EngineClass;
use super::options::{EngineChoice, EngineOptions};
use crate::Result;
use crate::model::Network;
use crate::progress::Listener;

/// Engine that runs one network on segments of audio, in the order in which they are submitted.
pub(crate) trait Engine: Send {
    /// Returns the name of the engine and of its hardware, for display.
    fn name(&self) -> String;

    /// Returns the kind and precision of the engine.
    fn class(&self) -> EngineClass;

    /// Returns the number of segments that may be submitted before the first has to be taken, at
    /// least 1. An engine with a greater depth computes while the host does other work.
    fn depth(&self) -> usize;

    /// Queues one segment. `fill` must write every sample of the mix [2, segment], row-major, to
    /// the engine's buffer.
    fn submit(&mut self, fill: &mut dyn FnMut(&mut [f32])) -> Result<()>;

    /// Announces that no segment follows for now. An engine that collects segments begins with
    /// those it has.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Returns the stems [stems, 2, segment], row-major, of the oldest segment that was submitted
    /// and not yet taken.
    fn take(&mut self) -> Result<&[f32]>;

    /// Drops the segments that were submitted and not yet taken.
    fn forget(&mut self) -> Result<()>;
}

/// Kind of engine that computes on a GPU: what [`choice`](super::choice) has to know of it.
pub(super) trait GpuEngine: Sync {
    /// Returns the choice that asks for this engine.
    fn choice(&self) -> EngineChoice;

    /// Returns the name for display as long as no GPU is known.
    fn name(&self) -> &'static str;

    /// Returns the class that `options` lead to.
    fn class(&self, options: &EngineOptions) -> EngineClass;

    /// Returns an error when the engine is not part of this build.
    fn check(&self) -> Result<()>;

    /// Returns an error when the engine cannot run on this machine, as far as that is known without
    /// starting it.
    fn probe(&self, options: &EngineOptions) -> Result<()>;

    /// Begins, on threads of its own, the part of a start that does not depend on the model.
    fn begin(&self, options: &EngineOptions);

    /// Waits for the work begun by [`GpuEngine::begin`] that no engine has claimed.
    fn settle(&self);

    /// Opens the GPU that `options` name, for an engine that will run `network`.
    fn open(&self, network: &Network, options: &EngineOptions) -> Result<Arc<dyn OpenedGpu>>;
}

/// Opened GPU, on which an engine can be started.
pub(super) trait OpenedGpu: fmt::Debug + Send + Sync {
    /// Returns the name of the engine and of the GPU, for display.
    fn name(&self) -> String;

    /// Returns the time until all of `networks` can begin, beyond the time of every start.
    fn until_ready(&self, networks: &[&Network], options: &EngineOptions) -> Duration;

    /// Starts an engine that runs `network`.
    fn start(
        &self,
        network: &Network,
        options: &EngineOptions,
        listener: &mut dyn Listener,
    ) -> Result<Box<dyn Engine>>;
}
