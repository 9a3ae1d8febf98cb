//! Engines: what runs a network.

mod cpu;
mod error;

pub(crate) use cpu::Cpu;
pub use error::EngineError;

use std::num::NonZeroUsize;

use crate::Result;
use crate::model::Network;

/// Runs one network on segments of audio.
pub(crate) trait Engine: Send {
    /// What the engine is and what it runs on, for people to read.
    fn name(&self) -> String;

    /// Separates one segment: `mix` [2, segment] in, `stems` [stems, 2, segment] out, both row-major and of exactly that
    /// size.
    fn run(&mut self, mix: &[f32], stems: &mut [f32]) -> Result<()>;
}

/// Which engine to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EngineChoice {
    /// The fastest that works here.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// TensorRT on an NVIDIA GPU.
    TensorRt,
}

/// Which engine to use, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EngineOptions {
    /// Which one.
    pub engine: EngineChoice,
    /// Threads of the CPU engine; `None`: one for each physical core. They change how long it takes, not what comes out.
    pub threads: Option<NonZeroUsize>,
}

/// Refuses an engine that is not to be had, before anything is loaded.
pub(crate) fn check(options: EngineOptions) -> Result<()> {
    match options.engine {
        EngineChoice::Auto | EngineChoice::Cpu => Ok(()),
        EngineChoice::TensorRt => Err(EngineError::NotBuiltIn { engine: "tensorrt" }.into()),
    }
}

/// Kind and precision of the engine that `options` lead to on this machine, as in `cpu-f32`: engines of one class give the
/// same samples but for rounding, others do not. Nothing is loaded.
///
/// # Errors
/// As [`Separator::new`](crate::Separator::new), when the engine is not to be had.
pub fn engine_class(options: EngineOptions) -> Result<&'static str> {
    check(options)?;
    Ok("cpu-f32")
}

/// Starts the engine that `options` ask for, for one network.
pub(crate) fn start(network: Network, options: EngineOptions) -> Result<Box<dyn Engine>> {
    check(options)?;
    Ok(Box::new(Cpu::new(network, options.threads)?))
}

/// Name of the engine that is used when nothing has been loaded yet.
pub(crate) fn default_name() -> String {
    cpu::NAME.to_owned()
}
