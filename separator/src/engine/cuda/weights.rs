//! Weights in the order in which the kernels read them.

use half::f16;

use super::parameters::{Pointer, Region};
use crate::model::weights::Array;

/// Alignment of every array, in bytes.
const ALIGNMENT: usize = 256;

/// All weights and tables of a program, to be copied to the GPU in one piece.
#[derive(Debug, Default)]
pub(super) struct Pool {
    bytes: Vec<u8>,
}

impl Pool {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn add<const N: usize>(&mut self, numbers: impl Iterator<Item = [u8; N]>) -> Pointer {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        let pointer = Pointer::new(Region::Weights, self.bytes.len());
        numbers.for_each(|number| self.bytes.extend_from_slice(&number));
        pointer
    }

    /// Adds numbers as float32.
    pub(super) fn floats(&mut self, numbers: impl IntoIterator<Item = f32>) -> Pointer {
        self.add(numbers.into_iter().map(f32::to_le_bytes))
    }

    /// Adds numbers as float16.
    pub(super) fn halves(&mut self, numbers: impl IntoIterator<Item = f32>) -> Pointer {
        self.add(
            numbers
                .into_iter()
                .map(|number| f16::from_f32(number).to_le_bytes()),
        )
    }
}

/// Returns the matrix [columns, depth] of a convolution for `convolution.cu`, padded with zeros.
/// `output` gives the row of `weight` [outputs, taps, channels] and the taps for a column, or
/// nothing for padding.
pub(super) fn matrix(
    weight: &Array,
    columns: usize,
    depth: usize,
    output: impl Fn(usize) -> Option<(usize, Vec<usize>)>,
) -> Vec<f32> {
    let (taps, channels) = (weight.shape()[1], weight.shape()[2]);
    let mut matrix = vec![0.0; columns * depth];
    for (column, to) in matrix.chunks_exact_mut(depth).enumerate() {
        let Some((row, chosen)) = output(column) else {
            continue;
        };

        for (to, tap) in to.chunks_exact_mut(channels).zip(chosen) {
            let from = (row * taps + tap) * channels;
            to.copy_from_slice(&weight.data()[from..from + channels]);
        }
    }

    matrix
}

/// Returns the output of a column where eight values and their eight gates take turns.
pub(super) fn gated(column: usize, outputs: usize) -> Option<usize> {
    let channel = column / 16 * 8 + column % 8;
    (channel < outputs).then_some(channel + if column % 16 < 8 { 0 } else { outputs })
}

/// Returns matrices of 16 x 8 in the order in which the lanes of a warp hold them, `[depth / 16,
/// columns / 8, 32, 4]`. `at` gives the element of row `k` and column `n`.
pub(super) fn fragments16(
    depth: usize,
    columns: usize,
    at: impl Fn(usize, usize) -> f32,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(depth * columns);
    for k in (0..depth).step_by(16) {
        for n in (0..columns).step_by(8) {
            for lane in 0..32 {
                let (row, column) = (lane % 4 * 2, lane / 4);
                out.extend([0, 1, 8, 9].map(|offset| at(k + row + offset, n + column)));
            }
        }
    }

    out
}

/// Returns one matrix of 8 x 8 in the order of the lanes, `[32, 2]`.
pub(super) fn fragment8(at: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    (0..32)
        .flat_map(|lane| [0, 1].map(|offset| at(lane % 4 * 2 + offset, lane / 4)))
        .collect()
}
