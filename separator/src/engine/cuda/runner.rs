//! A program on a GPU: memory, weights and kernels, and one graph of launches for a batch.

use std::collections::HashMap;
use std::ffi::c_void;
use std::ops::Range;
use std::sync::Arc;

use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaGraph, CudaSlice, CudaStream, DevicePtr, result, sys,
};

use super::error::CudaError;
use super::images::Images;
use super::kernel::Kernel;
use super::lower::{Launch, Limits, Lowered, lower};
use super::pointer::Region;
use crate::engine::gpu::GpuError;
use crate::model::program::{Branch, Operation, Program, Step, Tensor};

/// Most bytes of dynamic shared memory that a kernel has without asking for more.
const PLAIN_SHARED: u32 = 48 * 1024;

/// Program that is ready to run on a GPU.
pub(super) struct Runner {
    graph: CudaGraph,
    mix: CudaSlice<f32>,
    stems: CudaSlice<f32>,
    tensors: CudaSlice<u8>,
    /// Held for the kernels.
    _scratch: CudaSlice<u8>,
    _weights: CudaSlice<u8>,
    functions: HashMap<Kernel, CudaFunction>,
    launches: Vec<Launch>,
    places: Vec<Option<(usize, usize)>>,
    compute: Arc<CudaStream>,
}

/// Limits below those of the GPU, with which a GPU can play a lesser one in a trial.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restrictions<'a> {
    /// Compiled kernels to use instead of the best for the GPU, such as `compute_80`.
    pub target: Option<&'a str>,
    /// Number of multiprocessors to reckon with, if the GPU has more.
    pub multiprocessors: Option<usize>,
}

/// Program that was lowered for a GPU, with the kernels' images. It holds nothing on the GPU.
pub(super) struct Prepared {
    images: Images,
    lowered: Lowered,
    /// Number of segments in a batch.
    pub(super) batch: usize,
}

/// Place of a tensor of every segment in the memory of all tensors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// First byte of the first segment's.
    pub(super) first: usize,
    /// Bytes of an element: 2 for halves, 4 for float32.
    pub(super) element: usize,
}

impl Place {
    /// Returns the bytes of one segment's tensor.
    pub(super) fn bytes_of(self, program: &Program, tensor: Tensor) -> usize {
        program.tensors[tensor.0].len() * self.element
    }

    /// Returns the numbers that `bytes` are.
    pub(super) fn numbers(self, bytes: &[u8]) -> Vec<f32> {
        let numbers = bytes.chunks_exact(self.element).map(|bytes| match *bytes {
            [low, high] => half::f16::from_le_bytes([low, high]).to_f32(),
            [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
            _ => f32::NAN,
        });
        numbers.collect()
    }

    /// Returns the bytes that `numbers` are, rounded to halves where the tensor has halves.
    pub(super) fn bytes(self, numbers: &[f32]) -> Vec<u8> {
        match self.element {
            2 => numbers
                .iter()
                .flat_map(|&x| half::f16::from_f32(x).to_le_bytes())
                .collect(),
            _ => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }
}

impl Prepared {
    /// Lowers `program` for batches of `batch` segments on the GPU of `context`. With `keep_all`,
    /// all tensors can be read after a run.
    ///
    /// # Errors
    /// Fails where there is no kernel for the program or the GPU.
    pub(super) fn new(
        context: &CudaContext,
        program: &Program,
        batch: usize,
        keep_all: bool,
        restrictions: Restrictions<'_>,
    ) -> Result<Self, CudaError> {
        let asked = CudaError::during("say what it is able to do");
        let capability = context.compute_capability().map_err(&asked)?;
        let images = Images::of(capability, restrictions.target)?;
        let attribute = |attribute| -> Result<usize, CudaError> {
            let value = context.attribute(attribute).map_err(&asked)?;
            Ok(usize::try_from(value).unwrap_or(0))
        };
        let limits = Limits {
            hopper: images.for_hopper(),
            shared: attribute(
                sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
            )?,
            shared_of_all: attribute(
                sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
            )?,
            multiprocessors: attribute(
                sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
            )?
            .min(restrictions.multiprocessors.unwrap_or(usize::MAX)),
        };

        let lowered = lower(program, batch, keep_all, limits)?;
        Ok(Self {
            images,
            lowered,
            batch,
        })
    }
}

impl Runner {
    /// Loads `prepared`, which was made of `program`, on the GPU of `context`.
    pub(super) fn new(
        context: &Arc<CudaContext>,
        program: &Program,
        prepared: Prepared,
    ) -> Result<Self, CudaError> {
        let started = CudaError::during("start");
        context.bind_to_thread().map_err(&started)?;
        let Prepared {
            images,
            lowered,
            batch,
        } = prepared;
        let functions = load(context, &images, &lowered.launches)?;

        // Memory.
        let compute = context.new_stream().map_err(&started)?;
        let side = context.new_stream().map_err(&started)?;
        let reserved = CudaError::during("reserve memory");
        let bytes = |count: usize| compute.alloc_zeros::<u8>(count.max(1)).map_err(&reserved);
        let (tensors, scratch) = (bytes(lowered.tensor_bytes)?, bytes(lowered.scratch_bytes)?);
        let weights = compute
            .clone_htod(lowered.pool.bytes())
            .map_err(&reserved)?;
        let floats = |count: usize| compute.alloc_zeros::<f32>(count).map_err(&reserved);
        let frames = batch * 2 * program.segment_frames;
        let (mix, stems) = (floats(frames)?, floats(frames * program.stems)?);

        let Lowered {
            mut launches,
            places,
            ..
        } = lowered;
        let address = |region| match region {
            Region::Weights => weights.device_ptr(&compute).0,
            Region::Tensors => tensors.device_ptr(&compute).0,
            Region::Scratch => scratch.device_ptr(&compute).0,
            Region::Mix => mix.device_ptr(&compute).0,
            Region::Stems => stems.device_ptr(&compute).0,
        };
        for launch in &mut launches {
            launch
                .parameters
                .bind(&address)
                .map_err(CudaError::during("describe a tensor"))?;
        }
        compute.synchronize().map_err(&reserved)?;

        let graph = capture(program, &mut launches, &functions, &compute, &side)?;
        Ok(Self {
            graph,
            mix,
            stems,
            tensors,
            _scratch: scratch,
            _weights: weights,
            functions,
            launches,
            places,
            compute,
        })
    }

    /// Returns the buffer of the mixes, [batch, 2, segment].
    pub(super) fn mix(&self) -> &CudaSlice<f32> {
        &self.mix
    }

    /// Returns the buffer of the stems, [batch, stems, 2, segment].
    pub(super) fn stems(&self) -> &CudaSlice<f32> {
        &self.stems
    }

    /// Returns the stream on which [`Runner::enqueue`] works.
    pub(super) fn stream(&self) -> &Arc<CudaStream> {
        &self.compute
    }

    /// Begins to compute a batch.
    pub(super) fn enqueue(&self) -> Result<(), CudaError> {
        self.graph
            .launch()
            .map_err(CudaError::during("run the network"))
    }

    /// Returns the bytes of the GPU's memory that this holds.
    pub(super) fn bytes(&self) -> usize {
        let buffers = [&self.tensors, &self._scratch, &self._weights];
        let bytes: usize = buffers.iter().map(|buffer| buffer.num_bytes()).sum();
        bytes + self.mix.num_bytes() + self.stems.num_bytes()
    }

    /// Measures a batch in milliseconds: the median of `runs` runs in succession.
    pub(super) fn time(&self, runs: usize) -> Result<f64, CudaError> {
        let timed = CudaError::during("time the network");
        let mark = || {
            self.compute
                .record_event(Some(sys::CUevent_flags::CU_EVENT_DEFAULT))
        };
        for _ in 0..runs / 10 {
            self.enqueue()?;
        }

        let mut marks = vec![mark().map_err(&timed)?];
        for _ in 0..runs {
            self.enqueue()?;
            marks.push(mark().map_err(&timed)?);
        }
        let mut spans: Vec<f32> = marks
            .windows(2)
            .map(|ends| ends[0].elapsed_ms(&ends[1]))
            .collect::<Result<_, _>>()
            .map_err(&timed)?;
        spans.sort_by(f32::total_cmp);
        Ok(f64::from(spans[runs / 2]))
    }

    /// Measures every launch by itself in microseconds, as the mean of `runs` in succession.
    pub(super) fn time_launches(
        &mut self,
        program: &Program,
        runs: usize,
    ) -> Result<Vec<(String, f64)>, CudaError> {
        let timed = CudaError::during("time a kernel");
        let mut times = Vec::new();
        for launch in &mut self.launches {
            let name = format!(
                "{} {}",
                program.steps[launch.step].name,
                launch.kernel.name()
            );
            let function = &self.functions[&launch.kernel];
            let mark = || {
                self.compute
                    .record_event(Some(sys::CUevent_flags::CU_EVENT_DEFAULT))
            };
            enqueue(launch, function, &self.compute).map_err(&timed)?;
            let begun = mark().map_err(&timed)?;
            for _ in 0..runs {
                enqueue(launch, function, &self.compute).map_err(&timed)?;
            }
            let ended = mark().map_err(&timed)?;
            let ms = begun.elapsed_ms(&ended).map_err(&timed)?;
            times.push((name, f64::from(ms) * 1000.0 / runs as f64));
        }

        Ok(times)
    }

    /// Returns the tensor of the first segment as it lies in memory, if it is stored.
    pub(super) fn tensor(
        &self,
        program: &Program,
        tensor: Tensor,
    ) -> Result<Option<Vec<f32>>, CudaError> {
        let Some(place) = self.place(tensor) else {
            return Ok(None);
        };
        let bytes = self.read(place.first..place.first + place.bytes_of(program, tensor))?;
        Ok(Some(place.numbers(&bytes)))
    }

    /// Returns where a tensor lies, if it is stored.
    pub(super) fn place(&self, tensor: Tensor) -> Option<Place> {
        let (first, element) = self.places[tensor.0]?;
        Some(Place { first, element })
    }

    /// Reads bytes of the memory of all tensors, or those of them that are there.
    pub(super) fn read(&self, range: Range<usize>) -> Result<Vec<u8>, CudaError> {
        let end = range.end.min(self.tensors.len());
        let view = self.tensors.slice(range.start.min(end)..end);
        self.compute
            .clone_dtoh(&view)
            .map_err(CudaError::during("read a tensor"))
    }

    /// Writes bytes to the memory of all tensors.
    pub(super) fn write(&mut self, first: usize, bytes: &[u8]) -> Result<(), CudaError> {
        let mut view = self.tensors.slice_mut(first..first + bytes.len());
        self.compute
            .memcpy_htod(bytes, &mut view)
            .map_err(CudaError::during("write a tensor"))
    }

    /// Writes the mixes of a batch, [batch, 2, segment].
    pub(super) fn write_mix(&mut self, mix: &[f32]) -> Result<(), CudaError> {
        self.compute
            .memcpy_htod(mix, &mut self.mix)
            .map_err(CudaError::during("copy"))
    }

    /// Runs the launches of one step, and returns how many there are.
    pub(super) fn run_step(&mut self, step: usize) -> Result<usize, CudaError> {
        let failed = CudaError::during("run a step");
        let mut count = 0;
        for launch in self.launches.iter_mut().filter(|l| l.step == step) {
            let function = &self.functions[&launch.kernel];
            enqueue(launch, function, &self.compute).map_err(&failed)?;
            count += 1;
        }
        self.compute.synchronize().map_err(&failed)?;
        Ok(count)
    }
}

/// Loads the kernels of all launches.
fn load(
    context: &Arc<CudaContext>,
    images: &Images,
    launches: &[Launch],
) -> Result<HashMap<Kernel, CudaFunction>, CudaError> {
    let loaded = CudaError::during("load a kernel");
    let mut shared: HashMap<Kernel, u32> = HashMap::new();
    for launch in launches {
        let most = shared.entry(launch.kernel).or_default();
        *most = (*most).max(launch.shared);
    }

    let mut functions = HashMap::new();
    for (kernel, bytes) in shared {
        let image = images.get(&kernel.name())?;
        let module = context
            .load_module(cudarc::nvrtc::Ptx::from_binary(image.to_vec()))
            .map_err(&loaded)?;
        let function = module.load_function(kernel.function()).map_err(&loaded)?;
        if bytes > PLAIN_SHARED {
            let attribute =
                sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            function
                .set_attribute(attribute, bytes as i32)
                .map_err(&loaded)?;
        }
        functions.insert(kernel, function);
    }

    Ok(functions)
}

/// Captures all launches as one graph. The branches run on a stream each; where one reads what the
/// other has written, it waits.
fn capture(
    program: &Program,
    launches: &mut [Launch],
    functions: &HashMap<Kernel, CudaFunction>,
    compute: &Arc<CudaStream>,
    side: &Arc<CudaStream>,
) -> Result<CudaGraph, CudaError> {
    let captured = CudaError::during("capture its launches");
    let stream = |branch| match branch {
        Branch::Frequency => compute,
        Branch::Time => side,
    };

    compute
        .begin_capture(sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
        .map_err(&captured)?;
    side.join(compute).map_err(&captured)?;

    // The end of the step that wrote a tensor last, and its branch.
    let mut written: HashMap<Tensor, (Branch, Arc<CudaEvent>)> = HashMap::new();
    let mut next = launches.iter_mut().peekable();
    for (index, step) in program.steps.iter().enumerate() {
        let stream = stream(step.branch);
        for tensor in needed_by(program, step) {
            if let Some((branch, event)) = written.get(&tensor)
                && *branch != step.branch
            {
                stream.wait(event).map_err(&captured)?;
            }
        }

        while let Some(launch) = next.next_if(|launch| launch.step == index) {
            enqueue(launch, &functions[&launch.kernel], stream).map_err(&captured)?;
        }

        let event = Arc::new(stream.record_event(None).map_err(&captured)?);
        for tensor in step.operation.outputs() {
            written.insert(tensor, (step.branch, Arc::clone(&event)));
        }
    }

    compute.join(side).map_err(&captured)?;
    let flags = sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
    compute
        .end_capture(flags)
        .map_err(&captured)?
        .ok_or_else(|| {
            let (action, code) = ("capture its launches", "no graph".to_owned());
            GpuError::Cuda { action, code }.into()
        })
}

/// Returns the tensors that have to be written before a step can run. The statistics of both
/// branches are written with the spectrum.
fn needed_by(program: &Program, step: &Step) -> Vec<Tensor> {
    let mut needed = step.operation.tensors();
    if matches!(&step.operation, Operation::Convolution(c) if c.standardise.is_some()) {
        needed.extend(program.steps.iter().find_map(|step| match &step.operation {
            Operation::Spectrum(spectrum) => Some(spectrum.output),
            _ => None,
        }));
    }

    needed
}

fn enqueue(
    launch: &mut Launch,
    function: &CudaFunction,
    stream: &CudaStream,
) -> Result<(), cudarc::driver::DriverError> {
    let grid = (launch.grid[0], launch.grid[1], launch.grid[2]);
    let mut arguments: [*mut c_void; 1] = [launch.parameters.address()];
    // SAFETY: the kernel takes one struct of the layout that `parameters` has, whose pointers point
    // to memory that lives as long as the graph.
    unsafe {
        result::launch_kernel(
            function.cu_function(),
            grid,
            (launch.kernel.threads(), 1, 1),
            launch.shared,
            stream.cu_stream(),
            &mut arguments,
        )
    }
}
