//! Matrix products and convolutions: a few rows times a few outputs at a time, in registers.

use rayon::prelude::*;

use crate::model::program::Shape;
use crate::model::weights::Array;

/// Number of outputs that are summed at a time.
const OUTPUTS: usize = 8;
/// Number of rows that are summed at a time.
const ROWS: usize = 4;
/// Number of rows of a task, enough for its own cost not to matter.
pub(super) const BLOCK: usize = 64;

/// Weights with the outputs that are summed at a time side by side.
pub(super) struct Packed {
    outputs: usize,
    taps: usize,
    channels: usize,
    /// [outputs / 8, taps, channels], with zeros for outputs that are not there.
    data: Vec<[f32; OUTPUTS]>,
}

impl Packed {
    /// Packs weights [outputs, taps, channels].
    pub(super) fn of(weight: &Array) -> Self {
        let [outputs, taps, channels] = [0, 1, 2].map(|axis| weight.shape()[axis]);
        let at = |output, i| weight.data()[output * taps * channels + i];
        Self::from_fn([outputs, taps, channels], at)
    }

    /// Packs the weights `at(output, i)`, in which `i` counts a tap's channels, tap after tap.
    pub(super) fn from_fn(
        [outputs, taps, channels]: [usize; 3],
        at: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let depth = taps * channels;
        let block = |block: usize, i: usize| {
            std::array::from_fn(|lane| {
                let output = block * OUTPUTS + lane;
                if output < outputs { at(output, i) } else { 0.0 }
            })
        };
        let blocks = 0..outputs.div_ceil(OUTPUTS);
        Self {
            outputs,
            taps,
            channels,
            data: blocks
                .flat_map(|b| (0..depth).map(move |i| (b, i)))
                .map(|(b, i)| block(b, i))
                .collect(),
        }
    }

    /// Computes the sums of every row of `inputs` [rows, taps], each the channels of one position:
    /// [rows, outputs].
    pub(super) fn multiply_into(&self, inputs: &[&[f32]], sums: &mut [f32]) {
        let depth = self.taps * self.channels;
        let groups = inputs.chunks(ROWS * self.taps);
        for (block, weights) in self.data.chunks_exact(depth).enumerate() {
            let first = block * OUTPUTS;
            let count = OUTPUTS.min(self.outputs - first);
            let rows = sums.chunks_mut(ROWS * self.outputs);
            for (inputs, rows) in groups.clone().zip(rows) {
                let group = self.multiply_group(inputs, weights);
                for (row, group) in rows.chunks_mut(self.outputs).zip(group) {
                    row[first..first + count].copy_from_slice(&group[..count]);
                }
            }
        }
    }

    /// Computes a few outputs of a few rows.
    #[allow(
        clippy::needless_range_loop,
        reason = "iterators are half as fast where tests are built with few optimisations"
    )]
    fn multiply_group(
        &self,
        inputs: &[&[f32]],
        weights: &[[f32; OUTPUTS]],
    ) -> [[f32; OUTPUTS]; ROWS] {
        let mut sums = [[0.0; OUTPUTS]; ROWS];
        let last = inputs.len() / self.taps - 1;
        for (tap, weights) in weights.chunks_exact(self.channels).enumerate() {
            // Rows beyond the last one repeat it, and nobody reads their sums.
            let rows: [&[f32]; ROWS] = std::array::from_fn(|row| {
                &inputs[row.min(last) * self.taps + tap][..self.channels]
            });

            for i in 0..weights.len() {
                let weights = weights[i];
                for row in 0..ROWS {
                    let x = rows[row][i];
                    for output in 0..OUTPUTS {
                        sums[row][output] += x * weights[output];
                    }
                }
            }
        }

        sums
    }
}

/// Convolves `x` of shape `input`. `finish` is given the number of a row of the output, its sums,
/// and the row to write.
pub(super) fn convolve(
    x: &[f32],
    input: Shape,
    weights: &Packed,
    taps: &[[isize; 2]],
    strides: [usize; 2],
    output: Shape,
    finish: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) -> Vec<f32> {
    let zeros = vec![0.0; input.channels];
    let at = |row: usize, tap: [isize; 2]| {
        let sequence = (row / output.positions * strides[0]).checked_add_signed(tap[0]);
        let position = (row % output.positions * strides[1]).checked_add_signed(tap[1]);
        match (sequence, position) {
            (Some(s), Some(p)) if s < input.sequences && p < input.positions => {
                let start = (s * input.positions + p) * input.channels;
                &x[start..start + input.channels]
            }
            _ => &zeros,
        }
    };

    let mut y = vec![0.0; output.len()];
    let blocks = y.par_chunks_mut(BLOCK * output.channels).enumerate();
    blocks.for_each(|(block, to)| {
        let first = block * BLOCK;
        let rows = first..first + to.len() / output.channels;
        let inputs: Vec<&[f32]> = rows
            .clone()
            .flat_map(|row| taps.iter().map(move |&tap| (row, tap)))
            .map(|(row, tap)| at(row, tap))
            .collect();

        let mut sums = vec![0.0; rows.len() * weights.outputs];
        weights.multiply_into(&inputs, &mut sums);
        let sums = sums.chunks_mut(weights.outputs);
        for ((row, sums), to) in rows.zip(sums).zip(to.chunks_mut(output.channels)) {
            finish(row, sums, to);
        }
    });

    y
}
