//! Lowering of products of matrices: `product.cu` on Hopper, `convolution.cu` elsewhere.

use super::{HALF, Lowering, MOMENTS, Unsupported, check_channels};
use crate::engine::cuda::boxes::Boxes;
use crate::engine::cuda::kernel::{self, CONVOLUTION_DEPTH, Kernel, PRODUCT_DEPTH, PRODUCT_ROWS};
use crate::engine::cuda::parameters::{self, MAX_TAPS, Output, WithMaps};
use crate::engine::cuda::pointer::Pointer;
use crate::engine::cuda::weights;
use crate::model::program::{Operation, Tensor};
use crate::model::weights::Array;

/// Layout of an output, as `results.cuh` numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Plain = 0,
    UpSequences = 1,
    UpPositions = 2,
    UpSpectra = 3,
    UpWaveforms = 4,
}

/// Activation, as `results.cuh` numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    None = 0,
    Gelu = 1,
    Relu = 2,
    Glu = 3,
}

/// Convolution as a product of matrices.
pub(super) struct Product<'a> {
    pub(super) input: Tensor,
    pub(super) output: Tensor,
    /// Tensor that is added to the output, or a table with a row for each of its sequences.
    pub(super) add: Option<Tensor>,
    pub(super) table: Option<&'a Array>,
    /// [outputs, taps, channels].
    pub(super) weight: &'a Array,
    pub(super) bias: &'a Array,
    /// Number of columns without padding.
    pub(super) columns: usize,
    /// Returns the row of `weight` and its taps for a column, or nothing for padding.
    pub(super) column: &'a dyn Fn(usize) -> Option<(usize, Vec<usize>)>,
    /// Distance of each tap's input from the row's, along sequences and positions.
    pub(super) taps: Vec<[isize; 2]>,
    pub(super) strides: [usize; 2],
    /// Number of sequences and of positions of the rows.
    pub(super) rows: [usize; 2],
    pub(super) activation: Activation,
    pub(super) layout: Layout,
}

impl Lowering<'_> {
    pub(super) fn product(&mut self, p: &Product<'_>) -> Result<(), Unsupported> {
        let (input, output) = (self.shape(p.input), self.shape(p.output));
        check_channels(input.channels, 8)?;
        match p.layout {
            Layout::UpWaveforms => {}
            Layout::UpSpectra => check_channels(output.channels, 4)?,
            _ => check_channels(output.channels, 8)?,
        }
        let taps = p.taps.len();
        if taps > MAX_TAPS {
            return Err(Unsupported::new("context", taps, "at most 9 taps"));
        }

        let block = kernel::columns_of_tile(p.columns);
        let padded = p.columns.next_multiple_of(block);
        let bias = (0..padded).map(|n| (p.column)(n).map_or(0.0, |(row, _)| p.bias.data()[row]));
        let bias = self.pool.floats(bias);
        let [rows_s, rows_p] = p.rows;
        let written = Output {
            to: self.halves(p.output),
            add: p.add.map_or(Pointer::NULL, |add| self.halves(add)),
            table: p.table.map_or(Pointer::NULL, |table| {
                self.pool.halves(table.data().iter().copied())
            }),
            moments: Pointer::NULL,
            sequences: output.sequences as i32,
            positions: output.positions as i32,
            channels: output.channels as i32,
            rows_s: rows_s as i32,
            rows_p: rows_p as i32,
            layout: p.layout as i32,
            box_s: 1,
            box_p: PRODUCT_ROWS as i32,
        };

        if self.limits.hopper {
            self.boxed_product(p, block, bias, written);
        } else {
            self.plain_product(p, block, bias, written);
        }
        Ok(())
    }

    /// Launches `convolution.cu`.
    fn plain_product(&mut self, p: &Product<'_>, block: usize, bias: Pointer, output: Output) {
        let input = self.shape(p.input);
        let (taps, channels) = (p.taps.len(), input.channels);
        let columns = p.columns.next_multiple_of(block);
        let depth = (taps * channels).next_multiple_of(CONVOLUTION_DEPTH);
        let rows = p.rows[0] * p.rows[1];
        let grid = [columns / block, rows.div_ceil(PRODUCT_ROWS), self.batch];
        let weight = weights::matrix(p.weight, columns, channels, depth, p.column);
        let weight = weights::tiles(&weight, depth, block, CONVOLUTION_DEPTH);
        let (tap_s, tap_p) = offsets(&p.taps);
        let parameters = parameters::Convolution {
            input: self.halves(p.input),
            weight: self.pool.halves(weight),
            output: Output {
                moments: self.moments_for(p.output, grid[0] * grid[1]),
                ..output
            },
            bias,
            sequences: input.sequences as i32,
            positions: input.positions as i32,
            channels: channels as i32,
            stride_s: p.strides[0] as i32,
            stride_p: p.strides[1] as i32,
            taps: taps as i32,
            columns: columns as i32,
            depth: depth as i32,
            activation: p.activation as i32,
            tap_s,
            tap_p,
        };

        let stages = kernel::CONVOLUTION_STAGES * (PRODUCT_ROWS + block) * CONVOLUTION_DEPTH * HALF;
        let shared = stages.max(results_bytes(block)) as u32;
        self.launch(Kernel::Convolution(block), grid, shared, parameters);
    }

    /// Launches `product.cu`.
    fn boxed_product(&mut self, p: &Product<'_>, block: usize, bias: Pointer, output: Output) {
        let input = self.shape(p.input);
        let (taps, channels) = (p.taps.len(), input.channels);
        let columns = p.columns.next_multiple_of(block);
        let pitch = channels.next_multiple_of(PRODUCT_DEPTH);
        let weight = weights::matrix(p.weight, columns, pitch, taps * pitch, p.column);
        let tile = Tile::of(p.rows, p.strides, p.layout);
        let tiles = [
            p.rows[0].div_ceil(tile.sequences),
            p.rows[1].div_ceil(tile.positions),
        ];
        let column_tiles = columns / block;
        let of_segment = tiles[0] * tiles[1] * column_tiles;

        let (tap_s, tap_p) = offsets(&p.taps);
        let boxes = [
            Boxes {
                tensor: self.halves(p.input),
                lengths: vec![channels, input.positions, input.sequences, self.batch],
                sizes: vec![
                    PRODUCT_DEPTH,
                    tile.positions / tile.copies,
                    tile.sequences,
                    1,
                ],
                steps: vec![1, p.strides[1], p.strides[0], 1],
            },
            Boxes {
                tensor: self.pool.halves(weight),
                lengths: vec![taps * pitch, columns],
                sizes: vec![PRODUCT_DEPTH, block],
                steps: vec![1, 1],
            },
        ];
        let parameters = parameters::Product {
            output: Output {
                moments: self.moments_for(p.output, of_segment),
                box_s: tile.sequences as i32,
                box_p: tile.positions as i32,
                ..output
            },
            bias,
            tiles: (self.batch * of_segment) as i32,
            column_tiles: column_tiles as i32,
            tiles_s: tiles[0] as i32,
            tiles_p: tiles[1] as i32,
            copies: tile.copies as i32,
            stride_s: p.strides[0] as i32,
            stride_p: p.strides[1] as i32,
            taps: taps as i32,
            channels: channels as i32,
            activation: p.activation as i32,
            tap_s,
            tap_p,
            ..Default::default()
        };

        let stages = kernel::PRODUCT_STAGES * (PRODUCT_ROWS + block) * PRODUCT_DEPTH * HALF;
        let shared = stages + 2 * results_bytes(block) + 256;
        let blocks = (self.batch * of_segment).min(self.limits.multiprocessors);
        self.launch(
            Kernel::Product(block),
            [blocks, 1, 1],
            shared as u32,
            WithMaps::new(parameters, boxes),
        );
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
}

/// Rows of a tile of `product.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tile {
    sequences: usize,
    positions: usize,
    /// Number of boxes that it is copied as.
    copies: usize,
}

impl Tile {
    /// Returns the tile with which the fewest are needed, for [sequences, positions] of rows and
    /// the strides along both.
    fn of([rows_s, rows_p]: [usize; 2], [stride_s, stride_p]: [usize; 2], layout: Layout) -> Self {
        // A box reaches over 256 elements of an axis at most, those between its own among them.
        const MOST: usize = 256;
        // Spectra are written in runs of sequences.
        let least = if layout == Layout::UpSpectra { 32 } else { 1 };

        (1..=PRODUCT_ROWS.min(MOST / stride_s))
            .filter(|&sequences| sequences >= least.min(rows_s))
            .map(|sequences| {
                let positions = rows_p.min(PRODUCT_ROWS / sequences);
                let copies = (positions * stride_p).div_ceil(MOST);
                Self {
                    sequences,
                    positions: positions / copies * copies,
                    copies,
                }
            })
            .min_by_key(|tile| rows_s.div_ceil(tile.sequences) * rows_p.div_ceil(tile.positions))
            .unwrap_or(Self {
                sequences: 1,
                positions: 1,
                copies: 1,
            })
    }
}

/// Returns the offsets of taps as the kernels take them.
fn offsets(taps: &[[isize; 2]]) -> ([i16; MAX_TAPS], [i16; MAX_TAPS]) {
    let (mut tap_s, mut tap_p) = ([0; MAX_TAPS], [0; MAX_TAPS]);
    for (index, tap) in taps.iter().enumerate() {
        tap_s[index] = tap[0] as i16;
        tap_p[index] = tap[1] as i16;
    }
    (tap_s, tap_p)
}

/// Bytes of shared memory that a team takes for a tile of `columns` columns: the results, the
/// targets of rows and columns, and sums.
fn results_bytes(columns: usize) -> usize {
    PRODUCT_ROWS * (columns + 8) * HALF + (PRODUCT_ROWS + columns / 8) * 8 + 32
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn tiles_leave_few_rows_empty_and_their_boxes_can_be_copied() {
        let cases = [
            ([8, 336], [1, 1], Layout::Plain, (8, 16, 1)),
            ([1, 1344], [1, 1], Layout::Plain, (1, 128, 1)),
            ([9, 336], [1, 1], Layout::UpSequences, (3, 42, 1)),
            ([513, 336], [1, 1], Layout::UpSpectra, (32, 4, 1)),
            ([128, 336], [4, 1], Layout::Plain, (8, 16, 1)),
            ([1, 21499], [1, 4], Layout::Plain, (1, 128, 2)),
            ([1, 1], [1, 1], Layout::Plain, (1, 1, 1)),
        ];
        each_case(cases, |(rows, strides, layout, expected)| {
            let tile = Tile::of(rows, strides, layout);
            let found = (tile.sequences, tile.positions, tile.copies);
            assert_eq!(found, expected);
        });
    }
}
