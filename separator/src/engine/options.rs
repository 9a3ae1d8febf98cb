//! Choice and options of the engine.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::cpu::options::CpuOptions;
use crate::setters::setters;

/// Choice of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineChoice {
    /// Fastest engine that works on this machine.
    #[default]
    Auto,
    /// CPU engine.
    Cpu,
    /// Kernels of our own on an NVIDIA GPU.
    Cuda,
    /// TensorRT on an NVIDIA GPU.
    TensorRt,
}

/// Choice and options of the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct EngineOptions {
    /// Choice of the engine.
    pub engine: EngineChoice,
    /// Number of threads of the CPU engine; `None` for one on each physical core. The number never
    /// exceeds what this process may use. It changes the time, not the samples.
    pub threads: Option<NonZeroUsize>,
    /// Options of the CPU engine for tests and measurements.
    pub cpu: CpuOptions,
    /// Options of the engines on GPUs.
    pub gpu: GpuOptions,
}

setters!(EngineOptions {
    engine: EngineChoice,
    threads: impl Into<Option<NonZeroUsize>>,
    cpu: CpuOptions,
    gpu: GpuOptions,
});

/// Options of the engines on GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct GpuOptions {
    /// Number of the GPU, counted from 0 in the driver's order.
    pub index: usize,
    /// Number of segments in a batch, 1 to 64; `None` for what the GPU's memory allows.
    pub batch: Option<usize>,
    /// Folder of what is made or measured once for a model: engines that TensorRT has built, and
    /// the errors of models in float16. `None` to do so at every start.
    pub cache: Option<PathBuf>,
    /// Folders to search for TensorRT's libraries, in this order, before the system's own folders.
    pub libraries: Vec<PathBuf>,
    /// Whether to compute in float32 throughout, for comparison, which TensorRT alone does. It is
    /// slower without an audible improvement. A model whose stems float16 would change by more than
    /// 1 % is never computed in float16.
    pub full_precision: bool,
    /// Largest working memory of a layer of TensorRT, in bytes; `None` for no limit.
    pub workspace_bytes: Option<usize>,
}

setters!(GpuOptions {
    index: usize,
    batch: impl Into<Option<usize>>,
    cache: impl Into<Option<PathBuf>>,
    libraries: Vec<PathBuf>,
    full_precision: bool,
    workspace_bytes: impl Into<Option<usize>>,
});
