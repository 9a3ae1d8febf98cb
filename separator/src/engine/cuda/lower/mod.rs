//! From the steps of a program to launches of kernels: which kernel, how many blocks, and where its
//! operands lie.
//!
//! | file | steps |
//! |---|---|
//! | `fourier.rs` | spectrum and synthesis |
//! | `convolution.rs` | convolutions, upsamplings, products of the transformer |
//! | `product.rs` | all of these as products of matrices |
//! | `dconv.rs` | DConvs |
//! | `transformer.rs` | norms and attention |

mod convolution;
mod dconv;
mod fourier;
mod product;
mod transformer;

use std::collections::HashMap;

use self::dconv::DConvBuffers;
use self::fourier::Tables;
use super::error::Unsupported;
use super::kernel::Kernel;
use super::memory::Memory;
use super::parameters::Parameters;
use super::pointer::{Pointer, Region};
use super::weights::Pool;
use crate::model::program::{Branch, Operation, Program, Shape, Statistics, Step, Tensor};

/// Launch of one kernel.
pub(super) struct Launch {
    pub(super) kernel: Kernel,
    pub(super) grid: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub(super) shared: u32,
    pub(super) parameters: Box<dyn Parameters>,
    /// Number of the step that this launch belongs to.
    pub(super) step: usize,
}

/// A program as launches.
pub(super) struct Lowered {
    pub(super) launches: Vec<Launch>,
    pub(super) pool: Pool,
    pub(super) tensor_bytes: usize,
    pub(super) scratch_bytes: usize,
    /// Place of each tensor, and the number of bytes of its elements. Tensors that are not stored
    /// have none.
    pub(super) places: Vec<Option<(usize, usize)>>,
}

/// Bytes of a half and of a float.
const HALF: usize = 2;
const FLOAT: usize = 4;
/// Bytes of a `Moments` of the kernels.
const MOMENTS: usize = 12;
/// Bytes of a pair of statistics.
const PAIR: usize = 8;

/// Limits of the GPU and of the images that it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Whether the images use Hopper's own instructions.
    pub(super) hopper: bool,
    /// Bytes of shared memory that a block may have.
    pub(super) shared: usize,
    /// Bytes of shared memory of a multiprocessor.
    pub(super) shared_of_all: usize,
    /// Number of multiprocessors.
    pub(super) multiprocessors: usize,
}

/// Lowers `program` for batches of `batch` segments. With `keep_all`, no two tensors share memory,
/// so that all can be read afterwards.
pub(super) fn lower(
    program: &Program,
    batch: usize,
    keep_all: bool,
    limits: Limits,
) -> Result<Lowered, Unsupported> {
    let mut lowering = Lowering::new(program, batch, keep_all, limits);
    for (index, step) in program.steps.iter().enumerate() {
        lowering.step = index;
        lowering.branch = step.branch;
        if !lowering.merged.contains(&index) {
            lowering.add(step)?;
        }
    }

    for tensor in lowering.hidden {
        lowering.places[tensor.0] = None;
    }

    Ok(Lowered {
        launches: lowering.launches,
        pool: lowering.pool,
        tensor_bytes: lowering.memory.total(),
        scratch_bytes: lowering.scratch,
        places: lowering.places,
    })
}

struct Lowering<'a> {
    program: &'a Program,
    batch: usize,
    launches: Vec<Launch>,
    pool: Pool,
    memory: Memory,
    places: Vec<Option<(usize, usize)>>,
    scratch: usize,
    tables: Option<Tables>,
    /// Statistics of spectrum and waveform: [2, batch] pairs.
    statistics: Pointer,
    /// Buffers of DConv layers, for each branch.
    dconv: HashMap<Branch, DConvBuffers>,
    /// Moments of the tensors that a norm over all of the segment reads, and their number for each
    /// segment.
    moments: HashMap<Tensor, (Pointer, usize)>,
    limits: Limits,
    /// Steps that are part of the launch of an earlier one.
    merged: Vec<usize>,
    /// Tensors that never have their value in memory.
    hidden: Vec<Tensor>,
    step: usize,
    branch: Branch,
}

impl<'a> Lowering<'a> {
    fn new(program: &'a Program, batch: usize, keep_all: bool, limits: Limits) -> Self {
        let mut lowering = Self {
            program,
            batch,
            launches: Vec::new(),
            pool: Pool::default(),
            memory: Memory::new(program, keep_all),
            places: vec![None; program.tensors.len()],
            scratch: 0,
            tables: None,
            statistics: Pointer::NULL,
            dconv: HashMap::new(),
            moments: HashMap::new(),
            limits,
            merged: Vec::new(),
            hidden: Vec::new(),
            step: 0,
            branch: Branch::Frequency,
        };
        lowering.statistics = lowering.reserve(2 * batch * PAIR);
        for branch in [Branch::Frequency, Branch::Time] {
            let buffers = lowering.dconv_buffers(branch);
            lowering.dconv.insert(branch, buffers);
        }
        lowering
    }

    fn shape(&self, tensor: Tensor) -> Shape {
        self.program.tensors[tensor.0]
    }

    /// Returns the place of a tensor, which gets one of `element` bytes an element if it has none.
    fn place_of(&mut self, tensor: Tensor, element: usize) -> Pointer {
        let shape = self.shape(tensor);
        let bytes = self.batch * shape.sequences * shape.positions * shape.channels * element;
        let (offset, _) = *self.places[tensor.0].get_or_insert_with(|| {
            let offset = self.memory.place(tensor, bytes, self.step);
            (offset, element)
        });
        Pointer::new(Region::Tensors, offset)
    }

    fn halves(&mut self, tensor: Tensor) -> Pointer {
        self.place_of(tensor, HALF)
    }

    /// Reserves scratch memory, which is zero in the beginning.
    fn reserve(&mut self, bytes: usize) -> Pointer {
        let offset = self.scratch;
        self.scratch = (offset + bytes).next_multiple_of(256);
        Pointer::new(Region::Scratch, offset)
    }

    fn launch(
        &mut self,
        kernel: Kernel,
        grid: [usize; 3],
        shared: u32,
        parameters: impl Parameters + 'static,
    ) {
        self.launches.push(Launch {
            kernel,
            grid: grid.map(|count| count as u32),
            shared,
            parameters: Box::new(parameters),
            step: self.step,
        });
    }

    fn statistics_of(&self, statistics: Statistics) -> Pointer {
        self.statistics.advanced(statistics.0 * self.batch * PAIR)
    }

    fn add(&mut self, step: &Step) -> Result<(), Unsupported> {
        match &step.operation {
            Operation::Spectrum(spectrum) => self.spectrum(spectrum.output, spectrum.statistics),
            // The kernel of the spectrum takes the waveform's statistics too, and the first
            // convolution reads the mix itself.
            Operation::Waveform(_) => Ok(()),
            Operation::Convolution(convolution) => match convolution.standardise {
                Some(statistics) => self.entry(convolution, statistics),
                None => self.convolution(convolution),
            },
            Operation::Upsampling(upsampling) => self.upsampling(upsampling),
            Operation::Finish(_) => Err(Unsupported::new(
                "layers with norms of their own",
                1,
                "none",
            )),
            Operation::DConv(dconv) => self.dconv(dconv),
            Operation::Embedding(embedding) => self.embedding(embedding),
            Operation::LayerNorm(norm) => self.layer_norm(norm),
            Operation::GroupNorm(norm) => self.group_norm(norm),
            Operation::Attention(attention) => self.attention(attention),
            Operation::Synthesis(synthesis) => self.synthesis(synthesis),
        }
    }
}

fn check_channels(channels: usize, factor: usize) -> Result<(), Unsupported> {
    if !channels.is_multiple_of(factor) {
        return Err(Unsupported::new(
            "channels",
            channels,
            "multiples of 8 in every layer",
        ));
    }
    Ok(())
}
