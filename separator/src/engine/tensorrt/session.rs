//! Session of a plan on a GPU.

use std::rc::Rc;
use std::sync::Arc;

use cudarc::driver::{CudaSlice, CudaStream, DevicePtr};
use trtx::interfaces::ReportLayerTime;
use trtx::{CudaEngine, CudaGraphStrategy, ExecutionContext, Runtime, RuntimeCache};

use super::error::TensorRtError;
use super::log::{failed, logger};
use crate::engine::gpu::{BatchNetwork, Batches, Gpu, GpuError, Shape};
use crate::timings::timed;

/// Names of the graph's input and output.
const INPUT: &str = "mix";
const OUTPUT: &str = "stems";

/// Batches that a plan runs.
pub(super) type Session = Batches<PlanOnGpu>;

/// Loads `plan` on `gpu` for batches of `shape`. `kernels` are those that the GPU compiled from it
/// before. Without them the GPU compiles now, which takes many seconds.
pub(super) fn session(
    gpu: &Gpu,
    plan: &[u8],
    kernels: Option<&[u8]>,
    shape: Shape,
) -> Result<Session, TensorRtError> {
    let graphs = CudaGraphStrategy::kWHOLE_GRAPH_CAPTURE;
    Batches::new(gpu, shape, || {
        PlanOnGpu::new(gpu, plan, kernels, shape, graphs)
    })
}

/// Creates a session whose layers can be timed one by one.
pub(super) fn session_without_graph(
    gpu: &Gpu,
    plan: &[u8],
    shape: Shape,
) -> Result<Session, TensorRtError> {
    let graphs = CudaGraphStrategy::kDISABLED;
    Batches::new(gpu, shape, || {
        PlanOnGpu::new(gpu, plan, None, shape, graphs)
    })
}

/// Plan that is ready to run. Fields are dropped in this order, so a field that uses another comes
/// before it.
pub(super) struct PlanOnGpu {
    context: ExecutionContext<'static>,
    cache: Arc<RuntimeCache>,
    _engine: CudaEngine<'static>,
    _runtime: Runtime<'static>,
    mix: CudaSlice<f32>,
    stems: CudaSlice<f32>,
    stream: Arc<CudaStream>,
}

// Sessions on several GPUs, each on a thread of its own, do not disturb each other. Every call of
// `Batches` makes the session's own context current on the calling thread, and so does dropping it,
// before any of its fields is dropped.
//
// SAFETY: the binding's objects may be moved between threads (it says so of all but the context,
// whose reference-counted configuration is what keeps it from being Send: this owns the only other
// handle to it and never hands it out). The CUDA context is made current again by every call.
unsafe impl Send for PlanOnGpu {}

impl PlanOnGpu {
    fn new(
        gpu: &Gpu,
        plan: &[u8],
        kernels: Option<&[u8]>,
        shape: Shape,
        graphs: CudaGraphStrategy,
    ) -> Result<Self, TensorRtError> {
        let stream = gpu
            .context()
            .new_stream()
            .map_err(GpuError::during("start"))?;
        let Loaded {
            runtime,
            engine,
            cache,
            mut context,
        } = Loaded::new(plan, kernels, graphs)?;

        // Reserve the network's own buffers and bind them.
        let reserved = GpuError::during("reserve memory");
        let buffer = |samples| stream.alloc_zeros::<f32>(samples).map_err(&reserved);
        let mix = buffer(shape.batch * shape.mix)?;
        let stems = buffer(shape.batch * shape.stems)?;
        stream.synchronize().map_err(&reserved)?;

        // SAFETY: both buffers have the size that the graph's fixed shapes ask for, and live as
        // long as the context.
        unsafe {
            context
                .set_tensor_address(INPUT, mix.device_ptr(&stream).0 as *mut _)
                .and_then(|()| {
                    context.set_tensor_address(OUTPUT, stems.device_ptr(&stream).0 as *mut _)
                })
                .map_err(failed("bind its input and output"))?;
        }

        Ok(Self {
            context,
            cache,
            _engine: engine,
            _runtime: runtime,
            mix,
            stems,
            stream,
        })
    }

    /// Returns the kernels that the GPU has compiled so far.
    pub(super) fn kernels(&self) -> Result<Vec<u8>, TensorRtError> {
        Ok(self
            .cache
            .serialize()
            .map_err(failed("hand out its kernels"))?
            .to_vec())
    }

    /// Makes TensorRT report the time of each layer to `clock`.
    pub(super) fn profile(&mut self, clock: Box<dyn ReportLayerTime>) -> Result<(), TensorRtError> {
        self.context
            .set_profiler(clock)
            .map_err(failed("time its layers"))
    }
}

impl BatchNetwork for PlanOnGpu {
    type Error = TensorRtError;

    fn mix(&self) -> &CudaSlice<f32> {
        &self.mix
    }

    fn stems(&self) -> &CudaSlice<f32> {
        &self.stems
    }

    fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    fn enqueue(&mut self) -> Result<(), TensorRtError> {
        // SAFETY: the stream belongs to the context that is current, and the bound buffers live as
        // long as this plan.
        unsafe { self.context.enqueue_v3(self.stream.cu_stream().cast()) }
            .map_err(failed("run the network"))
    }
}

/// Plan loaded into TensorRT, without buffers.
struct Loaded {
    context: ExecutionContext<'static>,
    cache: Arc<RuntimeCache>,
    engine: CudaEngine<'static>,
    runtime: Runtime<'static>,
}

impl Loaded {
    /// Loads a plan on the GPU whose context is current.
    fn new(
        plan: &[u8],
        kernels: Option<&[u8]>,
        graphs: CudaGraphStrategy,
    ) -> Result<Self, TensorRtError> {
        let mut runtime = timed("start TensorRT", || {
            Runtime::new(logger()?).map_err(failed("start"))
        })?;
        let load = || {
            runtime
                .deserialize_cuda_engine(plan)
                .map_err(failed("load the engine"))
        };

        let mut engine = timed("load the plan", load)?;
        let mut config = engine
            .create_runtime_config()
            .map_err(failed("make a runtime configuration"))?;
        let cache = Arc::new(
            config
                .create_runtime_cache()
                .map_err(failed("make a kernel cache"))?,
        );

        if let Some(kernels) = kernels {
            // Ignore the error: kernels that cannot be used are compiled again.
            let _ = timed("load the kernels", || cache.deserialize(kernels));
        }

        config
            .set_runtime_cache(Arc::clone(&cache))
            .map_err(failed("use the kernel cache"))?;
        config
            .set_cuda_graph_strategy(graphs)
            .map_err(failed("use CUDA graphs"))?;
        let create = || engine.create_execution_context_with_config(Rc::new(config));
        let context =
            timed("make TensorRT's context", create).map_err(failed("compile for this GPU"))?;

        Ok(Self {
            context,
            cache,
            engine,
            runtime,
        })
    }
}
