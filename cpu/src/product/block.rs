//! Some rows of a product times some of its panels: the work of one thread.

use std::ops::Range;

use super::finish::{Finish, NOWHERE};
use super::grid::Grid;
use super::pack::{Packed, Size};
use crate::buffer::Scratch;
use crate::isa::{Isa, Widths};
use crate::operands::{Operands, ROWS};
use crate::simd::{Simd, Task};

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
        let taps = packed.size.taps;

        let strips = sequences.len().div_ceil(ROWS);
        let mut sums = Scratch::take(strips * ROWS * S::VECTORS * S::LANES);
        for panel in &packed.panels[self.panels] {
            let stride = panel.vectors * S::LANES;
            let weights = &packed.weights[panel.weights..];
            for (index, piece) in packed.pieces.iter().enumerate() {
                for (strip, rows) in inputs.chunks_exact(taps * ROWS).enumerate() {
                    // SAFETY: every pointer is to as many numbers as the runs read, a panel has as
                    // many weights, and there is a sum for each vector of a row.
                    unsafe {
                        simd.tile(
                            panel.vectors,
                            Operands {
                                piece,
                                rows: rows.as_ptr(),
                                panel: weights[piece.start * stride..].as_ptr(),
                                sums: sums[strip * ROWS * stride..].as_mut_ptr(),
                                stride,
                                add: index > 0,
                            },
                        );
                    }
                }
            }

            // SAFETY: the rows' places are theirs alone, and so are the panels'.
            unsafe { finish.rows(simd, panel, &sums, outputs, sequences) };
        }
    }
}

/// Product of rows with a matrix, without a bias, whose results have zeros up to whole vectors.
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
            packed: Packed::new(widths, size, weight, |_| 0.0),
            width: outputs.next_multiple_of(widths.lanes),
            zeros: vec![0.0; depth],
        }
    }
}

/// Multiplies `count` rows by `dense`: [count in whole strips, width], without the bias.
/// `input(row, tap)` returns the numbers that a row reads at a tap, as many as the matrix is deep,
/// or `None` for zeros.
#[inline(always)]
pub(crate) fn multiply_rows<'a, S: Simd>(
    simd: S,
    dense: &Dense,
    count: usize,
    input: impl Fn(usize, usize) -> Option<&'a [f32]>,
    output: &mut [f32],
) {
    let Packed {
        size,
        pieces,
        panels,
        weights,
        ..
    } = &dense.packed;
    let taps = size.taps;
    let strips = count.div_ceil(ROWS);
    let mut pointers = vec![dense.zeros.as_ptr(); strips * taps * ROWS];
    for row in 0..count {
        for tap in 0..taps {
            if let Some(numbers) = input(row, tap) {
                assert!(numbers.len() >= size.depth, "numbers of a row");
                pointers[(row / ROWS * taps + tap) * ROWS + row % ROWS] = numbers.as_ptr();
            }
        }
    }

    assert!(
        strips * ROWS * dense.width <= output.len(),
        "room for whole strips"
    );
    for panel in panels {
        let size = panel.vectors * S::LANES;
        let first = panel.columns.start * S::LANES;
        let weights = &weights[panel.weights..];
        for (index, piece) in pieces.iter().enumerate() {
            for (strip, rows) in pointers.chunks_exact(taps * ROWS).enumerate() {
                // SAFETY: every pointer is to as many numbers as the runs read, a panel has as many
                // weights, and the output has room for whole strips.
                unsafe {
                    simd.tile(
                        panel.vectors,
                        Operands {
                            piece,
                            rows: rows.as_ptr(),
                            panel: weights[piece.start * size..].as_ptr(),
                            sums: output[strip * ROWS * dense.width + first..].as_mut_ptr(),
                            stride: dense.width,
                            add: index > 0,
                        },
                    );
                }
            }
        }
    }
}
