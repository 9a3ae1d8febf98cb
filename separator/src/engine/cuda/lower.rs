//! From the steps of a program to launches of kernels: which kernel, how many blocks, and where its
//! operands lie.

use std::collections::HashMap;
use std::f64::consts::TAU;

use super::error::Unsupported;
use super::kernel::{self, Kernel};
use super::memory::{Lifetimes, Sizes};
use super::parameters::{self as parameters, MAX_TAPS, Parameters, Pointer, Region};
use super::weights::{self, Pool};
use crate::model::program::{
    Activation, Attention, Axis, Branch, Channels, Convolution, DConv, DConvLayer, Embedding,
    GroupNorm, LayerNorm, Operation, Program, Shape, Statistics, Step, Synthesis, Tensor,
    Upsampling,
};
use crate::model::{FFT_SIZE, HOP, inverse_envelope, window};

/// Launch of one kernel.
pub(super) struct Launch {
    pub(super) kernel: Kernel,
    pub(super) grid: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub(super) shared: u32,
    pub(super) parameters: Box<dyn Parameters>,
    pub(super) branch: Branch,
    /// Number of the step that this launch belongs to.
    pub(super) step: usize,
}

/// A program as launches.
pub(super) struct Lowered {
    pub(super) launches: Vec<Launch>,
    pub(super) pool: Pool,
    pub(super) tensor_bytes: usize,
    pub(super) scratch_bytes: usize,
    /// Where each tensor lies, and the number of bytes of its elements. Tensors that are not
    /// stored have none.
    pub(super) places: Vec<Option<(usize, usize)>>,
}

/// Bytes of a half and of a float.
const HALF: usize = 2;
const FLOAT: usize = 4;
/// Bytes of a `Moments` of the kernels.
const MOMENTS: usize = 12;
/// Bytes of a pair of statistics.
const PAIR: usize = 8;

/// Most channels of a token that `token_norm.cu` takes.
const MAX_TOKEN_CHANNELS: usize = 512;
/// Most outputs of `entry.cu`.
const MAX_ENTRY_OUTPUTS: usize = 64;

/// Layouts of `convolution.cu`.
const PLAIN: i32 = 0;
const UP_SEQUENCES: i32 = 1;
const UP_POSITIONS: i32 = 2;
const UP_SPECTRA: i32 = 3;
const UP_WAVEFORMS: i32 = 4;

/// Modes of `token_norm.cu`.
const LAYER: i32 = 0;
const EMBED: i32 = 1;
const GROUP: i32 = 2;

/// What the GPU and the images that it runs allow.
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
        tensor_bytes: lowering.sizes.total(),
        scratch_bytes: lowering.scratch,
        places: lowering.places,
    })
}

struct Lowering<'a> {
    program: &'a Program,
    batch: usize,
    launches: Vec<Launch>,
    pool: Pool,
    sizes: Sizes,
    lifetimes: Option<Lifetimes>,
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

/// Tables of the Fourier transforms.
#[derive(Clone, Copy)]
struct Tables {
    turns: Pointer,
    window: Pointer,
}

/// Buffers of one branch for the layers of its DConvs, as large as the largest needs.
#[derive(Clone, Copy)]
struct DConvBuffers {
    raw: Pointer,
    hidden: Pointer,
    moments: Pointer,
    parts: Pointer,
    before: Pointer,
    after: Pointer,
    counters: Pointer,
}

impl<'a> Lowering<'a> {
    fn new(program: &'a Program, batch: usize, keep_all: bool, limits: Limits) -> Self {
        let mut lowering = Self {
            program,
            batch,
            launches: Vec::new(),
            pool: Pool::default(),
            sizes: Sizes::default(),
            lifetimes: (!keep_all).then(|| Lifetimes::of(program)),
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
            let offset = match &mut self.lifetimes {
                Some(lifetimes) => lifetimes.place(tensor, bytes, self.step, &mut self.sizes),
                None => self.sizes.reserve(bytes),
            };
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
            branch: self.branch,
            step: self.step,
        });
    }

    fn tables(&mut self) -> Tables {
        let pool = &mut self.pool;
        *self.tables.get_or_insert_with(|| Tables {
            turns: pool.floats((0..FFT_SIZE).flat_map(|n| {
                let (sin, cos) = (TAU * n as f64 / FFT_SIZE as f64).sin_cos();
                [cos as f32, -sin as f32]
            })),
            window: pool.floats((0..FFT_SIZE).map(|n| window(n) as f32)),
        })
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
            Operation::DConv(dconv) => self.dconv(dconv),
            Operation::Embedding(embedding) => self.embedding(embedding),
            Operation::LayerNorm(norm) => self.layer_norm(norm),
            Operation::GroupNorm(norm) => self.group_norm(norm),
            Operation::Attention(attention) => self.attention(attention),
            Operation::Synthesis(synthesis) => self.synthesis(synthesis),
        }
    }

    fn spectrum(&mut self, output: Tensor, statistics: Statistics) -> Result<(), Unsupported> {
        assert_eq!(
            statistics,
            Statistics(0),
            "the spectrum's statistics come first"
        );
        let frames = self.shape(output).positions;
        let blocks = frames.div_ceil(kernel::SPECTRUM_FRAMES);
        let tables = self.tables();
        let parameters = parameters::Spectrum {
            mix: Pointer::new(Region::Mix, 0),
            turns: tables.turns,
            window: tables.window,
            spectrum: self.place_of(output, FLOAT),
            moments: self.reserve(self.batch * 2 * blocks * MOMENTS),
            statistics: self.statistics,
            counters: self.reserve(self.batch * FLOAT),
            length: self.program.segment_frames as i32,
            frames: frames as i32,
        };

        let shared = kernel::SPECTRUM_FRAMES as u32 * kernel::TRANSFORM_BYTES;
        self.launch(
            Kernel::Spectrum,
            [blocks, self.batch, 1],
            shared,
            parameters,
        );
        Ok(())
    }

    fn entry(&mut self, c: &Convolution, statistics: Statistics) -> Result<(), Unsupported> {
        let (input, output) = (self.shape(c.input), self.shape(c.output));
        let outputs = output.channels;
        if !outputs.is_multiple_of(8) || outputs > MAX_ENTRY_OUTPUTS {
            return Err(Unsupported::new(
                "channels",
                outputs,
                "multiples of 8 up to 64",
            ));
        }

        let (kernel, from) = match input.channels {
            4 => (Kernel::EntrySpectrum, self.place_of(c.input, FLOAT)),
            _ => (Kernel::EntryWaveform, Pointer::new(Region::Mix, 0)),
        };
        let rows = output.sequences * output.positions;
        let parameters = parameters::Entry {
            input: from,
            statistics: self.statistics_of(statistics),
            weight: self.pool.halves(c.weight.data().iter().copied()),
            bias: self.pool.floats(c.bias.data().iter().copied()),
            output: self.halves(c.output),
            sequences: input.sequences as i32,
            positions: input.positions as i32,
            rows_s: output.sequences as i32,
            rows_p: output.positions as i32,
            outputs: outputs as i32,
        };

        let blocks = rows.div_ceil(kernel::ENTRY_ROWS);
        self.launch(kernel, [blocks, self.batch, 1], 0, parameters);
        Ok(())
    }

    fn convolution(&mut self, c: &Convolution) -> Result<(), Unsupported> {
        let (input, output) = (self.shape(c.input), self.shape(c.output));
        let glu = c.activation == Activation::Glu;
        let count = c.weight.shape()[0];
        let taps = c.taps.len();
        let (kernel, block) = Kernel::of_convolution(count);
        let columns = count.next_multiple_of(block);
        let depth = (taps * input.channels).next_multiple_of(kernel::CONVOLUTION_DEPTH);
        check_taps(taps)?;
        check_channels(input.channels, 8)?;
        check_channels(output.channels, 8)?;

        let column = |column: usize| {
            let row = if glu {
                weights::gated(column, output.channels)
            } else {
                (column < count).then_some(column)
            };
            row.map(|row| (row, (0..taps).collect()))
        };
        let bias = (0..columns).map(|n| column(n).map_or(0.0, |(row, _)| c.bias.data()[row]));

        let (mut tap_s, mut tap_p) = ([0; MAX_TAPS], [0; MAX_TAPS]);
        for (index, tap) in c.taps.iter().enumerate() {
            tap_s[index] = tap[0] as i16;
            tap_p[index] = tap[1] as i16;
        }
        let rows = output.sequences * output.positions;
        let grid = [
            columns / block,
            rows.div_ceil(kernel::CONVOLUTION_ROWS),
            self.batch,
        ];
        let parameters = parameters::Convolution {
            input: self.halves(c.input),
            weight: self
                .pool
                .halves(weights::matrix(&c.weight, columns, depth, column)),
            bias: self.pool.floats(bias),
            add: c.add.map_or(Pointer::NULL, |add| self.halves(add)),
            table: c.table.as_ref().map_or(Pointer::NULL, |table| {
                self.pool.halves(table.data().iter().copied())
            }),
            output: self.halves(c.output),
            moments: self.moments_for(c.output, grid[0] * grid[1]),
            sequences: input.sequences as i32,
            positions: input.positions as i32,
            channels: input.channels as i32,
            rows_s: output.sequences as i32,
            rows_p: output.positions as i32,
            stride_s: c.strides[0] as i32,
            stride_p: c.strides[1] as i32,
            taps: taps as i32,
            columns: columns as i32,
            depth: depth as i32,
            outputs: output.channels as i32,
            activation: match c.activation {
                Activation::None => 0,
                Activation::Gelu => 1,
                Activation::Relu => 2,
                Activation::Glu => 3,
            },
            layout: PLAIN,
            output_s: output.sequences as i32,
            output_p: output.positions as i32,
            tap_s,
            tap_p,
        };

        self.launch(
            kernel,
            grid,
            convolution_bytes(block, self.limits.hopper),
            parameters,
        );
        Ok(())
    }

    /// Reserves the moments of `tensor`, which as many blocks write for each segment, if a norm needs
    /// them.
    fn moments_for(&mut self, tensor: Tensor, blocks: usize) -> Pointer {
        let needed = self.program.steps.iter().any(
            |step| matches!(&step.operation, Operation::GroupNorm(norm) if norm.input == tensor),
        );
        if !needed {
            return Pointer::NULL;
        }

        let moments = self.reserve(self.batch * blocks * MOMENTS);
        self.moments.insert(tensor, (moments, blocks));
        moments
    }

    fn upsampling(&mut self, u: &Upsampling) -> Result<(), Unsupported> {
        let (input, output) = (self.shape(u.input), self.shape(u.output));
        let outputs = output.channels;
        check_channels(input.channels, 8)?;
        let layout = match self.synthesis_input(u.output) {
            None if u.axis == Axis::Sequences => UP_SEQUENCES,
            None => UP_POSITIONS,
            Some(Branch::Frequency) => UP_SPECTRA,
            Some(Branch::Time) => UP_WAVEFORMS,
        };
        if layout != UP_WAVEFORMS {
            check_channels(outputs, 4)?;
        }

        // Four phases of output k belong to row j: taps 0 to 3 of input j and 4 to 7 of j - 1.
        let column = |column: usize| {
            let (phase, channel) = match layout {
                UP_WAVEFORMS => (column % 4, column / 4),
                UP_SPECTRA => (column / 4 % 4, column / 16 * 4 + column % 4),
                _ => (column / outputs, column % outputs),
            };
            (phase < 4 && channel < outputs).then(|| (channel, vec![phase, phase + 4]))
        };
        let (kernel, block) = Kernel::of_convolution(4 * outputs);
        let columns = (4 * outputs).next_multiple_of(block);
        let depth = (2 * input.channels).next_multiple_of(kernel::CONVOLUTION_DEPTH);
        let bias = (0..columns).map(|n| column(n).map_or(0.0, |(row, _)| u.bias.data()[row]));

        let along = match u.axis {
            Axis::Sequences => [1, 0],
            Axis::Positions => [0, 1],
        };
        let (mut tap_s, mut tap_p) = ([0; MAX_TAPS], [0; MAX_TAPS]);
        (tap_s[1], tap_p[1]) = (-(along[0] as i16), -(along[1] as i16));
        let (rows_s, rows_p) = (input.sequences + along[0], input.positions + along[1]);
        let parameters = parameters::Convolution {
            input: self.halves(u.input),
            weight: self
                .pool
                .halves(weights::matrix(&u.weight, columns, depth, column)),
            bias: self.pool.floats(bias),
            add: u.add.map_or(Pointer::NULL, |add| self.halves(add)),
            table: Pointer::NULL,
            output: self.halves(u.output),
            moments: Pointer::NULL,
            sequences: input.sequences as i32,
            positions: input.positions as i32,
            channels: input.channels as i32,
            rows_s: rows_s as i32,
            rows_p: rows_p as i32,
            stride_s: 1,
            stride_p: 1,
            taps: 2,
            columns: columns as i32,
            depth: depth as i32,
            outputs: outputs as i32,
            activation: i32::from(u.gelu),
            layout,
            output_s: output.sequences as i32,
            output_p: output.positions as i32,
            tap_s,
            tap_p,
        };

        let blocks = (rows_s * rows_p).div_ceil(kernel::CONVOLUTION_ROWS);
        let grid = [columns / block, blocks, self.batch];
        self.launch(
            kernel,
            grid,
            convolution_bytes(block, self.limits.hopper),
            parameters,
        );
        Ok(())
    }

    /// Returns the branch whose result `tensor` is, if it is one of the tensors that the stems are
    /// made from.
    fn synthesis_input(&self, tensor: Tensor) -> Option<Branch> {
        self.program
            .steps
            .iter()
            .find_map(|step| match &step.operation {
                Operation::Synthesis(s) if s.spectra == tensor => Some(Branch::Frequency),
                Operation::Synthesis(s) if s.waveforms == tensor => Some(Branch::Time),
                _ => None,
            })
    }

    /// Reserves the buffers of all DConvs of a branch.
    fn dconv_buffers(&mut self, branch: Branch) -> DConvBuffers {
        let (mut elements, mut sequences, mut moments, mut parts) = (0, 0, 0, 0);
        for step in &self.program.steps {
            let Operation::DConv(dconv) = &step.operation else {
                continue;
            };
            if step.branch != branch {
                continue;
            }

            let shape = self.shape(dconv.tensor);
            let tiles = shape.positions.div_ceil(kernel::DCONV_TILE);
            for layer in &dconv.layers {
                let hidden = layer.conv1.1.shape()[0].next_multiple_of(8);
                let blocks = tiles.div_ceil(tiles_of_block(tiles, shape.sequences));
                elements = elements.max(shape.sequences * shape.positions * hidden);
                sequences = sequences.max(shape.sequences);
                moments = moments.max(shape.sequences * tiles);
                parts = parts.max(shape.sequences * blocks * (hidden + 1) * hidden);
            }
        }

        let batch = self.batch;
        let mut tensor =
            |bytes: usize| Pointer::new(Region::Tensors, self.sizes.reserve(batch * bytes));
        let (raw, hidden, parts) = (
            tensor(elements * FLOAT),
            tensor(elements * HALF),
            tensor(parts * FLOAT),
        );
        DConvBuffers {
            raw,
            hidden,
            parts,
            moments: self.reserve(batch * moments * MOMENTS),
            before: self.reserve(batch * sequences * PAIR),
            after: self.reserve(batch * sequences * PAIR),
            counters: self.reserve(batch * sequences * FLOAT),
        }
    }

    fn dconv(&mut self, dconv: &DConv) -> Result<(), Unsupported> {
        let shape = self.shape(dconv.tensor);
        let (sequences, positions, channels) = (shape.sequences, shape.positions, shape.channels);
        check_channels(channels, 8)?;
        if self.fused_dconv(dconv) {
            return Ok(());
        }

        let x = self.halves(dconv.tensor);
        let buffers = self.dconv[&self.branch];

        let tiles = positions.div_ceil(kernel::DCONV_TILE);
        let each = tiles_of_block(tiles, sequences);
        let depth = channels.next_multiple_of(16);
        let pitch = (depth + 8) as u32;

        for layer in &dconv.layers {
            let hidden = layer.conv1.1.shape()[0];
            let blocks = hidden.div_ceil(8);
            if ![1, 2, 3, 6].contains(&blocks) {
                return Err(Unsupported::new(
                    "dconv_comp",
                    hidden,
                    "1 to 24 or 41 to 48 hidden channels",
                ));
            }

            let padded = blocks * 8;
            let squeeze = parameters::Squeeze {
                x,
                weight: self.pool.halves(weights::conv1(layer)),
                bias: self.pool.floats(weights::padded(&layer.conv1.1)),
                hidden: buffers.raw,
                moments: buffers.moments,
                statistics: buffers.before,
                counters: buffers.counters,
                sequences: sequences as i32,
                positions: positions as i32,
                channels: channels as i32,
                dilation: layer.dilation as i32,
                hidden_channels: hidden as i32,
            };
            let rows = (kernel::DCONV_TILE + 2 * layer.dilation) as u32;
            self.launch(
                Kernel::Squeeze(blocks),
                [tiles, sequences, self.batch],
                rows * pitch * HALF as u32,
                squeeze,
            );

            let part = ((padded + 1) * padded) as u32;
            let normed = parameters::Hidden {
                hidden: buffers.raw,
                before: buffers.before,
                gain: self.pool.floats(weights::padded(&layer.norm1.0)),
                shift: self.pool.floats(weights::padded(&layer.norm1.1)),
                over_rows: self.pool.floats(weights::over_rows(layer)),
                output: buffers.hidden,
                parts: buffers.parts,
                after: buffers.after,
                counters: buffers.counters,
                sequences: sequences as i32,
                positions: positions as i32,
                tiles: each as i32,
            };
            self.launch(
                Kernel::Hidden(blocks),
                [tiles.div_ceil(each), sequences, self.batch],
                7 * part * FLOAT as u32,
                normed,
            );

            let expand = parameters::Expand {
                x,
                hidden: buffers.hidden,
                norm: buffers.after,
                weight: self.pool.halves(weights::conv2(layer)),
                columns: self.pool.floats(weights::conv2_columns(layer)),
                sequences: sequences as i32,
                positions: positions as i32,
                channels: channels as i32,
            };
            self.launch(
                Kernel::Expand(blocks),
                [tiles, sequences, self.batch],
                kernel::DCONV_TILE as u32 * pitch * HALF as u32,
                expand,
            );
        }

        Ok(())
    }

    /// Adds a DConv as one launch, together with the 1x1 convolution that follows it in the encoder, if
    /// there is a kernel for its shape that fits on the GPU. Returns whether there was.
    fn fused_dconv(&mut self, dconv: &DConv) -> bool {
        let shape = self.shape(dconv.tensor);
        let channels = shape.channels;
        let [first, second] = &dconv.layers[..] else {
            return false;
        };
        let has_kernel = kernel::FUSED_CHANNELS.contains(&channels)
            && (first.dilation, second.dilation) == (1, 2)
            && [first, second]
                .iter()
                .all(|layer| layer.conv1.1.shape()[0] == channels / 8);
        if !has_kernel {
            return false;
        }

        if shape.positions == kernel::ROW_FRAMES {
            self.dconv_row(dconv, [first, second])
        } else if shape.sequences == 1 {
            self.dconv_line(dconv, [first, second])
        } else {
            false
        }
    }

    /// Adds a DConv whose sequences fit into shared memory.
    fn dconv_row(&mut self, dconv: &DConv, layers: [&DConvLayer; 2]) -> bool {
        let Shape {
            sequences,
            channels,
            ..
        } = self.shape(dconv.tensor);
        let shared = fused_bytes(channels, kernel::ROW_FRAMES, kernel::ROW_WARPS);
        if shared > self.limits.shared {
            return false;
        }

        let w = self.fused_weights(dconv, layers);
        let parameters = parameters::Row {
            x: w.x,
            output: w.output,
            conv1_0: w.conv1[0],
            conv1_1: w.conv1[1],
            norm1_0: w.norm1[0],
            norm1_1: w.norm1[1],
            conv2_0: w.conv2[0],
            conv2_1: w.conv2[1],
            columns_0: w.columns[0],
            columns_1: w.columns[1],
            over_rows_0: w.over_rows[0],
            over_rows_1: w.over_rows[1],
            rewrite: w.rewrite,
            rewrite_bias: w.rewrite_bias,
            table: w.table,
            sequences: sequences as i32,
        };
        let grid = [self.batch * sequences, 1, 1];
        self.launch(Kernel::Row(channels), grid, shared as u32, parameters);
        true
    }

    /// Adds a DConv of the only sequence. The blocks of a segment wait for one another, so all of them
    /// have to fit on the GPU.
    fn dconv_line(&mut self, dconv: &DConv, layers: [&DConvLayer; 2]) -> bool {
        let Shape {
            positions,
            channels,
            ..
        } = self.shape(dconv.tensor);
        let block = kernel::LineBlock::of(channels);
        let blocks = positions.div_ceil(block.length);
        let shared = fused_bytes(channels, block.computed, block.warps);
        // A block takes a kilobyte for the system besides its own.
        let registers_for = if self.limits.hopper {
            block.resident
        } else {
            1
        };
        let resident = registers_for.min(self.limits.shared_of_all / (shared + 2048));
        if shared > self.limits.shared || blocks > resident * self.limits.multiprocessors {
            return false;
        }

        let w = self.fused_weights(dconv, layers);
        let hidden = (channels / 8).next_multiple_of(8);
        let part = (hidden + 1) * hidden;
        let parameters = parameters::Line {
            x: w.x,
            output: w.output,
            conv1_0: w.conv1[0],
            conv1_1: w.conv1[1],
            norm1_0: w.norm1[0],
            norm1_1: w.norm1[1],
            conv2_0: w.conv2[0],
            conv2_1: w.conv2[1],
            columns_0: w.columns[0],
            columns_1: w.columns[1],
            over_rows_0: w.over_rows[0],
            over_rows_1: w.over_rows[1],
            rewrite: w.rewrite,
            rewrite_bias: w.rewrite_bias,
            moments: self.reserve(self.batch * 2 * blocks * MOMENTS),
            sums: self.reserve(self.batch * 2 * part * PAIR),
            counters: self.reserve((2 + 4 * self.batch) * FLOAT),
            positions: positions as i32,
            blocks: blocks as i32,
            batch: self.batch as i32,
        };
        let grid = [self.batch * blocks, 1, 1];
        self.launch(Kernel::Line(channels), grid, shared as u32, parameters);
        true
    }

    /// Places the weights of a fused DConv and of the convolution that goes with it.
    fn fused_weights(&mut self, dconv: &DConv, layers: [&DConvLayer; 2]) -> FusedWeights {
        let x = self.halves(dconv.tensor);
        let pool = &mut self.pool;
        let mut w = FusedWeights {
            x,
            output: x,
            conv1: layers.map(|layer| pool.halves(weights::conv1(layer))),
            norm1: layers.map(|layer| pool.floats(weights::norm1(layer))),
            conv2: layers.map(|layer| pool.halves(weights::conv2(layer))),
            columns: layers.map(|layer| pool.floats(weights::conv2_columns(layer))),
            over_rows: layers.map(|layer| pool.floats(weights::over_rows(layer))),
            rewrite: Pointer::NULL,
            rewrite_bias: Pointer::NULL,
            table: Pointer::NULL,
        };

        if let Some(rewrite) = self.rewrite_after(dconv) {
            w.output = self.halves(rewrite.output);
            w.rewrite = self.pool.halves(weights::rewrite(&rewrite.weight));
            w.rewrite_bias = self.pool.floats(weights::rewrite_bias(&rewrite.bias));
            w.table = rewrite.table.as_ref().map_or(Pointer::NULL, |table| {
                self.pool.halves(table.data().iter().copied())
            });
            self.merged.extend(self.step_after());
            // What lies there is the input of the DConv.
            self.hidden.push(dconv.tensor);
        }

        w
    }

    /// Returns the next step of the branch.
    fn step_after(&self) -> Option<usize> {
        let steps = &self.program.steps;
        (self.step + 1..steps.len()).find(|&index| steps[index].branch == self.branch)
    }

    /// Returns the 1x1 convolution with GLU that is the branch's next step and reads the DConv's
    /// tensor, if it is one of those that the fused kernels compute.
    fn rewrite_after(&self, dconv: &DConv) -> Option<&'a Convolution> {
        let Operation::Convolution(convolution) = &self.program.steps[self.step_after()?].operation
        else {
            return None;
        };
        let channels = self.shape(dconv.tensor).channels;
        let is_one = convolution.input == dconv.tensor
            && convolution.taps == [[0, 0]]
            && convolution.strides == [1, 1]
            && convolution.activation == Activation::Glu
            && convolution.add.is_none()
            && channels.is_multiple_of(16)
            && self.shape(convolution.output).channels == channels;
        is_one.then_some(convolution)
    }

    /// Launches a norm of tokens with the operands that `fill` adds.
    fn token_norm(
        &mut self,
        input: Tensor,
        fill: impl FnOnce(&mut Self, &mut parameters::TokenNorm),
    ) -> Result<(), Unsupported> {
        let shape = self.shape(input);
        let tokens = shape.sequences * shape.positions;
        check_channels(shape.channels, 8)?;
        if shape.channels > MAX_TOKEN_CHANNELS {
            return Err(Unsupported::new(
                "bottom_channels",
                shape.channels,
                "at most 512",
            ));
        }

        let mut parameters = parameters::TokenNorm {
            input: self.halves(input),
            tokens: tokens as i32,
            channels: shape.channels as i32,
            ..Default::default()
        };
        fill(self, &mut parameters);
        let grid = [tokens.div_ceil(kernel::NORM_TOKENS), self.batch, 1];
        self.launch(Kernel::TokenNorm, grid, 0, parameters);
        Ok(())
    }

    fn embedding(&mut self, e: &Embedding) -> Result<(), Unsupported> {
        self.token_norm(e.input, |this, p| {
            p.mode = EMBED;
            if let Some((gain, shift)) = &e.norm {
                p.gain = this.pool.floats(gain.data().iter().copied());
                p.shift = this.pool.floats(shift.data().iter().copied());
            }
            p.positions = this.pool.floats(e.positions.data().iter().copied());
            p.output = this.halves(e.output);
            p.normalised = this.halves(e.normalised);
        })
    }

    fn layer_norm(&mut self, n: &LayerNorm) -> Result<(), Unsupported> {
        self.token_norm(n.input, |this, p| {
            p.mode = LAYER;
            p.normalised = this.halves(n.output);
        })
    }

    fn group_norm(&mut self, n: &GroupNorm) -> Result<(), Unsupported> {
        self.token_norm(n.input, |this, p| {
            p.mode = GROUP;
            p.gain = this.pool.floats(n.gain.data().iter().copied());
            p.shift = this.pool.floats(n.shift.data().iter().copied());
            p.add = n.add.map_or(Pointer::NULL, |add| this.halves(add));
            p.output = this.halves(n.output);
            p.normalised = n.normalised.map_or(Pointer::NULL, |to| this.halves(to));

            let (moments, blocks) = this.moments[&n.input];
            p.moments = moments;
            p.blocks = blocks as i32;
        })
    }

    fn attention(&mut self, a: &Attention) -> Result<(), Unsupported> {
        let tokens = |shape: Shape| shape.sequences * shape.positions;
        let (query, key) = (self.shape(a.query.tensor), self.shape(a.key.tensor));
        let width = self.shape(a.output).channels / a.heads;
        if ![24, 48, 64].contains(&width) {
            return Err(Unsupported::new(
                "t_heads",
                width,
                "24, 48 or 64 channels a head",
            ));
        }

        let mut at =
            |channels: Channels| self.halves(channels.tensor).advanced(channels.first * HALF);
        let parameters = parameters::Attention {
            query: at(a.query),
            key: at(a.key),
            value: at(a.value),
            output: self.halves(a.output),
            queries: tokens(query) as i32,
            keys: tokens(key) as i32,
            query_stride: query.channels as i32,
            key_stride: key.channels as i32,
            heads: a.heads as i32,
        };

        let pitch = width.next_multiple_of(16) + 8;
        let shared = 3 * 2 * 64 * pitch * HALF;
        let grid = [
            tokens(query).div_ceil(kernel::ATTENTION_QUERIES),
            a.heads,
            self.batch,
        ];
        self.launch(Kernel::Attention(width), grid, shared as u32, parameters);
        Ok(())
    }

    fn synthesis(&mut self, s: &Synthesis) -> Result<(), Unsupported> {
        let frames = self.shape(s.spectra).positions;
        let tables = self.tables();
        let parameters = parameters::Synthesis {
            spectra: self.halves(s.spectra),
            waveforms: self.halves(s.waveforms),
            statistics: self.statistics,
            turns: tables.turns,
            window: tables.window,
            envelope: self
                .pool
                .floats(inverse_envelope(frames).data().iter().copied()),
            stems: Pointer::new(Region::Stems, 0),
            length: self.program.segment_frames as i32,
            frames: frames as i32,
        };

        let blocks = (frames + 2).div_ceil(kernel::SYNTHESIS_RUN);
        let shared = kernel::TRANSFORM_BYTES + (4 * HOP * PAIR) as u32;
        let grid = [blocks, self.program.stems, self.batch];
        self.launch(Kernel::Synthesis, grid, shared, parameters);
        Ok(())
    }
}

/// Returns the number of tiles of a block of `dconv_hidden.cu`: enough that few parts are to be
/// joined, and few enough that there are blocks for all multiprocessors. It does not depend on the
/// batch, so neither do the samples.
fn tiles_of_block(tiles: usize, sequences: usize) -> usize {
    if sequences > 1 {
        tiles.min(4)
    } else {
        (tiles / 96).clamp(1, 8)
    }
}

/// Bytes of shared memory of a fused DConv with blocks of `positions` positions and `warps` warps.
fn fused_bytes(channels: usize, positions: usize, warps: usize) -> usize {
    let hidden_tiles = (channels / 8).div_ceil(8);
    let (depth, hidden) = (channels.div_ceil(16), hidden_tiles * 8);
    let rows = (positions + 4) * (depth * 16 + 8) * HALF;
    let part = (hidden + 1) * hidden;
    let sums = 32 + warps * part + part.next_multiple_of(4);
    let weights = 3 * depth * hidden_tiles * 64 + channels / 8 * (2 * hidden_tiles * 32 + 64);
    rows + (sums + weights) * FLOAT
}

/// Weights of a fused DConv in both forms of its parameters.
struct FusedWeights {
    x: Pointer,
    output: Pointer,
    conv1: [Pointer; 2],
    norm1: [Pointer; 2],
    conv2: [Pointer; 2],
    columns: [Pointer; 2],
    over_rows: [Pointer; 2],
    rewrite: Pointer,
    rewrite_bias: Pointer,
    table: Pointer,
}

/// Bytes of shared memory of `convolution.cu` for blocks of `columns` columns.
fn convolution_bytes(columns: usize, hopper: bool) -> u32 {
    let stages = if hopper { 4 } else { 3 };
    let stage = (kernel::CONVOLUTION_ROWS + columns) * kernel::CONVOLUTION_DEPTH * HALF;
    let tile = kernel::CONVOLUTION_ROWS * (columns + 8) * FLOAT;
    (stages * stage).max(tile) as u32
}

fn check_taps(taps: usize) -> Result<(), Unsupported> {
    if taps > MAX_TAPS {
        return Err(Unsupported::new("context", taps, "at most 9 taps"));
    }
    Ok(())
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
