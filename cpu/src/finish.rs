//! Norm and activation apart from the product before them, where a layer of the encoder or decoder
//! has a norm of its own. No published model has one.

use rayon::prelude::*;

use crate::isa::Isa;
use crate::math::{Moments, gelu, logistic};
use crate::norm::Affine;
use crate::product::Activation;
use crate::shape::Shape;
use crate::simd::{MOST_LANES, Simd, Task};

/// Norm over all sequences and positions and a group of neighbouring channels
/// (`torch.nn.GroupNorm`).
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct GroupedNorm {
    pub groups: usize,
    pub affine: Affine,
}

/// Norm, activation, cut and sum.
#[derive(Clone, Debug)]
pub struct Finish {
    /// Instructions to use.
    pub isa: Isa,
    /// Shape of the input, with twice as many channels as the output for [`Activation::Glu`].
    pub input: Shape,
    /// Norm, if there is one.
    pub norm: Option<GroupedNorm>,
    /// Function of the normalised numbers.
    pub activation: Activation,
    /// First sequence and position that are kept.
    pub cut: [usize; 2],
    /// Table [sequences, channels] that is added after the activation.
    pub table: Option<Vec<f32>>,
    /// Shape of the output.
    pub output: Shape,
}

impl Finish {
    /// Computes `output` from `input`. `add`, of the output's shape, is added after the activation.
    pub fn run(&self, input: &[f32], add: Option<&[f32]>, output: &mut [f32]) {
        assert_eq!(input.len(), self.input.len(), "input");
        assert_eq!(output.len(), self.output.len(), "output");
        assert!(add.is_none_or(|add| add.len() == output.len()), "sum");

        let moments = self.moments(input);
        let row = self.output.positions * self.output.channels;
        output
            .par_chunks_mut(row)
            .enumerate()
            .for_each(|(sequence, output)| {
                let from = (sequence + self.cut[0]) * self.input.positions + self.cut[1];
                self.isa.run(Sequence {
                    finish: self,
                    moments: &moments,
                    input: &input[from * self.input.channels..],
                    add: add.map(|add| &add[sequence * row..(sequence + 1) * row]),
                    table: self.table.as_ref().map(|table| {
                        let channels = self.output.channels;
                        &table[sequence * channels..(sequence + 1) * channels]
                    }),
                    output,
                });
            });
    }

    /// Returns the moments of each group of channels.
    fn moments(&self, input: &[f32]) -> Vec<Moments> {
        let Some(norm) = &self.norm else {
            return Vec::new();
        };
        let channels = self.input.channels;
        let width = channels / norm.groups;
        let sequences = input.par_chunks(self.input.positions * channels);
        let of_sequence = |x: &[f32]| {
            let mut sums = vec![[0.0; 2]; norm.groups];
            for row in x.chunks_exact(channels) {
                for (sums, numbers) in sums.iter_mut().zip(row.chunks_exact(width)) {
                    for &x in numbers {
                        let x = f64::from(x);
                        sums[0] += x;
                        sums[1] += x * x;
                    }
                }
            }
            sums
        };
        let sums: Vec<Vec<[f64; 2]>> = sequences.map(of_sequence).collect();

        let count = self.input.rows() * width;
        let of_group = |group: usize| {
            let add = |a: [f64; 2], b: &Vec<[f64; 2]>| [a[0] + b[group][0], a[1] + b[group][1]];
            Moments::of(sums.iter().fold([0.0; 2], add), count)
        };
        (0..norm.groups).map(of_group).collect()
    }
}

/// One sequence of the output.
struct Sequence<'a> {
    finish: &'a Finish,
    moments: &'a [Moments],
    /// Numbers from the sequence's first on.
    input: &'a [f32],
    add: Option<&'a [f32]>,
    table: Option<&'a [f32]>,
    output: &'a mut [f32],
}

impl Task for Sequence<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Finish {
            input: Shape { channels, .. },
            norm,
            activation,
            output: Shape {
                channels: outputs, ..
            },
            ..
        } = self.finish;

        // Room for whole vectors of values and of gates.
        let half = outputs.next_multiple_of(S::LANES);
        let mut row = vec![0.0; 2 * half];
        let rows = self.output.chunks_exact_mut(*outputs).enumerate();
        for (position, to) in rows {
            let x = &self.input[position * channels..(position + 1) * channels];
            let place = |channel: usize| channel / outputs * half + channel % outputs;
            for (channel, &x) in x.iter().enumerate() {
                row[place(channel)] = match norm {
                    None => x,
                    Some(norm) => {
                        let moments = self.moments[channel / (channels / norm.groups)];
                        let x = (f64::from(x) - moments.mean) * moments.factor;
                        x as f32 * norm.affine.gain[channel] + norm.affine.shift[channel]
                    }
                };
            }

            for at in (0..*outputs).step_by(S::LANES) {
                let mut numbers = [0.0; MOST_LANES];
                // SAFETY: the row has room for whole vectors of values and of gates.
                unsafe {
                    let x = simd.load(row[at..].as_ptr());
                    let y = match activation {
                        Activation::None => x,
                        Activation::Gelu => gelu(simd, x),
                        Activation::Relu => simd.max(x, simd.splat(0.0)),
                        Activation::Glu => {
                            let gate = simd.load(row[half + at..].as_ptr());
                            simd.mul(x, logistic(simd, gate))
                        }
                    };
                    simd.store(numbers.as_mut_ptr(), y);
                }
                for (lane, to) in to[at..].iter_mut().take(S::LANES).enumerate() {
                    let add = self
                        .add
                        .map_or(0.0, |add| add[position * outputs + at + lane]);
                    let table = self.table.map_or(0.0, |table| table[at + lane]);
                    *to = numbers[lane] + add + table;
                }
            }
        }
    }
}
