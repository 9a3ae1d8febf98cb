//! Engines: what runs a network.

mod cpu;
mod error;
mod exit;
#[cfg(feature = "tensorrt")]
pub mod tensorrt;

pub(crate) use cpu::Cpu;
pub use cpu::threads as cpu_threads;
pub use error::EngineError;
pub use exit::exit_at_once;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::Result;
use crate::model::Network;
use crate::progress::Listener;

/// Runs one network on segments of audio, in the order in which they are submitted.
pub(crate) trait Engine: Send {
    /// What the engine is and what it runs on, for people to read.
    fn name(&self) -> String;

    /// Its kind and precision, as [`engine_class`] has them.
    fn class(&self) -> &'static str;

    /// Segments that may be submitted before the first has to be taken, at least 1. An engine with more works on some
    /// while the host does something else.
    fn depth(&self) -> usize;

    /// Queues one segment: `fill` writes the mix [2, segment], row-major, to where the engine wants it, every sample of it.
    fn submit(&mut self, fill: &mut dyn FnMut(&mut [f32])) -> Result<()>;

    /// Nothing more comes for now: an engine that collects segments begins with those it has.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Stems [stems, 2, segment], row-major, of the oldest segment that was submitted and not taken.
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
    /// Threads of the CPU engine; `None`: one for each physical core; never more than this process may use. They change how long it takes, not what comes out.
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
    /// float32 throughout, for comparison: slower, and no better to hear. A model whose stems float16 would change by more
    /// than 1 % is not computed in float16 either way.
    pub full_precision: bool,
    /// Segments at a time, 1 to 64; `None`: what the GPU's memory allows.
    pub batch: Option<usize>,
    /// Most memory that a layer may use for itself while it works, in bytes; `None`: all there is.
    pub workspace_bytes: Option<usize>,
    /// Number of the GPU, counted from 0 as the driver does.
    pub gpu: usize,
}

/// An engine that was started.
pub(crate) struct Started {
    pub(crate) engine: Box<dyn Engine>,
    /// Why it is this one, when the choice was left to us.
    pub(crate) note: Option<String>,
}

/// Refuses an engine that is not to be had, before anything is loaded.
pub(crate) fn check(options: &EngineOptions) -> Result<()> {
    match options.engine {
        EngineChoice::TensorRt if !cfg!(feature = "tensorrt") => Err(EngineError::NotBuiltIn.into()),
        _ => Ok(()),
    }
}

/// Kind and precision of the engine that `options` lead to on this machine, as in `cpu-f32`: engines of one class give the
/// same samples but for rounding, others do not. No model is loaded: where an engine then fails to start and the choice was
/// left open, or the model turns out to need float32, [`Separator::engine_class`](crate::Separator::engine_class) knows better.
///
/// # Errors
/// As [`Separator::new`](crate::Separator::new), when the engine is not to be had.
pub fn engine_class(options: &EngineOptions) -> Result<&'static str> {
    check(options)?;
    let gpu = gpu_class(options.tensorrt.full_precision);
    Ok(match options.engine {
        EngineChoice::Cpu => cpu::CLASS,
        EngineChoice::TensorRt => gpu,
        EngineChoice::Auto if has_gpu(options) => gpu,
        EngineChoice::Auto => cpu::CLASS,
    })
}

fn gpu_class(full_precision: bool) -> &'static str {
    if full_precision { "tensorrt-f32" } else { "tensorrt-f16" }
}

#[cfg(feature = "tensorrt")]
fn has_gpu(options: &EngineOptions) -> bool {
    tensorrt::probe(&options.tensorrt).is_ok()
}

#[cfg(not(feature = "tensorrt"))]
fn has_gpu(_: &EngineOptions) -> bool {
    false
}

/// Begins, on threads of its own, what it takes to start an engine with `options` whatever the model is: on a GPU, half of a
/// start. Starting one waits for it; whoever ends the process without that calls [`settle`].
pub fn warm_up(options: &EngineOptions) {
    #[cfg(feature = "tensorrt")]
    if options.engine != EngineChoice::Cpu {
        tensorrt::begin(&options.tensorrt);
    }
    #[cfg(not(feature = "tensorrt"))]
    let _ = options;
}

/// Waits for what [`warm_up`] has begun and nobody has asked for: a driver does not survive the end of a process in the middle
/// of that.
pub fn settle() {
    #[cfg(feature = "tensorrt")]
    tensorrt::settle();
}

/// Starts the engine that `options` ask for, for one network.
pub(crate) fn start(network: Network, options: &EngineOptions, listener: &mut dyn Listener) -> Result<Started> {
    check(options)?;
    let note = match options.engine {
        EngineChoice::Cpu => None,
        choice => match on_gpu(&network, options, listener) {
            Ok(engine) => return Ok(Started { engine, note: None }),
            Err(error) if choice == EngineChoice::TensorRt => return Err(error),
            Err(error) if error.kind() == crate::ErrorKind::Cancelled => return Err(error),
            // The cause without the advice behind it, which is to do what is done here anyway.
            Err(error) => error.to_string().split("; ").next().map(str::to_owned),
        },
    };
    Ok(Started { engine: Box::new(Cpu::new(network, options.threads)?), note })
}

#[cfg(feature = "tensorrt")]
fn on_gpu(network: &Network, options: &EngineOptions, listener: &mut dyn Listener) -> Result<Box<dyn Engine>> {
    Ok(Box::new(tensorrt::start(network, &options.tensorrt, listener)?))
}

#[cfg(not(feature = "tensorrt"))]
fn on_gpu(_: &Network, _: &EngineOptions, _: &mut dyn Listener) -> Result<Box<dyn Engine>> {
    Err(EngineError::NotBuiltIn.into())
}

/// Whether engines of `class` run on the CPU.
pub(crate) fn is_of_cpu(class: &str) -> bool {
    class == cpu::CLASS
}

/// Name of the engine that is used when nothing has been loaded yet.
pub(crate) fn default_name() -> String {
    cpu::NAME.to_owned()
}
