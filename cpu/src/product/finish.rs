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
    /// Finishes the rows of a block: `sums` are [rows, vectors, lanes] of `panel`, `outputs` are
    /// the places of the rows' groups [rows, groups], and `sequences` those of the rows.
    ///
    /// # Safety
    /// Nobody else writes these places.
    #[inline(always)]
    pub(super) unsafe fn rows<S: Simd>(
        &self,
        simd: S,
        panel: &Panel,
        sums: &[f32],
        outputs: &[usize],
        sequences: &[usize],
    ) {
        let gates = panel.columns.len() * S::LANES;
        let zero = simd.splat(0.0);
        for v in 0..panel.columns.len() {
            let rows = Rows {
                finish: self,
                panel,
                v,
                sums,
                outputs,
                sequences,
            };
            // SAFETY: the caller's promise; gates follow the values.
            unsafe {
                match self.activation {
                    Activation::None => rows.write(simd, |x, _, _| x),
                    Activation::Gelu => rows.write(simd, |x, _, _| gelu(simd, x)),
                    Activation::Relu => rows.write(simd, |x, _, _| simd.max(x, zero)),
                    Activation::Glu => rows.write(simd, |x, sum, bias| {
                        let gate = simd.add(simd.load(sum.add(gates)), simd.load(bias.add(gates)));
                        simd.mul(x, logistic(simd, gate))
                    }),
                }
            }
        }
    }
}

/// Vector `v` of the rows of a panel.
struct Rows<'a> {
    finish: &'a Finish<'a>,
    panel: &'a Panel,
    v: usize,
    sums: &'a [f32],
    outputs: &'a [usize],
    sequences: &'a [usize],
}

impl Rows<'_> {
    /// Writes `activation` of every sum with its bias, which is also given where both lie.
    ///
    /// # Safety
    /// Nobody else writes these places.
    #[inline(always)]
    unsafe fn write<S: Simd>(
        &self,
        simd: S,
        activation: impl Fn(S::F, *const f32, *const f32) -> S::F,
    ) {
        let Finish {
            packed,
            add,
            table,
            output,
            ..
        } = *self.finish;
        let column = packed.columns[self.panel.columns.start + self.v];
        let valid = column.valid;
        let at = self.v * S::LANES;
        let stride = self.panel.vectors * S::LANES;
        let biases = packed.biases[self.panel.biases + at..].as_ptr();
        // SAFETY: every panel has as many biases as vectors.
        let bias = unsafe { simd.load(biases) };

        let rows = self.sums.chunks_exact(stride).zip(self.sequences);
        let outputs = self.outputs.chunks_exact(packed.size.groups);
        for ((sums, &sequence), outputs) in rows.zip(outputs) {
            let place = outputs[column.group];
            if place == NOWHERE {
                continue;
            }

            let sums = sums[at..].as_ptr();
            // SAFETY: every panel has as many sums as vectors.
            let y = unsafe { activation(simd.add(simd.load(sums), bias), sums, biases) };

            let place = place + column.first;
            let to = output.at(place, valid);
            let add = add.map(|add| &add[place..place + valid]);
            let table = table.map(|table| {
                let place = sequence * packed.size.outputs + column.first;
                &table[place..place + valid]
            });
            // SAFETY: all of them have as many numbers as are valid, and the caller promises the
            // rest.
            unsafe {
                if valid == S::LANES {
                    let with = |y, other: Option<&[f32]>| {
                        other.map_or(y, |other| simd.add(y, simd.load(other.as_ptr())))
                    };
                    simd.store(to, with(with(y, add), table));
                } else {
                    let mut numbers = [0.0; MOST_LANES];
                    simd.store(numbers.as_mut_ptr(), y);
                    for (lane, y) in numbers[..valid].iter().enumerate() {
                        let of = |other: Option<&[f32]>| other.map_or(0.0, |other| other[lane]);
                        to.add(lane).write(y + of(add) + of(table));
                    }
                }
            }
        }
    }
}
