//! Norms of tokens, and statistics of a whole tensor.

use rayon::prelude::*;

use crate::buffer::Shared;
use crate::isa::Isa;
use crate::math::{Moments, sums};
use crate::simd::{Simd, Task};

/// Numbers that are summed in one go, whatever the number of threads.
const PIECE: usize = 1 << 14;
/// Rows of one thread's work.
const ROWS: usize = 32;

/// Mean and unbiased deviation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Statistics {
    pub mean: f64,
    pub deviation: f64,
}

/// Computes mean and unbiased deviation of numbers.
pub fn statistics(isa: Isa, x: &[f32]) -> Statistics {
    let [sum, squares] = sums_of_all(isa, x);
    let count = x.len() as f64;
    let mean = sum / count;
    let variance = (squares - sum * mean).max(0.0) / (count - 1.0);
    Statistics {
        mean,
        deviation: variance.sqrt(),
    }
}

/// Returns the sum of numbers and that of their squares.
fn sums_of_all(isa: Isa, x: &[f32]) -> [f64; 2] {
    let pieces: Vec<[f64; 2]> = x
        .par_chunks(PIECE)
        .map(|x| {
            let mut sums = [0.0; 2];
            isa.run(Sum { x, sums: &mut sums });
            sums
        })
        .collect();
    let add = |a: [f64; 2], b: &[f64; 2]| [a[0] + b[0], a[1] + b[1]];
    pieces.iter().fold([0.0; 2], add)
}

struct Sum<'a> {
    x: &'a [f32],
    sums: &'a mut [f64; 2],
}

impl Task for Sum<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        *self.sums = sums(self.x);
    }
}

/// Constant that HTDemucs adds to the deviation of its input.
const EPSILON: f64 = 1e-5;

/// Standardises numbers: (x - mean) / (deviation + 1e-5).
pub fn standardise(x: &mut [f32], statistics: Statistics) {
    let factor = (statistics.deviation + EPSILON).recip();
    x.par_chunks_mut(PIECE).for_each(|x| {
        for x in x {
            *x = ((f64::from(*x) - statistics.mean) * factor) as f32;
        }
    });
}

/// Gain and shift for each channel.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Affine {
    pub gain: Vec<f32>,
    pub shift: Vec<f32>,
}

/// Norm of every row of `channels` numbers, without gain and shift.
pub fn layer_norm(isa: Isa, channels: usize, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len());
    let blocks = y.par_chunks_mut(ROWS * channels);
    blocks
        .zip(x.par_chunks(ROWS * channels))
        .for_each(|(y, x)| {
            isa.run(Rows {
                channels,
                x,
                first: First::None,
                affine: None,
                add: None,
                output: None,
                normalised: Some(y),
            });
        });
}

/// Adds `positions` to `x`, after a norm of every row if there is one, and writes the sum and the
/// sum's norm.
pub fn embed(
    isa: Isa,
    norm: Option<&Affine>,
    positions: &[f32],
    channels: usize,
    x: &[f32],
    [output, normalised]: [&mut [f32]; 2],
) {
    assert!(x.len() == positions.len() && x.len() == output.len());
    assert_eq!(x.len(), normalised.len());
    let block = ROWS * channels;
    let outputs = output
        .par_chunks_mut(block)
        .zip(normalised.par_chunks_mut(block));
    let inputs = x.par_chunks(block).zip(positions.par_chunks(block));
    outputs
        .zip(inputs)
        .for_each(|((output, normalised), (x, positions))| {
            isa.run(Rows {
                channels,
                x,
                first: if norm.is_some() {
                    First::Row
                } else {
                    First::None
                },
                affine: norm,
                add: Some(positions),
                output: Some(output),
                normalised: Some(normalised),
            });
        });
}

/// Norm over all of `x`, with gain and shift, and a sum after it if there is one. Writes that, and
/// the norm of every row of it if that is asked for.
pub fn group_norm(
    isa: Isa,
    affine: &Affine,
    x: &[f32],
    add: Option<&[f32]>,
    output: &mut [f32],
    normalised: Option<&mut [f32]>,
) {
    let channels = affine.gain.len();
    let moments = Moments::of(sums_of_all(isa, x), x.len());
    assert!(x.len() == output.len() && add.is_none_or(|add| add.len() == x.len()));
    assert!(normalised.as_ref().is_none_or(|n| n.len() == x.len()));

    let block = ROWS * channels;
    let normalised = normalised.map(Shared::new);
    let outputs = output.par_chunks_mut(block).zip(x.par_chunks(block));
    outputs.enumerate().for_each(|(index, (output, x))| {
        let at = index * block;
        isa.run(Rows {
            channels,
            x,
            first: First::Given(moments),
            affine: Some(affine),
            add: add.map(|add| &add[at..at + x.len()]),
            output: Some(output),
            // SAFETY: every block has its own part.
            normalised: normalised.map(|shared| unsafe { shared.part(at, x.len()) }),
        });
    });
}

/// Norm that comes first.
#[derive(Clone, Copy)]
enum First {
    None,
    /// By the moments of each row.
    Row,
    /// By these moments.
    Given(Moments),
}

/// Norm, gain, shift and sum of some rows, and the norm of the result.
struct Rows<'a> {
    channels: usize,
    x: &'a [f32],
    first: First,
    affine: Option<&'a Affine>,
    add: Option<&'a [f32]>,
    output: Option<&'a mut [f32]>,
    normalised: Option<&'a mut [f32]>,
}

impl Task for Rows<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, _: S) {
        let channels = self.channels;
        let mut row = vec![0.0; channels];
        for (index, x) in self.x.chunks_exact(channels).enumerate() {
            let place = index * channels..(index + 1) * channels;
            let moments = match self.first {
                First::None => None,
                First::Row => Some(Moments::of(sums(x), channels)),
                First::Given(moments) => Some(moments),
            };
            match moments {
                None => row.copy_from_slice(x),
                Some(moments) => normalise(x, moments, &mut row),
            }
            if let Some(Affine { gain, shift }) = self.affine {
                for ((x, gain), shift) in row.iter_mut().zip(gain).zip(shift) {
                    *x = *x * gain + shift;
                }
            }
            if let Some(add) = self.add {
                for (x, add) in row.iter_mut().zip(&add[place.clone()]) {
                    *x += add;
                }
            }

            if let Some(output) = &mut self.output {
                output[place.clone()].copy_from_slice(&row);
            }
            if let Some(normalised) = &mut self.normalised {
                let moments = Moments::of(sums(&row), channels);
                normalise(&row, moments, &mut normalised[place]);
            }
        }
    }
}

#[inline(always)]
fn normalise(x: &[f32], Moments { mean, factor }: Moments, y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = ((f64::from(x) - mean) * factor) as f32;
    }
}
