//! Residual branches along the sequences of a tensor (`demucs.demucs.DConv`).
//!
//! A layer is x + scale GLU(norm(conv2(GELU(norm(conv1(x)))))), and both norms go over a sequence.
//! The widest tensor, conv2's, is never stored: it is computed once for its moments and once again
//! for its values, block by block, in the cache. A sequence of the frequency branch passes all
//! layers on one thread; where there are few sequences, all threads share the blocks.

use rayon::prelude::*;

use crate::buffer::{Buffer, Scratch, Shared};
use crate::isa::Isa;
use crate::math::{Moments, gelu, logistic, sums};
use crate::product::{Dense, multiply_rows};
use crate::shape::Shape;
use crate::simd::{Simd, Task};

/// Positions of a block, a multiple of a tile's rows.
const BLOCK: usize = 96;
/// Number of sequences from which on each sequence is the work of one thread.
const MANY: usize = 16;

/// Weights of one layer.
#[derive(Clone, Copy, Debug)]
pub struct DConvLayer<'a> {
    /// Distance of conv1's taps.
    pub dilation: usize,
    /// conv1: [hidden, 3 taps, channels], [hidden].
    pub conv1: [&'a [f32]; 2],
    /// Gain and shift of the first norm, [hidden] each.
    pub norm1: [&'a [f32]; 2],
    /// conv2: [2 channels, hidden], [2 channels].
    pub conv2: [&'a [f32]; 2],
    /// Gain and shift of the second norm, [2 channels] each.
    pub norm2: [&'a [f32]; 2],
    /// LayerScale, [channels].
    pub scale: &'a [f32],
}

/// Residual branches of a tensor, in place.
#[derive(Clone, Debug)]
pub struct DConv {
    isa: Isa,
    shape: Shape,
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
struct Layer {
    dilation: usize,
    hidden: usize,
    conv1: Dense,
    /// [hidden with zeros up to whole vectors] each.
    norm1: [Vec<f32>; 2],
    conv2: Dense,
    /// Gain and shift of values and gates, [channels with zeros up to whole vectors] each.
    norm2: [[Vec<f32>; 2]; 2],
    scale: Vec<f32>,
}

/// Returns `numbers` with zeros up to a multiple of `lanes`.
fn padded(numbers: &[f32], lanes: usize) -> Vec<f32> {
    let mut padded = numbers.to_vec();
    padded.resize(numbers.len().next_multiple_of(lanes), 0.0);
    padded
}

impl DConv {
    /// Makes the branches of a tensor of `shape`.
    pub fn new(isa: Isa, shape: Shape, layers: &[DConvLayer<'_>]) -> Self {
        Self {
            isa,
            shape,
            layers: layers.iter().map(|of| Layer::new(isa, shape, of)).collect(),
        }
    }

    /// Returns the number of products of two numbers.
    pub fn products(&self) -> u64 {
        let channels = self.shape.channels;
        let hidden: usize = self.layers.iter().map(|layer| layer.hidden).sum();
        (self.shape.rows() * hidden * 5 * channels) as u64
    }

    /// Adds the branches to `x`.
    pub fn run(&self, x: &mut [f32]) {
        assert_eq!(x.len(), self.shape.len());
        if self.shape.sequences >= MANY {
            self.run_by_sequence(x);
        } else {
            self.run_by_block(x);
        }
    }

    fn run_by_sequence(&self, x: &mut [f32]) {
        let sequences = x.par_chunks_mut(self.shape.positions * self.shape.channels);
        sequences.for_each(|x| {
            for layer in &self.layers {
                let mut hidden = Scratch::take(self.shape.positions * layer.conv1.width);
                let x = Shared::new(x);
                let hidden = Shared::new(&mut hidden);
                let mut inner = [0.0; 2];
                let mut outer = [0.0; 2];
                self.each_block(0, |block| {
                    block.widen(self.isa, layer, x, hidden, &mut inner);
                });
                let inner = self.moments(inner, layer.hidden);
                self.each_block(0, |block| {
                    block.measure(self.isa, layer, hidden, inner, &mut outer);
                });
                let outer = self.moments(outer, 2 * self.shape.channels);
                self.each_block(0, |block| block.add(self.isa, layer, x, hidden, outer));
            }
        });
    }

    fn run_by_block(&self, x: &mut [f32]) {
        let Shape {
            sequences,
            positions,
            channels,
        } = self.shape;
        let x = Shared::new(x);
        let each = positions.div_ceil(BLOCK);
        let blocks = |work: &(dyn Fn(Positions) -> [f64; 2] + Sync)| -> Vec<[f64; 2]> {
            let tasks = (0..sequences * each).into_par_iter();
            let sums: Vec<[f64; 2]> = tasks
                .map(|task| work(self.block(task / each, task % each)))
                .collect();
            let add = |a: [f64; 2], b: &[f64; 2]| [a[0] + b[0], a[1] + b[1]];
            sums.chunks(each)
                .map(|sums| sums.iter().fold([0.0; 2], add))
                .collect()
        };

        for layer in &self.layers {
            let mut hidden = Buffer::zeros(sequences * positions * layer.conv1.width);
            let hidden = Shared::new(&mut hidden);
            let inner = blocks(&|block| {
                let mut sums = [0.0; 2];
                block.widen(self.isa, layer, x, hidden, &mut sums);
                sums
            });
            let outer = blocks(&|block| {
                let mut sums = [0.0; 2];
                let moments = self.moments(inner[block.sequence], layer.hidden);
                block.measure(self.isa, layer, hidden, moments, &mut sums);
                sums
            });
            blocks(&|block| {
                let moments = self.moments(outer[block.sequence], 2 * channels);
                block.add(self.isa, layer, x, hidden, moments);
                [0.0; 2]
            });
        }
    }

    fn moments(&self, sums: [f64; 2], channels: usize) -> Moments {
        Moments::of(sums, self.shape.positions * channels)
    }

    fn block(&self, sequence: usize, index: usize) -> Positions {
        let first = index * BLOCK;
        Positions {
            shape: self.shape,
            sequence,
            first,
            count: BLOCK.min(self.shape.positions - first),
        }
    }

    fn each_block(&self, sequence: usize, mut work: impl FnMut(Positions)) {
        for index in 0..self.shape.positions.div_ceil(BLOCK) {
            work(self.block(sequence, index));
        }
    }
}

impl Layer {
    fn new(isa: Isa, shape: Shape, of: &DConvLayer<'_>) -> Self {
        let widths = isa.widths();
        let lanes = widths.lanes;
        let channels = shape.channels;
        let hidden = of.norm1[0].len();
        let wide = channels.next_multiple_of(lanes);
        let narrow = hidden.next_multiple_of(lanes);

        let conv1 =
            |output: usize, tap: usize, k: usize| of.conv1[0][(output * 3 + tap) * channels + k];
        // Gates begin at a whole vector, and zeros of the hidden channels meet zeros.
        let channel = |output: usize| {
            let (half, channel) = (output / wide, output % wide);
            (channel < channels).then_some(half * channels + channel)
        };
        let conv2 = |output: usize, _: usize, k: usize| {
            let channel = channel(output).filter(|_| k < hidden);
            channel.map_or(0.0, |channel| of.conv2[0][channel * hidden + k])
        };
        let bias2: Vec<f32> = (0..2 * wide)
            .map(|output| channel(output).map_or(0.0, |channel| of.conv2[1][channel]))
            .collect();
        let half = |half: usize| {
            of.norm2
                .map(|numbers| padded(&numbers[half * channels..(half + 1) * channels], lanes))
        };

        Self {
            dilation: of.dilation,
            hidden,
            conv1: Dense::new(widths, [hidden, 3, channels], conv1, of.conv1[1]),
            norm1: of.norm1.map(|numbers| padded(numbers, lanes)),
            conv2: Dense::new(widths, [2 * wide, 1, narrow], conv2, &bias2),
            norm2: [half(0), half(1)],
            scale: padded(of.scale, lanes),
        }
    }
}

/// Some positions of a sequence.
#[derive(Clone, Copy)]
struct Positions {
    shape: Shape,
    sequence: usize,
    first: usize,
    count: usize,
}

impl Positions {
    /// Returns the number of the first row in the tensor.
    fn row(self) -> usize {
        self.sequence * self.shape.positions + self.first
    }

    /// Computes conv1 of `x` to `hidden` and adds to the sums of it.
    fn widen(self, isa: Isa, layer: &Layer, x: Shared, hidden: Shared, sums: &mut [f64; 2]) {
        isa.run(Widen {
            block: self,
            layer,
            x,
            hidden,
            sums,
        });
    }

    /// Turns `hidden` into GELU of its norm and adds to the sums of conv2 of it.
    fn measure(
        self,
        isa: Isa,
        layer: &Layer,
        hidden: Shared,
        moments: Moments,
        sums: &mut [f64; 2],
    ) {
        isa.run(Measure {
            block: self,
            layer,
            hidden,
            moments,
            sums,
        });
    }

    /// Adds the layer's result to `x`.
    fn add(self, isa: Isa, layer: &Layer, x: Shared, hidden: Shared, moments: Moments) {
        isa.run(Add {
            block: self,
            layer,
            x,
            hidden,
            moments,
        });
    }
}

struct Widen<'a> {
    block: Positions,
    layer: &'a Layer,
    x: Shared,
    hidden: Shared,
    sums: &'a mut [f64; 2],
}

impl Task for Widen<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Positions {
            shape,
            sequence,
            first,
            count,
        } = self.block;
        let (channels, width) = (shape.channels, self.layer.conv1.width);
        let input = |row: usize, tap: usize| {
            let shift = (tap as isize - 1) * self.layer.dilation as isize;
            let position = (first + row).wrapping_add_signed(shift);
            (position < shape.positions).then(|| {
                let at = (sequence * shape.positions + position) * channels;
                // SAFETY: nobody writes `x` while layers read it.
                unsafe { &*self.x.part(at, channels) }
            })
        };
        // SAFETY: every block has its own part.
        let hidden = unsafe { self.hidden.part(self.block.row() * width, count * width) };
        let mut pointers = Vec::new();
        multiply_rows(simd, &self.layer.conv1, count, input, hidden, &mut pointers);
        let [sum, squares] = sums(hidden);
        self.sums[0] += sum;
        self.sums[1] += squares;
    }
}

/// Computes conv2 of some rows of `hidden`: [count, 2 wide].
#[inline(always)]
fn conv2<S: Simd>(
    simd: S,
    layer: &Layer,
    hidden: &[f32],
    wide: &mut [f32],
    pointers: &mut Vec<*const f32>,
) {
    let width = layer.conv1.width;
    let input = |row: usize, _| Some(&hidden[row * width..(row + 1) * width]);
    let count = hidden.len() / width;
    multiply_rows(simd, &layer.conv2, count, input, wide, pointers);
}

struct Measure<'a> {
    block: Positions,
    layer: &'a Layer,
    hidden: Shared,
    moments: Moments,
    sums: &'a mut [f64; 2],
}

impl Task for Measure<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.layer.conv1.width;
        let count = self.block.count;
        // SAFETY: every block has its own part.
        let hidden = unsafe { self.hidden.part(self.block.row() * width, count * width) };
        let [gain, shift] = factors(&self.layer.norm1, self.moments);
        for row in hidden.chunks_exact_mut(width) {
            for at in (0..width).step_by(S::LANES) {
                // SAFETY: rows, gains and shifts are whole vectors.
                unsafe {
                    let x = simd.load(row[at..].as_ptr());
                    let gain = simd.load(gain[at..].as_ptr());
                    let shift = simd.load(shift[at..].as_ptr());
                    let y = gelu(simd, simd.mul_add(x, gain, shift));
                    simd.store(row[at..].as_mut_ptr(), y);
                }
            }
        }

        let size = self.layer.conv2.width;
        let mut wide = Scratch::take(count * size);
        conv2(simd, self.layer, hidden, &mut wide, &mut Vec::new());
        let [sum, squares] = sums(&wide);
        self.sums[0] += sum;
        self.sums[1] += squares;
    }
}

/// Joins moments with gain and shift: y = x gain + shift.
#[inline(always)]
fn factors([gain, shift]: &[Vec<f32>; 2], moments: Moments) -> [Vec<f32>; 2] {
    let gains: Vec<f64> = gain
        .iter()
        .map(|&gain| f64::from(gain) * moments.factor)
        .collect();
    let shifts = shift.iter().zip(&gains);
    let shift = shifts.map(|(&shift, gain)| (f64::from(shift) - gain * moments.mean) as f32);
    [
        gains.iter().map(|&gain| gain as f32).collect(),
        shift.collect(),
    ]
}

struct Add<'a> {
    block: Positions,
    layer: &'a Layer,
    x: Shared,
    hidden: Shared,
    moments: Moments,
}

impl Task for Add<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.layer.conv1.width;
        let channels = self.block.shape.channels;
        let count = self.block.count;
        // SAFETY: every block has its own part of both.
        let (hidden, x) = unsafe {
            (
                &*self.hidden.part(self.block.row() * width, count * width),
                self.x.part(self.block.row() * channels, count * channels),
            )
        };

        let size = self.layer.conv2.width;
        let values = factors(&self.layer.norm2[0], self.moments);
        let gates = factors(&self.layer.norm2[1], self.moments);
        let mut wide = Scratch::take(count * size);
        conv2(simd, self.layer, hidden, &mut wide, &mut Vec::new());
        for (x, wide) in x.chunks_exact_mut(channels).zip(wide.chunks_exact(size)) {
            let (value, gate) = wide.split_at(size / 2);
            for at in (0..channels).step_by(S::LANES) {
                // SAFETY: all but `x` are whole vectors.
                unsafe {
                    let affine = |y: &[f32], [gain, shift]: &[Vec<f32>; 2]| {
                        simd.mul_add(
                            simd.load(y[at..].as_ptr()),
                            simd.load(gain[at..].as_ptr()),
                            simd.load(shift[at..].as_ptr()),
                        )
                    };
                    let value = affine(value, &values);
                    let gate = logistic(simd, affine(gate, &gates));
                    let scale = simd.load(self.layer.scale[at..].as_ptr());
                    let y = simd.mul(simd.mul(value, gate), scale);
                    if at + S::LANES <= channels {
                        let to = x[at..].as_mut_ptr();
                        simd.store(to, simd.add(simd.load(to), y));
                    } else {
                        let mut numbers = [0.0; crate::simd::MOST_LANES];
                        simd.store(numbers.as_mut_ptr(), y);
                        for (x, y) in x[at..].iter_mut().zip(numbers) {
                            *x += y;
                        }
                    }
                }
            }
        }
    }
}
