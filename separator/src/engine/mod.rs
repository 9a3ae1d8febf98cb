//! Engines: what runs a network. `choice.rs` decides which one.

mod choice;
mod cpu;
mod error;
mod exit;
#[cfg(feature = "tensorrt")]
pub mod tensorrt;
/// What stands for it in a build without TensorRT: the only place where the two builds choose
/// differently.
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

/// Runs one network on segments of audio, in the order in which they are submitted.
pub(crate) trait Engine: Send {
    /// What the engine is and what it runs on, for people to read.
    fn name(&self) -> String;

    /// Its kind and precision, as [`engine_class`] has them.
    fn class(&self) -> &'static str;

    /// Segments that may be submitted before the first has to be taken, at least 1. An engine with
    /// more works on some while the host does something else.
    fn depth(&self) -> usize;

    /// Queues one segment: `fill` writes the mix [2, segment], row-major, to where the engine wants
    /// it, every sample of it.
    fn submit(&mut self, fill: &mut dyn FnMut(&mut [f32])) -> Result<()>;

    /// Nothing more comes for now: an engine that collects segments begins with those it has.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Stems [stems, 2, segment], row-major, of the oldest segment that was submitted and not
    /// taken.
    fn take(&mut self) -> Result<&[f32]>;

    /// Drops what was submitted and not taken.
    fn forget(&mut self) -> Result<()>;
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EngineOptions {
    /// Which one.
    pub engine: EngineChoice,
    /// Threads of the CPU engine; `None`: one for each physical core; never more than this process
    /// may use. They change how long it takes, not what comes out.
    pub threads: Option<NonZeroUsize>,
    /// How TensorRT is used, when it is.
    pub tensorrt: TensorRtOptions,
}

/// How TensorRT is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TensorRtOptions {
    /// Folders to look for its libraries in, in this order, before the system's own places.
    pub libraries: Vec<PathBuf>,
    /// Folder of built engines; `None`: they are built every time.
    pub cache: Option<PathBuf>,
    /// float32 throughout, for comparison: slower, and no better to hear. A model whose stems
    /// float16 would change by more than 1 % is not computed in float16 either way.
    pub full_precision: bool,
    /// Segments at a time, 1 to 64; `None`: what the GPU's memory allows.
    pub batch: Option<usize>,
    /// Most memory that a layer may use for itself while it works, in bytes; `None`: all there is.
    pub workspace_bytes: Option<usize>,
    /// Number of the GPU, counted from 0 as the driver does.
    pub gpu: usize,
}
