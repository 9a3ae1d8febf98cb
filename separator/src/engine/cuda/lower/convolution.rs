//! Lowering of convolutions and upsamplings: `entry.cu` and `convolution.cu`.

use super::{FLOAT, HALF, Lowering, MOMENTS, Unsupported, check_channels};
use crate::engine::cuda::kernel::{self, Kernel};
use crate::engine::cuda::parameters::{self, MAX_TAPS, Pointer, Region};
use crate::engine::cuda::weights;
use crate::model::program::{
    Activation, Axis, Branch, Convolution, Operation, Statistics, Tensor, Upsampling,
};

/// Most outputs of `entry.cu`.
const MAX_ENTRY_OUTPUTS: usize = 64;

/// Layouts of `convolution.cu`.
const PLAIN: i32 = 0;
const UP_SEQUENCES: i32 = 1;
const UP_POSITIONS: i32 = 2;
const UP_SPECTRA: i32 = 3;
const UP_WAVEFORMS: i32 = 4;

impl Lowering<'_> {
    pub(super) fn entry(
        &mut self,
        c: &Convolution,
        statistics: Statistics,
    ) -> Result<(), Unsupported> {
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

    pub(super) fn convolution(&mut self, c: &Convolution) -> Result<(), Unsupported> {
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

    /// Reserves the moments of `tensor`, which as many blocks write for each segment, if a norm
    /// needs them.
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

    pub(super) fn upsampling(&mut self, u: &Upsampling) -> Result<(), Unsupported> {
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
