//! Library and GPU that TensorRT would run on, found without starting an engine.

use super::library::Library;
use super::start::NEEDS;
use super::version::LibraryVersion;
use crate::Result;
use crate::engine::gpu;
use crate::engine::options::GpuOptions;

/// Library and GPU that TensorRT would run on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// Version of the TensorRT library.
    pub library: LibraryVersion,
    /// Name of the GPU, as the driver gives it.
    pub gpu: String,
}

/// Returns the library and the GPU that TensorRT would run on, without starting an engine. Both are
/// remembered.
///
/// # Errors
/// Fails when the library, the driver or the GPU is missing.
pub fn probe(options: &GpuOptions) -> Result<Probe> {
    Ok(Probe {
        library: Library::load(&options.libraries)?.version,
        gpu: gpu::probe(options.index, &NEEDS)?,
    })
}
