//! Some rows of a product times some of its panels: the work of one thread.

use std::ops::Range;

use super::finish::{Finish, NOWHERE};
use super::grid::Grid;
use super::pack::{Packed, Size};
use crate::buffer::Shared;
use crate::isa::{Isa, Widths};
use crate::simd::{MOST_LANES, Simd, Task};
use crate::tile::{Operands, ROWS};

/// Most vectors of a panel.
const MOST_VECTORS: usize = 4;
/// Numbers of a tile of the largest panel.
const TILE: usize = ROWS * MOST_VECTORS * MOST_LANES;

/// Rows of a product, with their places.
pub(super) struct Block<'a> {
    finish: &'a Finish<'a>,
    /// [strips, taps, 6 rows]: numbers that are read.
    inputs: Vec<*const f32>,
    /// [rows, groups]: places that are written.
    outputs: Vec<usize>,
    /// Sequence of each row.
    sequences: Vec<usize>,
}

impl<'a> Block<'a> {
    pub(super) fn of(
        grid: &Grid,
        packed: &Packed,
        rows: Range<usize>,
        input: &[f32],
        zeros: &[f32],
        finish: &'a Finish<'a>,
    ) -> Self {
        let Size {
            taps,
            depth,
            groups,
            ..
        } = packed.size;
        let strips = rows.len().div_ceil(ROWS);
        let mut inputs = vec![zeros.as_ptr(); strips * taps * ROWS];
        let mut outputs = Vec::with_capacity(rows.len() * groups);
        let mut sequences = Vec::with_capacity(rows.len());

        let mut place = grid.place(rows.start);
        for row in 0..rows.len() {
            let strip = &mut inputs[row / ROWS * taps * ROWS..][..taps * ROWS];
            for tap in 0..taps {
                if let Some(at) = grid.input(place, tap) {
                    strip[tap * ROWS + row % ROWS] = input[at..at + depth].as_ptr();
                }
            }

            outputs.extend((0..groups).map(|group| grid.output(place, group).unwrap_or(NOWHERE)));
            sequences.push(place[0]);
            place[1] += 1;
            if place[1] == grid.positions {
                place = [place[0] + 1, 0];
            }
        }

        Self {
            finish,
            inputs,
            outputs,
            sequences,
        }
    }

    pub(super) fn run(&self, isa: Isa, panels: Range<usize>) {
        isa.run(Part {
            block: self,
            panels,
        });
    }
}

/// Block times some of the panels.
struct Part<'a> {
    block: &'a Block<'a>,
    panels: Range<usize>,
}

impl Task for Part<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Block {
            finish,
            inputs,
            outputs,
            sequences,
        } = self.block;
        let packed = finish.packed;
        let Size { taps, groups, .. } = packed.size;

        let mut tile = [0.0; TILE];
        for panel in &packed.panels[self.panels] {
            let stride = panel.vectors * S::LANES;
            for (strip, rows) in inputs.chunks_exact(taps * ROWS).enumerate() {
                // SAFETY: every pointer is to as many numbers as the runs read, a panel has as many
                // weights, and the tile is large enough for it.
                unsafe {
                    simd.tile(
                        panel.vectors,
                        Operands {
                            runs: &packed.runs,
                            rows: rows.as_ptr(),
                            panel: packed.weights[panel.weights..].as_ptr(),
                            sums: tile.as_mut_ptr(),
                            stride,
                        },
                    );
                }

                let first = strip * ROWS;
                for row in 0..ROWS.min(sequences.len() - first) {
                    let outputs = &outputs[(first + row) * groups..][..groups];
                    let sums = tile[row * stride..].as_ptr();
                    // SAFETY: the rows' places are theirs alone, and so are the panels'.
                    unsafe { finish.row(simd, panel, sums, outputs, sequences[first + row]) };
                }
            }
        }
    }
}

/// Product of rows with a matrix, with its bias, whose results have zeros up to whole vectors.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    packed: Packed,
    /// Number of a row's results, with the zeros.
    pub(crate) width: usize,
    zeros: Vec<f32>,
}

impl Dense {
    /// Packs the weights `weight(output, tap, k)`.
    pub(crate) fn new(
        widths: Widths,
        [outputs, taps, depth]: [usize; 3],
        weight: impl Fn(usize, usize, usize) -> f32,
        bias: &[f32],
    ) -> Self {
        let size = Size {
            taps,
            depth,
            groups: 1,
            outputs,
            gates: false,
        };
        let weight = |_, output, tap, k| weight(output, tap, k);
        Self {
            packed: Packed::new(widths, size, weight, |output| bias[output]),
            width: outputs.next_multiple_of(widths.lanes),
            zeros: vec![0.0; depth],
        }
    }
}

/// Multiplies `count` rows by `dense` and adds its bias: [count, width]. `input(row, tap)` returns
/// the numbers that a row reads at a tap, as many as the matrix is deep, or `None` for zeros.
#[inline(always)]
pub(crate) fn multiply_rows<'a, S: Simd>(
    simd: S,
    dense: &Dense,
    count: usize,
    input: impl Fn(usize, usize) -> Option<&'a [f32]>,
    output: &mut [f32],
    pointers: &mut Vec<*const f32>,
) {
    let Packed {
        size,
        runs,
        panels,
        weights,
        biases,
        ..
    } = &dense.packed;
    let taps = size.taps;
    let strips = count.div_ceil(ROWS);
    pointers.clear();
    pointers.resize(strips * taps * ROWS, dense.zeros.as_ptr());
    for row in 0..count {
        for tap in 0..taps {
            if let Some(numbers) = input(row, tap) {
                assert!(numbers.len() >= size.depth, "numbers of a row");
                pointers[(row / ROWS * taps + tap) * ROWS + row % ROWS] = numbers.as_ptr();
            }
        }
    }

    let mut tile = [0.0; TILE];
    let output = Shared::new(output);
    for panel in panels {
        let stride = panel.vectors * S::LANES;
        for (strip, rows) in pointers.chunks_exact(taps * ROWS).enumerate() {
            // SAFETY: every pointer is to as many numbers as the runs read, a panel has as many
            // weights and biases, the tile is large enough for it, and the places are checked.
            unsafe {
                simd.tile(
                    panel.vectors,
                    Operands {
                        runs,
                        rows: rows.as_ptr(),
                        panel: weights[panel.weights..].as_ptr(),
                        sums: tile.as_mut_ptr(),
                        stride,
                    },
                );
                for row in 0..ROWS.min(count - strip * ROWS) {
                    let at = (strip * ROWS + row) * dense.width + panel.columns.start * S::LANES;
                    let to = output.at(at, stride);
                    for v in 0..panel.vectors {
                        let at = v * S::LANES;
                        let sum = simd.load(tile.as_ptr().add(row * stride + at));
                        let bias = simd.load(biases.as_ptr().add(panel.biases + at));
                        simd.store(to.add(at), simd.add(sum, bias));
                    }
                }
            }
        }
    }
}
