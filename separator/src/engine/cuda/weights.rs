//! Weights in the order in which the kernels read them.

use half::f16;

use super::pointer::{Pointer, Region};
use crate::model::OverRows;
use crate::model::program::DConvLayer;
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

/// Returns the matrix [columns, depth] of a convolution, in which a tap takes `pitch` elements,
/// padded with zeros. `output` gives the row of `weight` [outputs, taps, channels] and the taps for
/// a column, or nothing for padding.
pub(super) fn matrix(
    weight: &Array,
    columns: usize,
    pitch: usize,
    depth: usize,
    output: impl Fn(usize) -> Option<(usize, Vec<usize>)>,
) -> Vec<f32> {
    let (taps, channels) = (weight.shape()[1], weight.shape()[2]);
    let mut matrix = vec![0.0; columns * depth];
    for (column, to) in matrix.chunks_exact_mut(depth).enumerate() {
        let Some((row, chosen)) = output(column) else {
            continue;
        };

        for (to, tap) in to.chunks_exact_mut(pitch).zip(chosen) {
            let from = (row * taps + tap) * channels;
            to[..channels].copy_from_slice(&weight.data()[from..from + channels]);
        }
    }

    matrix
}

/// Returns a matrix of rows of `depth` as tiles, `[rows / tile_rows, depth / tile_depth, tile_rows,
/// tile_depth]`.
pub(super) fn tiles(matrix: &[f32], depth: usize, tile_rows: usize, tile_depth: usize) -> Vec<f32> {
    let mut tiles = Vec::with_capacity(matrix.len());
    for rows in matrix.chunks_exact(depth * tile_rows) {
        for first in (0..depth).step_by(tile_depth) {
            for row in rows.chunks_exact(depth) {
                tiles.extend_from_slice(&row[first..first + tile_depth]);
            }
        }
    }
    tiles
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

/// Returns a vector of hidden channels, padded with zeros to blocks of eight.
pub(super) fn padded(vector: &Array) -> Vec<f32> {
    let mut data = vector.data().to_vec();
    data.resize(data.len().next_multiple_of(8), 0.0);
    data
}

/// Returns conv1 of a DConv layer as the kernels read it: matrices of 16 x 8 for each tap.
pub(super) fn conv1(layer: &DConvLayer) -> Vec<f32> {
    let weight = &layer.conv1.0;
    let [hidden, channels] = [weight.shape()[0], weight.shape()[2]];
    let (depth, columns) = (channels.next_multiple_of(16), hidden.next_multiple_of(8));
    let tap = |tap: usize| {
        fragments16(depth, columns, |k, n| {
            if k < channels && n < hidden {
                weight.data()[(n * 3 + tap) * channels + k]
            } else {
                0.0
            }
        })
    };
    [tap(0), tap(1), tap(2)].concat()
}

/// Returns the bias of conv1 and the gain and the shift of its norm: [3, hidden].
pub(super) fn norm1(layer: &DConvLayer) -> Vec<f32> {
    [&layer.conv1.1, &layer.norm1.0, &layer.norm1.1]
        .map(padded)
        .concat()
}

/// Returns conv2 of a DConv layer times its norm's gain: matrices of 8 x 8 for each block of eight
/// channels, values and gates in turn.
pub(super) fn conv2(layer: &DConvLayer) -> Vec<f32> {
    let (weight, gain) = (&layer.conv2.0, layer.norm2.0.data());
    let [outputs, hidden] = [weight.shape()[0], weight.shape()[1]];
    let mut all = Vec::new();
    for start in rows_in_turn(outputs / 2) {
        for part in (0..hidden).step_by(8) {
            all.extend(fragment8(|k, n| {
                let (row, column) = (start + n, part + k);
                if column < hidden {
                    weight.data()[row * hidden + column] * gain[row]
                } else {
                    0.0
                }
            }));
        }
    }

    all
}

/// Returns what the kernels need of each row of conv2, in the order of [`conv2`]: bias times gain,
/// gain, shift, and LayerScale, which gates have none of.
pub(super) fn conv2_columns(layer: &DConvLayer) -> Vec<f32> {
    let (bias, gain, shift) = (
        layer.conv2.1.data(),
        layer.norm2.0.data(),
        layer.norm2.1.data(),
    );
    let channels = layer.scale.shape()[0];
    rows_in_turn(channels)
        .flat_map(|start| start..start + 8)
        .flat_map(|row| {
            let scale = layer.scale.data().get(row).copied().unwrap_or(1.0);
            [bias[row] * gain[row], gain[row], shift[row], scale]
        })
        .collect()
}

/// First rows of blocks of eight of conv2: values, their gates, the next values.
fn rows_in_turn(channels: usize) -> impl Iterator<Item = usize> {
    (0..channels)
        .step_by(8)
        .flat_map(move |block| [block, channels + block])
}

/// Returns the moments over the rows of conv2, padded to blocks of eight hidden channels.
pub(super) fn over_rows(layer: &DConvLayer) -> Vec<f32> {
    let hidden = layer.conv1.1.shape()[0];
    let width = hidden.next_multiple_of(8);
    let o = OverRows::of(&layer.conv2.0, layer.conv2.1.data());
    let vector = |data: &[f32]| -> Vec<f32> {
        (0..width)
            .map(|n| data.get(n).copied().unwrap_or(0.0))
            .collect()
    };
    let square = |data: &[f32]| -> Vec<f32> {
        (0..width * width)
            .map(|i| match (i / width, i % width) {
                (row, column) if row < hidden && column < hidden => data[row * hidden + column],
                _ => 0.0,
            })
            .collect()
    };

    [
        vector(&o.mean_weight),
        vector(&o.cross),
        square(&o.products),
        square(&o.weight_covariance),
        vec![o.mean_bias, o.bias_variance],
    ]
    .concat()
}

/// Returns a 1x1 convolution with GLU, [2 channels, 1, channels], for `dconv_row.cu`: for every 16
/// channels and 16 of K four matrices of 16 x 8, two of values and two of gates, in which a lane
/// has four channels that lie together.
pub(super) fn rewrite(weight: &Array) -> Vec<f32> {
    let channels = weight.shape()[2];
    let mut all = Vec::new();
    for group in (0..channels).step_by(16) {
        for depth in (0..channels).step_by(16) {
            for tile in 0..4 {
                all.extend(fragments16(16, 8, |k, n| {
                    let channel = group + n / 2 * 4 + n % 2 + tile % 2 * 2;
                    let row = channel + if tile < 2 { 0 } else { channels };
                    weight.data()[row * channels + depth + k]
                }));
            }
        }
    }

    all
}

/// Returns the bias of the same: for every four channels their values' and their gates'.
pub(super) fn rewrite_bias(bias: &Array) -> Vec<f32> {
    let channels = bias.shape()[0] / 2;
    (0..channels)
        .step_by(4)
        .flat_map(|four| [four, channels + four])
        .flat_map(|start| &bias.data()[start..start + 4])
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_hold_the_rows_of_their_stretch_of_the_depth() {
        // Four rows of four, in tiles of two by two.
        let matrix: Vec<f32> = (0..16_u8).map(f32::from).collect();
        let expected = [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15_u8];
        assert_eq!(tiles(&matrix, 4, 2, 2), expected.map(f32::from));
    }
}
