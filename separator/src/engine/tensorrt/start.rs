//! Start of an engine on a GPU: the library is loaded, the GPU opened, and a session started.

use std::time::Duration;

use super::cache::PlanCache;
use super::float16::in_float16;
use super::library::Library;
use super::opening::open_largest;
use super::outlook;
use super::plans::Plans;
use super::precision::{class, precision};
use crate::Result;
use crate::engine::contract::{Engine, OpenedGpu};
use crate::engine::gpu::{self, Gpu, Needs, OnGpu};
use crate::engine::options::{EngineOptions, GpuOptions};
use crate::model::{Network, Precision};
use crate::progress::Listener;
use crate::timings::timed;

/// Driver and GPU that TensorRT-RTX needs: CUDA 13.0, for which the libraries are built, and
/// Turing.
pub const NEEDS: Needs = Needs {
    engine: "TensorRT",
    driver: 13_000,
    capability: (7, 5),
    architecture: "Turing",
};

/// Opened GPU with the loaded library, from which an engine can be started.
#[derive(Clone, Debug)]
pub(crate) struct TensorRtGpu {
    library: Library,
    gpu: Gpu,
    cache: Option<PlanCache>,
}

/// Loads the library and opens the GPU that `options` name. The plan that `network` will need is
/// read at the same time.
///
/// # Errors
/// Fails when the library, the driver or the GPU is missing.
pub(crate) fn open_gpu(network: &Network, options: &GpuOptions) -> Result<TensorRtGpu> {
    let plans = Plans::new(network, options);
    plans.read_ahead(options);
    warm_up(options);

    // Close the GPU when the library cannot be loaded: no engine will use it.
    let library =
        Library::load(&options.libraries).inspect_err(|_| drop(gpu::take_opened(options.index)))?;
    let gpu = timed("wait for the GPU", || Gpu::open(options.index, &NEEDS))?;
    Ok(TensorRtGpu {
        library,
        gpu,
        cache: plans.cache,
    })
}

impl OpenedGpu for TensorRtGpu {
    fn name(&self) -> String {
        format!("TensorRT-RTX {} on {}", self.library.version, self.gpu.name)
    }

    fn until_ready(&self, networks: &[&Network], options: &EngineOptions) -> Duration {
        outlook::until_ready(&self.gpu, self.cache.as_ref(), networks, &options.gpu)
    }

    /// Starts `network` and checks that its precision is sufficient. An unusable cache is not an
    /// error: it is reported to `listener`.
    fn start(
        &self,
        network: &Network,
        options: &EngineOptions,
        listener: &mut dyn Listener,
    ) -> Result<Box<dyn Engine>> {
        let (gpu, options) = (&self.gpu, &options.gpu);
        let plans = Plans {
            network,
            cache: self.cache.clone(),
        };
        let (session, batch, precision) = match precision(options) {
            Precision::F16 => in_float16(&plans, options, gpu, listener)?,
            Precision::F32 => open_largest(&plans, options, Precision::F32, gpu, listener)?,
        };

        let spoken = match precision {
            Precision::F32 => "float32",
            Precision::F16 => "float16",
        };
        let name = format!("{} ({spoken}, batch {batch})", self.name());
        Ok(Box::new(OnGpu::new(session, name, class(precision))))
    }
}

/// Begins the steps of [`open_gpu`] that do not depend on the network. The GPU is opened on a
/// thread of its own, while the caller, or another thread, loads the libraries. Does nothing on a
/// machine without the libraries.
fn warm_up(options: &GpuOptions) {
    if Library::is_there(&options.libraries) {
        gpu::begin_to_open(options.index);
    }
}

/// Begins to open the GPU and to load the libraries, on threads of their own. The start of an
/// engine with `options` waits for them.
pub(crate) fn begin(options: &GpuOptions) {
    warm_up(options);
    Library::begin_to_load(&options.libraries);
}

/// Waits for the work begun by [`begin`] that no engine has claimed, and releases it. A process
/// must not end in the middle of it.
pub(crate) fn settle() {
    drop(gpu::take_all_opened());
    Library::wait();
}
