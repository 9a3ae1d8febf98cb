//! Engines, which run networks. `choice.rs` decides which one is used.

mod choice;
mod cpu;
pub mod cuda;
mod error;
mod exit;
#[cfg(feature = "tensorrt")]
pub mod tensorrt;
/// Replacement for the TensorRT engine in a build without it. This is the only place where the two
/// builds differ in a choice.
#[cfg(not(feature = "tensorrt"))]
#[path = "no_tensorrt.rs"]
mod tensorrt;

pub use choice::{Backend, Sooner, Successor, Work, engine_class, settle, successor, warm_up};
pub(crate) use choice::{check, is_of_cpu, start};
pub use cpu::threads as cpu_threads;
pub use error::EngineError;
pub use exit::exit_at_once;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::Result;

/// Engine that runs one network on segments of audio, in the order in which they are submitted.
pub(crate) trait Engine: Send {
    /// Returns the name of the engine and of its hardware, for display.
    fn name(&self) -> String;

    /// Returns the kind and precision of the engine, in the terms of [`engine_class`].
    fn class(&self) -> &'static str;

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

/// Choice of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EngineChoice {
    /// Fastest engine that works on this machine.
    #[default]
    Auto,
    /// CPU engine.
    Cpu,
    /// TensorRT on an NVIDIA GPU.
    TensorRt,
}

/// Choice and options of the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EngineOptions {
    /// Choice of the engine.
    pub engine: EngineChoice,
    /// Number of threads of the CPU engine; `None` for one on each physical core. The number never
    /// exceeds what this process may use. It changes the time, not the samples.
    pub threads: Option<NonZeroUsize>,
    /// Options of TensorRT.
    pub tensorrt: TensorRtOptions,
}

/// Options of TensorRT.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TensorRtOptions {
    /// Folders to search for the libraries, in this order, before the system's own folders.
    pub libraries: Vec<PathBuf>,
    /// Folder of built engines; `None` to build them at every start.
    pub cache: Option<PathBuf>,
    /// Whether to compute in float32 throughout, for comparison. It is slower without an audible
    /// improvement. A model whose stems float16 would change by more than 1 % is never computed in
    /// float16.
    pub full_precision: bool,
    /// Number of segments in a batch, 1 to 64; `None` for what the GPU's memory allows.
    pub batch: Option<usize>,
    /// Largest working memory of a layer, in bytes; `None` for no limit.
    pub workspace_bytes: Option<usize>,
    /// Number of the GPU, counted from 0 in the driver's order.
    pub gpu: usize,
}
