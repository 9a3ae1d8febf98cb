//! Lowering of convolutions and upsamplings: `entry.cu`, and products of matrices.

use super::product::{Activation, Layout, Product};
use super::{FLOAT, Lowering, Unsupported};
use crate::engine::cuda::kernel::{self, Kernel};
use crate::engine::cuda::parameters;
use crate::engine::cuda::pointer::{Pointer, Region};
use crate::engine::cuda::weights;
use crate::model::program::{
    self, Axis, Branch, Convolution, Operation, Statistics, Tensor, Upsampling,
};

/// Most outputs of `entry.cu`.
const MAX_ENTRY_OUTPUTS: usize = 64;

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
        let output = self.shape(c.output);
        let (count, taps) = (c.weight.shape()[0], c.taps.len());
        let column = |column: usize| {
            let row = if c.activation == program::Activation::Glu {
                weights::gated(column, output.channels)
            } else {
                (column < count).then_some(column)
            };
            row.map(|row| (row, (0..taps).collect()))
        };

        self.product(&Product {
            input: c.input,
            output: c.output,
            add: c.add,
            table: c.table.as_ref(),
            weight: &c.weight,
            bias: &c.bias,
            columns: count,
            column: &column,
            taps: c.taps.clone(),
            strides: c.strides,
            rows: [output.sequences, output.positions],
            activation: match c.activation {
                program::Activation::None => Activation::None,
                program::Activation::Gelu => Activation::Gelu,
                program::Activation::Relu => Activation::Relu,
                program::Activation::Glu => Activation::Glu,
            },
            layout: Layout::Plain,
        })
    }

    pub(super) fn upsampling(&mut self, u: &Upsampling) -> Result<(), Unsupported> {
        let (input, outputs) = (self.shape(u.input), self.shape(u.output).channels);
        let layout = match self.synthesis_input(u.output) {
            None if u.axis == Axis::Sequences => Layout::UpSequences,
            None => Layout::UpPositions,
            Some(Branch::Frequency) => Layout::UpSpectra,
            Some(Branch::Time) => Layout::UpWaveforms,
        };

        // Four phases of output k belong to row j: taps 0 to 3 of input j and 4 to 7 of j - 1.
        let column = |column: usize| {
            let (phase, channel) = match layout {
                Layout::UpWaveforms => (column % 4, column / 4),
                Layout::UpSpectra => (column / 4 % 4, column / 16 * 4 + column % 4),
                _ => (column / outputs, column % outputs),
            };
            (phase < 4 && channel < outputs).then(|| (channel, vec![phase, phase + 4]))
        };
        let (taps, rows) = match u.axis {
            Axis::Sequences => ([[0, 0], [-1, 0]], [input.sequences + 1, input.positions]),
            Axis::Positions => ([[0, 0], [0, -1]], [input.sequences, input.positions + 1]),
        };

        self.product(&Product {
            input: u.input,
            output: u.output,
            add: u.add,
            table: None,
            weight: &u.weight,
            bias: &u.bias,
            columns: 4 * outputs,
            column: &column,
            taps: taps.to_vec(),
            strides: [1, 1],
            rows,
            activation: if u.gelu {
                Activation::Gelu
            } else {
                Activation::None
            },
            layout,
        })
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
