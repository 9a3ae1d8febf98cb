//! Batches of segments on a GPU. They are uploaded, run through a network and downloaded while the
//! host does other work.
//!
//! Three streams, one for each direction and one for the network, are ordered by events. The
//! network always reads and writes the same two buffers, so that its launches can be captured as
//! one CUDA graph. A *slot* holds a batch on the host. While the host fills one slot and empties
//! another, a third is on the GPU. There, a batch is uploaded beside the one that runs and
//! downloaded beside the next one, from buffers of its own.

use std::sync::Arc;
use std::thread;

use cudarc::driver::{
    CudaContext, CudaEvent, CudaSlice, CudaStream, DevicePtr, PinnedHostSlice, result, sys,
};

use super::device::Gpu;
use super::error::GpuError;
use crate::model::{CHANNELS, Network};
use crate::timings::timed;

/// Number of slots: one that the host fills, one on the GPU, one that the host empties.
const SLOTS: usize = 3;

/// Network that runs a batch between two buffers of a GPU.
pub(in crate::engine) trait BatchNetwork: Send {
    /// Error of the network.
    type Error: From<GpuError>;

    /// Returns the buffer of the mixes, [batch, 2, segment].
    fn mix(&self) -> &CudaSlice<f32>;

    /// Returns the buffer of the stems, [batch, stems, 2, segment].
    fn stems(&self) -> &CudaSlice<f32>;

    /// Returns the stream on which the network works.
    fn stream(&self) -> &Arc<CudaStream>;

    /// Begins to compute a batch on the network's stream. The GPU's context is current.
    fn enqueue(&mut self) -> Result<(), Self::Error>;
}

/// Sizes of the input and the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Shape {
    /// Number of segments in a batch.
    pub(in crate::engine) batch: usize,
    /// Number of samples in a segment of the mix: 2 x frames.
    pub(in crate::engine) mix: usize,
    /// Number of samples in a segment of all stems: stems x 2 x frames.
    pub(in crate::engine) stems: usize,
}

impl Shape {
    /// Returns the sizes for batches of `batch` segments of `network`.
    pub(in crate::engine) fn of(network: &Network, batch: usize) -> Self {
        let mix = CHANNELS * network.segment_frames();
        Self {
            batch,
            mix,
            stems: mix * network.sources().len(),
        }
    }
}

/// Buffers on the GPU between the host and the network: a mix that was uploaded before the network
/// takes it, and stems that are downloaded while the network makes others.
struct Staging {
    mix: CudaSlice<f32>,
    stems: CudaSlice<f32>,
    /// The network has taken the mix.
    mix_taken: CudaEvent,
    /// The stems have been downloaded.
    stems_left: CudaEvent,
}

/// Batches that a network runs. Fields are dropped in this order, so a field that uses another
/// comes before it.
pub(in crate::engine) struct Batches<N> {
    shape: Shape,
    slots: Vec<Slot>,
    staging: Staging,
    /// Slot that is being filled, and the number of segments in it.
    filling: usize,
    filled: usize,
    /// Slot with the oldest segment that was not taken.
    oldest: usize,
    network: N,
    up: Arc<CudaStream>,
    down: Arc<CudaStream>,
    gpu: Arc<CudaContext>,
    /// Stream of the network.
    compute: Arc<CudaStream>,
}

/// Buffers of one batch on the host.
struct Slot {
    mix: PinnedHostSlice<f32>,
    stems: PinnedHostSlice<f32>,
    uploaded: CudaEvent,
    computed: CudaEvent,
    downloaded: CudaEvent,
    /// Number of segments under way, and how many of them were taken.
    launched: usize,
    taken: usize,
}

impl<N: BatchNetwork> Batches<N> {
    /// Loads a network by `load`, whose buffers have `shape`, on `gpu`, whose context is current
    /// there.
    pub(in crate::engine) fn new(
        gpu: &Gpu,
        shape: Shape,
        load: impl FnOnce() -> Result<N, N::Error>,
    ) -> Result<Self, N::Error> {
        let gpu = Arc::clone(gpu.context());
        let started = GpuError::during("start");
        gpu.bind_to_thread().map_err(&started)?;
        let stream = || gpu.new_stream().map_err(&started);
        let (up, down) = (stream()?, stream()?);

        // Pin memory on another thread: it takes a tenth of a second, and loading a network longer.
        let (network, slots) = thread::scope(|scope| {
            let reserve = || {
                (0..SLOTS)
                    .map(|_| Slot::new(&gpu, shape))
                    .collect::<Result<Vec<_>, GpuError>>()
            };
            let slots = scope.spawn(move || timed("pin memory", reserve));
            (load(), slots.join())
        });

        let network = network?;
        let ended = |_| GpuError::Cuda {
            action: "reserve memory",
            code: "its thread ended".to_owned(),
        };
        let slots = slots.map_err(ended)??;
        let staging = Staging::new(&gpu, &up, shape)?;
        up.synchronize().map_err(&started)?;

        let compute = Arc::clone(network.stream());
        Ok(Self {
            shape,
            slots,
            staging,
            filling: 0,
            filled: 0,
            oldest: 0,
            network,
            up,
            down,
            gpu,
            compute,
        })
    }

    /// Returns the network.
    #[cfg_attr(
        not(feature = "tensorrt"),
        allow(dead_code, reason = "TensorRT's has more to say")
    )]
    pub(in crate::engine) fn network(&mut self) -> &mut N {
        &mut self.network
    }

    /// Returns the sizes.
    pub(in crate::engine) fn shape(&self) -> Shape {
        self.shape
    }

    /// Measures the network's time for a batch in milliseconds, in `runs` successive runs after
    /// `warm_up` warm-up runs. The input is the last batch, whatever it holds.
    pub(in crate::engine) fn time_runs(
        &mut self,
        warm_up: usize,
        runs: usize,
    ) -> Result<Vec<f64>, N::Error> {
        let ran = GpuError::during("time the network");
        self.gpu.bind_to_thread().map_err(&ran)?;

        let mut marks = Vec::with_capacity(warm_up + runs);
        for _ in 0..warm_up + runs {
            self.network.enqueue()?;
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
    pub(in crate::engine) fn depth(&self) -> usize {
        (SLOTS - 1) * self.shape.batch
    }

    /// Queues one segment of the mix. `fill` must write every sample of it.
    pub(in crate::engine) fn submit(
        &mut self,
        fill: impl FnOnce(&mut [f32]),
    ) -> Result<(), N::Error> {
        let Shape {
            batch, mix: size, ..
        } = self.shape;
        let slot = &mut self.slots[self.filling];
        let staged = slot
            .mix
            .as_mut_slice()
            .map_err(GpuError::during("stage a segment"))?;

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
    pub(in crate::engine) fn take(&mut self) -> Result<&[f32], N::Error> {
        let index = self.oldest;
        if self.slots[index].launched == 0 {
            self.launch_rest()?;
        }

        if self.slots[index].launched == 0 {
            return Err(GpuError::NothingSubmitted.into());
        }

        let slot = &mut self.slots[index];
        let segment = slot.taken;
        if segment == 0 {
            slot.downloaded
                .synchronize()
                .map_err(GpuError::during("run the network"))?;
        }

        slot.taken += 1;
        if slot.taken == slot.launched {
            slot.launched = 0;
            self.oldest = (index + 1) % SLOTS;
        }

        let stems = self.slots[index]
            .stems
            .as_slice()
            .map_err(GpuError::during("read the stems"))?;
        Ok(&stems[segment * self.shape.stems..][..self.shape.stems])
    }

    /// Drops the segments that were submitted and not taken.
    pub(in crate::engine) fn forget(&mut self) -> Result<(), N::Error> {
        self.down
            .synchronize()
            .map_err(GpuError::during("finish what it was doing"))?;
        self.slots.iter_mut().for_each(|slot| slot.launched = 0);
        (self.filling, self.filled, self.oldest) = (0, 0, 0);
        Ok(())
    }

    /// Launches a batch that is not full, such as the last of a song. The missing segments are
    /// silent.
    pub(in crate::engine) fn launch_rest(&mut self) -> Result<(), N::Error> {
        if self.filled == 0 {
            return Ok(());
        }

        let from = self.filled * self.shape.mix;
        let staged = self.slots[self.filling]
            .mix
            .as_mut_slice()
            .map_err(GpuError::during("stage a segment"))?;
        staged[from..].fill(0.0);

        self.launch()
    }

    /// Launches the batch in the slot that is being filled.
    fn launch(&mut self) -> Result<(), N::Error> {
        let ran = GpuError::during("run the network");
        self.gpu.bind_to_thread().map_err(&ran)?;

        let (slot, staging) = (&mut self.slots[self.filling], &self.staging);
        self.up.wait(&staging.mix_taken).map_err(&ran)?;
        slot.upload(&staging.mix, &self.up).map_err(&ran)?;
        self.compute.wait(&slot.uploaded).map_err(&ran)?;
        copy(&staging.mix, self.network.mix(), &self.compute).map_err(&ran)?;
        staging.mix_taken.record(&self.compute).map_err(&ran)?;

        self.network.enqueue()?;
        self.compute.wait(&staging.stems_left).map_err(&ran)?;
        copy(self.network.stems(), &staging.stems, &self.compute).map_err(&ran)?;
        slot.computed.record(&self.compute).map_err(&ran)?;

        self.down.wait(&slot.computed).map_err(&ran)?;
        slot.download(&staging.stems, &self.down).map_err(&ran)?;
        staging.stems_left.record(&self.down).map_err(&ran)?;
        slot.launched = self.filled;

        slot.taken = 0;
        self.filling = (self.filling + 1) % SLOTS;
        self.filled = 0;

        Ok(())
    }
}

impl<N> Drop for Batches<N> {
    fn drop(&mut self) {
        // Wait until nothing is in flight before the buffers are dropped. A lost GPU has nothing in
        // flight.
        for stream in [&self.up, &self.compute, &self.down] {
            let _ = stream.synchronize();
        }
    }
}

impl Staging {
    fn new(
        gpu: &Arc<CudaContext>,
        stream: &Arc<CudaStream>,
        shape: Shape,
    ) -> Result<Self, GpuError> {
        let allocated = GpuError::during("reserve memory");
        let on_gpu = |samples: usize| stream.alloc_zeros::<f32>(samples).map_err(&allocated);
        let event = || gpu.new_event(None).map_err(&allocated);
        Ok(Self {
            mix: on_gpu(shape.batch * shape.mix)?,
            stems: on_gpu(shape.batch * shape.stems)?,
            mix_taken: event()?,
            stems_left: event()?,
        })
    }
}

impl Slot {
    fn new(gpu: &Arc<CudaContext>, shape: Shape) -> Result<Self, GpuError> {
        let allocated = GpuError::during("reserve memory");
        let pinned = |samples: usize| {
            // SAFETY: floats of any bits are floats, and every sample is written before it is read:
            // the mix by `submit` and `take`, the stems by the GPU.
            unsafe { gpu.alloc_pinned_with_flags::<f32>(samples, 0) }.map_err(&allocated)
        };

        let event = |flags| gpu.new_event(flags).map_err(&allocated);
        Ok(Self {
            mix: pinned(shape.batch * shape.mix)?,
            stems: pinned(shape.batch * shape.stems)?,
            uploaded: event(None)?,
            computed: event(None)?,
            // The host sleeps while it waits for this event.
            downloaded: event(Some(sys::CUevent_flags::CU_EVENT_BLOCKING_SYNC))?,
            launched: 0,
            taken: 0,
        })
    }

    fn upload(
        &mut self,
        to: &CudaSlice<f32>,
        stream: &CudaStream,
    ) -> Result<(), cudarc::driver::DriverError> {
        let (to, from) = (to.device_ptr(stream_of(to)).0, self.mix.as_slice()?);
        // SAFETY: both sides have the same size and outlive the copy: a slot is not touched until
        // `downloaded`, and `stream` has waited until the buffer on the GPU is free.
        unsafe { result::memcpy_htod_async(to, from, stream.cu_stream()) }?;
        self.uploaded.record(stream)
    }

    fn download(
        &mut self,
        from: &CudaSlice<f32>,
        stream: &CudaStream,
    ) -> Result<(), cudarc::driver::DriverError> {
        let from = from.device_ptr(stream_of(from)).0;
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
