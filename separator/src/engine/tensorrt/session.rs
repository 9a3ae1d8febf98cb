//! Session of a plan on a GPU. Batches of segments are uploaded, run through the network and
//! downloaded while the host does other work.
//!
//! Three streams, one for each direction and one for the network, are ordered by events. The
//! network always reads and writes the same two buffers, so that its launches can be captured as
//! one CUDA graph. A *slot* holds a batch's copies on both sides. While the host fills one slot and
//! empties another, a third is on the GPU.

use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use cudarc::driver::{
    CudaContext, CudaEvent, CudaSlice, CudaStream, DevicePtr, PinnedHostSlice, result, sys,
};
use trtx::interfaces::ReportLayerTime;
use trtx::{CudaEngine, CudaGraphStrategy, ExecutionContext, Runtime, RuntimeCache};

use super::error::TensorRtError;
use super::gpu::Gpu;
use super::log::{failed, logger};
use crate::model::{CHANNELS, Network};
use crate::timings::timed;

/// Number of slots: one that the host fills, one on the GPU, one that the host empties.
const SLOTS: usize = 3;

/// Names of the graph's input and output.
const INPUT: &str = "mix";
const OUTPUT: &str = "stems";

/// Sizes of the input and the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Number of segments in a batch.
    pub(super) batch: usize,
    /// Number of samples in a segment of the mix: 2 x frames.
    pub(super) mix: usize,
    /// Number of samples in a segment of all stems: stems x 2 x frames.
    pub(super) stems: usize,
}

impl Shape {
    /// Returns the sizes for batches of `batch` segments of `network`.
    pub(super) fn of(network: &Network, batch: usize) -> Self {
        let mix = CHANNELS * network.segment_frames();
        Self {
            batch,
            mix,
            stems: mix * network.sources().len(),
        }
    }
}

/// Network ready to run. Fields are dropped in this order, so a field that uses another comes
/// before it.
pub(super) struct Session {
    shape: Shape,
    slots: Vec<Slot>,
    /// Slot that is being filled, and the number of segments in it.
    filling: usize,
    filled: usize,
    /// Slot with the oldest segment that was not taken.
    oldest: usize,
    context: ExecutionContext<'static>,
    cache: Arc<RuntimeCache>,
    _engine: CudaEngine<'static>,
    _runtime: Runtime<'static>,
    input: CudaSlice<f32>,
    output: CudaSlice<f32>,
    up: Arc<CudaStream>,
    compute: Arc<CudaStream>,
    down: Arc<CudaStream>,
    gpu: Arc<CudaContext>,
}

// Sessions on several GPUs, each on a thread of its own, do not disturb each other. Every call
// makes the session's own context current on the calling thread, and so does dropping the session,
// before any of its fields is dropped.
//
// SAFETY: the binding's objects may be moved between threads (it says so of all but the context,
// whose reference-counted configuration is what keeps it from being Send: this session owns the
// only other handle to it and never hands it out). The CUDA context is made current again by every
// call of the session.
unsafe impl Send for Session {}

/// Buffers of one batch.
struct Slot {
    mix: PinnedHostSlice<f32>,
    mix_on_gpu: CudaSlice<f32>,
    stems: PinnedHostSlice<f32>,
    stems_on_gpu: CudaSlice<f32>,
    uploaded: CudaEvent,
    computed: CudaEvent,
    downloaded: CudaEvent,
    /// Number of segments under way, and how many of them were taken.
    launched: usize,
    taken: usize,
}

impl Session {
    /// Loads `plan` on `gpu`. `kernels` are those that the GPU compiled from it before. Without
    /// them the GPU compiles now, which takes many seconds.
    pub(super) fn new(
        gpu: &Gpu,
        plan: &[u8],
        kernels: Option<&[u8]>,
        shape: Shape,
    ) -> Result<Self, TensorRtError> {
        Self::start(
            gpu,
            plan,
            kernels,
            shape,
            CudaGraphStrategy::kWHOLE_GRAPH_CAPTURE,
        )
    }

    /// Creates a session whose layers can be timed one by one.
    pub(super) fn without_graph(
        gpu: &Gpu,
        plan: &[u8],
        shape: Shape,
    ) -> Result<Self, TensorRtError> {
        Self::start(gpu, plan, None, shape, CudaGraphStrategy::kDISABLED)
    }

    fn start(
        gpu: &Gpu,
        plan: &[u8],
        kernels: Option<&[u8]>,
        shape: Shape,
        graphs: CudaGraphStrategy,
    ) -> Result<Self, TensorRtError> {
        let gpu = Arc::clone(gpu.context());
        let started = TensorRtError::cuda("start");
        gpu.bind_to_thread().map_err(&started)?;
        let stream = || gpu.new_stream().map_err(&started);
        let (up, compute, down) = (stream()?, stream()?, stream()?);

        // Pin memory on another thread: it takes a tenth of a second, and loading the plan longer.
        let (loaded, slots) = thread::scope(|scope| {
            let reserve = || {
                (0..SLOTS)
                    .map(|_| Slot::new(&gpu, &compute, shape))
                    .collect::<Result<_, _>>()
            };
            let slots = scope.spawn(move || timed("pin memory", reserve));
            (Loaded::new(plan, kernels, graphs), slots.join())
        });

        let Loaded {
            runtime,
            engine,
            cache,
            mut context,
        } = loaded?;

        let ended = |_| TensorRtError::Failed {
            action: "reserve memory",
            reason: "its thread ended".to_owned(),
        };
        let slots = slots.map_err(ended)??;

        // Reserve the network's own buffers and bind them.
        let allocated = TensorRtError::cuda("reserve memory");
        let input = compute
            .alloc_zeros::<f32>(shape.batch * shape.mix)
            .map_err(&allocated)?;

        let output = compute
            .alloc_zeros::<f32>(shape.batch * shape.stems)
            .map_err(&allocated)?;
        compute.synchronize().map_err(&started)?;

        // SAFETY: both buffers have the size that the graph's fixed shapes ask for, and live as
        // long as the context.
        unsafe {
            context
                .set_tensor_address(INPUT, input.device_ptr(&compute).0 as *mut _)
                .and_then(|()| {
                    context.set_tensor_address(OUTPUT, output.device_ptr(&compute).0 as *mut _)
                })
                .map_err(failed("bind its input and output"))?;
        }

        Ok(Self {
            shape,
            slots,
            filling: 0,
            filled: 0,
            oldest: 0,
            context,
            cache,
            _engine: engine,
            _runtime: runtime,
            input,
            output,
            up,
            compute,
            down,
            gpu,
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

    /// Measures the network's time for a batch in milliseconds, in `runs` successive runs after
    /// `warm_up` warm-up runs. The input is the last batch, whatever it holds.
    pub(super) fn time_runs(
        &mut self,
        warm_up: usize,
        runs: usize,
    ) -> Result<Vec<f64>, TensorRtError> {
        let ran = TensorRtError::cuda("time the network");
        self.gpu.bind_to_thread().map_err(&ran)?;

        let mut marks = Vec::with_capacity(warm_up + runs);
        for _ in 0..warm_up + runs {
            // SAFETY: as in `launch`.
            unsafe { self.context.enqueue_v3(self.compute.cu_stream().cast()) }
                .map_err(failed("run the network"))?;
            marks.push(
                self.compute
                    .record_event(Some(sys::CUevent_flags::CU_EVENT_DEFAULT))
                    .map_err(&ran)?,
            );
        }

        let spans = marks.windows(2).skip(warm_up.saturating_sub(1));
        spans
            .map(|ends| Ok(f64::from(ends[0].elapsed_ms(&ends[1]).map_err(&ran)?)))
            .collect()
    }

    /// Returns the number of segments that may be submitted before the first has to be taken.
    pub(super) fn depth(&self) -> usize {
        (SLOTS - 1) * self.shape.batch
    }

    /// Queues one segment of the mix. `fill` must write every sample of it.
    pub(super) fn submit(&mut self, fill: impl FnOnce(&mut [f32])) -> Result<(), TensorRtError> {
        let Shape {
            batch, mix: size, ..
        } = self.shape;
        let slot = &mut self.slots[self.filling];
        let staged = slot
            .mix
            .as_mut_slice()
            .map_err(TensorRtError::cuda("stage a segment"))?;

        fill(&mut staged[self.filled * size..][..size]);
        self.filled += 1;

        if self.filled == batch {
            self.launch()?;
        }

        Ok(())
    }

    /// Waits for the stems of the oldest segment that was not taken, and returns them.
    ///
    /// # Errors
    /// Also fails when no segment was submitted.
    pub(super) fn take(&mut self) -> Result<&[f32], TensorRtError> {
        let index = self.oldest;
        if self.slots[index].launched == 0 {
            self.launch_rest()?;
        }

        if self.slots[index].launched == 0 {
            let reason = "there is nothing to wait for".to_owned();
            return Err(TensorRtError::Failed {
                action: "hand out stems",
                reason,
            });
        }

        let slot = &mut self.slots[index];
        let segment = slot.taken;
        if segment == 0 {
            slot.downloaded
                .synchronize()
                .map_err(TensorRtError::cuda("run the network"))?;
        }

        slot.taken += 1;
        if slot.taken == slot.launched {
            slot.launched = 0;
            self.oldest = (index + 1) % SLOTS;
        }

        let stems = self.slots[index]
            .stems
            .as_slice()
            .map_err(TensorRtError::cuda("read the stems"))?;
        Ok(&stems[segment * self.shape.stems..][..self.shape.stems])
    }

    /// Drops the segments that were submitted and not taken.
    pub(super) fn forget(&mut self) -> Result<(), TensorRtError> {
        self.down
            .synchronize()
            .map_err(TensorRtError::cuda("finish what it was doing"))?;
        self.slots.iter_mut().for_each(|slot| slot.launched = 0);
        (self.filling, self.filled, self.oldest) = (0, 0, 0);
        Ok(())
    }

    /// Launches a batch that is not full, such as the last of a song. The missing segments are
    /// silent.
    pub(super) fn launch_rest(&mut self) -> Result<(), TensorRtError> {
        if self.filled == 0 {
            return Ok(());
        }

        let from = self.filled * self.shape.mix;
        let staged = self.slots[self.filling]
            .mix
            .as_mut_slice()
            .map_err(TensorRtError::cuda("stage a segment"))?;
        staged[from..].fill(0.0);

        self.launch()
    }

    /// Launches the batch in the slot that is being filled.
    fn launch(&mut self) -> Result<(), TensorRtError> {
        let ran = TensorRtError::cuda("run the network");
        self.gpu.bind_to_thread().map_err(&ran)?;

        let slot = &mut self.slots[self.filling];
        slot.upload(&self.up).map_err(&ran)?;
        self.compute.wait(&slot.uploaded).map_err(&ran)?;
        copy(&slot.mix_on_gpu, &self.input, &self.compute).map_err(&ran)?;

        // SAFETY: the stream belongs to the context that is current, and the bound buffers live as
        // long as this session.
        unsafe { self.context.enqueue_v3(self.compute.cu_stream().cast()) }
            .map_err(failed("run the network"))?;

        copy(&self.output, &slot.stems_on_gpu, &self.compute).map_err(&ran)?;
        slot.computed.record(&self.compute).map_err(&ran)?;
        self.down.wait(&slot.computed).map_err(&ran)?;
        slot.download(&self.down).map_err(&ran)?;
        slot.launched = self.filled;

        slot.taken = 0;
        self.filling = (self.filling + 1) % SLOTS;
        self.filled = 0;

        Ok(())
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

impl Drop for Session {
    fn drop(&mut self) {
        // Wait until nothing is in flight before the buffers are dropped. A lost GPU has nothing in
        // flight.
        for stream in [&self.up, &self.compute, &self.down] {
            let _ = stream.synchronize();
        }
    }
}

impl Slot {
    fn new(
        gpu: &Arc<CudaContext>,
        stream: &Arc<CudaStream>,
        shape: Shape,
    ) -> Result<Self, TensorRtError> {
        let allocated = TensorRtError::cuda("reserve memory");
        let pinned = |samples: usize| {
            // SAFETY: floats of any bits are floats, and every sample is written before it is read:
            // the mix by `submit` and `take`, the stems by the GPU.
            unsafe { gpu.alloc_pinned_with_flags::<f32>(samples, 0) }.map_err(&allocated)
        };

        let on_gpu = |samples: usize| stream.alloc_zeros::<f32>(samples).map_err(&allocated);
        let event = |flags| gpu.new_event(flags).map_err(&allocated);
        Ok(Self {
            mix: pinned(shape.batch * shape.mix)?,
            mix_on_gpu: on_gpu(shape.batch * shape.mix)?,
            stems: pinned(shape.batch * shape.stems)?,
            stems_on_gpu: on_gpu(shape.batch * shape.stems)?,
            uploaded: event(None)?,
            computed: event(None)?,
            // The host sleeps while it waits for this event.
            downloaded: event(Some(sys::CUevent_flags::CU_EVENT_BLOCKING_SYNC))?,
            launched: 0,
            taken: 0,
        })
    }

    fn upload(&mut self, stream: &CudaStream) -> Result<(), cudarc::driver::DriverError> {
        let (to, from) = (
            self.mix_on_gpu.device_ptr(stream_of(&self.mix_on_gpu)).0,
            self.mix.as_slice()?,
        );
        // SAFETY: both sides have the same size and outlive the copy: a slot is not touched until
        // `downloaded`.
        unsafe { result::memcpy_htod_async(to, from, stream.cu_stream()) }?;
        self.uploaded.record(stream)
    }

    fn download(&mut self, stream: &CudaStream) -> Result<(), cudarc::driver::DriverError> {
        let from = self
            .stems_on_gpu
            .device_ptr(stream_of(&self.stems_on_gpu))
            .0;
        // SAFETY: as in `upload`.
        unsafe { result::memcpy_dtoh_async(self.stems.as_mut_slice()?, from, stream.cu_stream()) }?;
        self.downloaded.record(stream)
    }
}

fn stream_of(slice: &CudaSlice<f32>) -> &CudaStream {
    slice.stream()
}

/// Copies a whole buffer to one of the same size on the GPU.
fn copy(
    from: &CudaSlice<f32>,
    to: &CudaSlice<f32>,
    stream: &CudaStream,
) -> Result<(), cudarc::driver::DriverError> {
    let (source, target) = (from.device_ptr(stream).0, to.device_ptr(stream).0);
    // SAFETY: both buffers have `num_bytes` bytes, and `stream` orders this copy among all that
    // touch them.
    unsafe { result::memcpy_dtod_async(target, source, from.num_bytes(), stream.cu_stream()) }
}
