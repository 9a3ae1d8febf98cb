//! Bias, activation, sum and table, which follow a product.

use super::pack::{Packed, Panel};
use crate::buffer::Shared;
use crate::math::{gelu, logistic};
use crate::simd::{MOST_LANES, Simd};

/// Function of the sums of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Activation {
    None,
    /// x Phi(x), exact.
    Gelu,
    Relu,
    /// The first half of the outputs times the logistic function of the second half.
    Glu,
}

/// Everything that follows a product.
pub(super) struct Finish<'a> {
    pub(super) packed: &'a Packed,
    pub(super) activation: Activation,
    /// Of the output's shape.
    pub(super) add: Option<&'a [f32]>,
    /// [sequences, channels]
    pub(super) table: Option<&'a [f32]>,
    pub(super) output: Shared,
}

/// Place of a row that is not written.
pub(super) const NOWHERE: usize = usize::MAX;

impl Finish<'_> {
    /// Finishes one row of a tile: `sums` are [vectors, lanes] of `panel`, `outputs` are the places
    /// of the row's groups, and `sequence` is the row's.
    ///
    /// # Safety
    /// Nobody else writes these places.
    #[inline(always)]
    pub(super) unsafe fn row<S: Simd>(
        &self,
        simd: S,
        panel: &Panel,
        sums: *const f32,
        outputs: &[usize],
        sequence: usize,
    ) {
        let biases = self.packed.biases[panel.biases..].as_ptr();
        let gates = panel.columns.len();
        for (v, column) in self.packed.columns[panel.columns.clone()]
            .iter()
            .enumerate()
        {
            let place = outputs[column.group];
            if place == NOWHERE {
                continue;
            }

            // SAFETY: a panel has as many sums and biases as vectors.
            let sum = |v: usize| unsafe {
                let at = v * S::LANES;
                simd.add(simd.load(sums.add(at)), simd.load(biases.add(at)))
            };
            let x = sum(v);
            let y = match self.activation {
                Activation::None => x,
                Activation::Gelu => gelu(simd, x),
                Activation::Relu => simd.max(x, simd.splat(0.0)),
                Activation::Glu => simd.mul(x, logistic(simd, sum(gates + v))),
            };

            let place = place + column.first;
            let add = self.add.map(|add| &add[place..place + column.valid]);
            let table = self.table.map(|table| {
                let place = sequence * self.packed.size.outputs + column.first;
                &table[place..place + column.valid]
            });
            let to = self.output.at(place, column.valid);
            // SAFETY: all of them have as many numbers as are valid, and the caller promises the
            // rest.
            unsafe {
                if column.valid == S::LANES {
                    let with = |y, other: Option<&[f32]>| {
                        other.map_or(y, |other| simd.add(y, simd.load(other.as_ptr())))
                    };
                    simd.store(to, with(with(y, add), table));
                } else {
                    let mut numbers = [0.0; MOST_LANES];
                    simd.store(numbers.as_mut_ptr(), y);
                    for (lane, y) in numbers[..column.valid].iter().enumerate() {
                        let of = |other: Option<&[f32]>| other.map_or(0.0, |other| other[lane]);
                        to.add(lane).write(y + of(add) + of(table));
                    }
                }
            }
        }
    }
}
