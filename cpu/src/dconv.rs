//! Residual branches along the sequences of a tensor (`demucs.demucs.DConv`).
//!
//! A layer is x + scale GLU(norm(conv2(GELU(norm(conv1(x)))))), and both norms go over a sequence.
//! The widest tensor, conv2's, is never stored: its moments follow from sums over its input, and a
//! block of it is computed, normalised, gated and added in the cache. A sequence of the frequency
//! branch passes all layers on one thread; where there are few sequences, all threads share the
//! blocks.

use rayon::prelude::*;

use crate::buffer::{Buffer, Scratch, Shared};
use crate::isa::Isa;
use crate::math::{Moments, gelu, logistic, sums};
use crate::operands::ROWS;
use crate::product::{Dense, multiply_rows};
use crate::shape::Shape;
use crate::simd::{MOST_LANES, Simd, Task};

/// Positions of a block, a multiple of a tile's rows.
const BLOCK: usize = 96;
/// Number of sequences from which on each sequence is the work of one thread.
const MANY: usize = 16;

/// Weights of one layer.
#[derive(Clone, Copy, Debug)]
pub struct DConvLayer<'a> {
    /// Distance of conv1's taps.
    pub dilation: usize,
    /// conv1: `[hidden, 3 taps, channels]`, `[hidden]`.
    pub conv1: [&'a [f32]; 2],
    /// Gain and shift of the first norm, `[hidden]` each.
    pub norm1: [&'a [f32]; 2],
    /// conv2: [2 channels, hidden], [2 channels].
    pub conv2: [&'a [f32]; 2],
    /// Gain and shift of the second norm, [2 channels] each.
    pub norm2: [&'a [f32]; 2],
    /// LayerScale, `[channels]`.
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
    /// [hidden with zeros up to whole vectors]
    bias1: Vec<f32>,
    /// [hidden with zeros up to whole vectors] each.
    norm1: [Vec<f32>; 2],
    conv2: Dense,
    /// Biases of values and gates, as the gains.
    bias2: [Vec<f32>; 2],
    outer: Outer,
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
            let x = Shared::new(x);
            for layer in &self.layers {
                let mut hidden = Scratch::take(self.padded_positions() * layer.conv1.width);
                let hidden = Shared::new(&mut hidden);
                let mut inner = [0.0; 2];
                self.each_block(|block| block.widen(self.isa, layer, x, hidden, &mut inner));
                let inner = self.moments(inner, layer.hidden);

                let mut gram = layer.outer.gram();
                self.each_block(|block| {
                    block.measure(self.isa, layer, hidden, inner, &mut gram);
                });
                let outer = layer.outer.moments(&gram, self.shape);
                self.each_block(|block| block.add(self.isa, layer, x, hidden, outer));
            }
        });
    }

    fn run_by_block(&self, x: &mut [f32]) {
        let Shape {
            sequences,
            positions,
            ..
        } = self.shape;
        let x = Shared::new(x);
        let each = positions.div_ceil(BLOCK);
        let tasks = || (0..sequences * each).into_par_iter();
        let block = |task| self.block(task / each, task % each);

        for layer in &self.layers {
            let mut hidden = Buffer::zeros(sequences * self.padded_positions() * layer.conv1.width);
            let hidden = Shared::new(&mut hidden);
            let sums = tasks().map(|task| {
                let mut sums = [0.0; 2];
                block(task).widen(self.isa, layer, x, hidden, &mut sums);
                sums
            });
            let sums: Vec<[f64; 2]> = sums.collect();
            let add = |a: [f64; 2], b: &[f64; 2]| [a[0] + b[0], a[1] + b[1]];
            let of_sequence = |sums: &[[f64; 2]]| sums.iter().fold([0.0; 2], add);
            let inner: Vec<Moments> = sums
                .chunks(each)
                .map(|sums| self.moments(of_sequence(sums), layer.hidden))
                .collect();

            let grams = tasks().map(|task| {
                let mut gram = layer.outer.gram();
                block(task).measure(self.isa, layer, hidden, inner[task / each], &mut gram);
                gram
            });
            let grams: Vec<Vec<f64>> = grams.collect();
            let of_sequence = |grams: &[Vec<f64>]| {
                let mut sum = layer.outer.gram();
                for gram in grams {
                    sum.iter_mut().zip(gram).for_each(|(sum, x)| *sum += x);
                }
                layer.outer.moments(&sum, self.shape)
            };
            let outer: Vec<Moments> = grams.chunks(each).map(of_sequence).collect();

            tasks().for_each(|task| {
                block(task).add(self.isa, layer, x, hidden, outer[task / each]);
            });
        }
    }

    /// Returns the number of positions of a sequence in whole strips.
    fn padded_positions(&self) -> usize {
        self.shape.positions.next_multiple_of(ROWS)
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

    /// Gives `work` the blocks of a sequence that is alone in its tensor.
    fn each_block(&self, mut work: impl FnMut(Positions)) {
        for index in 0..self.shape.positions.div_ceil(BLOCK) {
            work(self.block(0, index));
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
        let half = |numbers: &[f32], half: usize| {
            padded(&numbers[half * channels..(half + 1) * channels], lanes)
        };

        Self {
            dilation: of.dilation,
            hidden,
            conv1: Dense::new(widths, [hidden, 3, channels], conv1),
            bias1: padded(of.conv1[1], lanes),
            norm1: of.norm1.map(|numbers| padded(numbers, lanes)),
            conv2: Dense::new(widths, [2 * wide, 1, narrow], conv2),
            bias2: [0, 1].map(|of_gates| half(of.conv2[1], of_gates)),
            outer: Outer::new(of.conv2, hidden, narrow),
            norm2: [0, 1].map(|of_gates| of.norm2.map(|numbers| half(numbers, of_gates))),
            scale: padded(of.scale, lanes),
        }
    }
}

/// Moments of conv2's result from sums over its input, which is a sixteenth as wide or so: the sum
/// of a row's results is a linear function of the row, and that of their squares a quadratic one.
#[derive(Clone, Debug)]
struct Outer {
    /// Factors of the sums of the results: [width], the hidden channels with zeros up to whole
    /// vectors.
    linear: Vec<f64>,
    constant: f64,
    /// Factors of the sums of the squares: those of the sums [width] and of the products [width,
    /// width].
    squares: Vec<f64>,
    squares_constant: f64,
}

impl Outer {
    fn new([weight, bias]: [&[f32]; 2], hidden: usize, width: usize) -> Self {
        let mut outer = Self {
            linear: vec![0.0; width],
            constant: bias.iter().map(|&b| f64::from(b)).sum(),
            squares: vec![0.0; width + width * width],
            squares_constant: bias.iter().map(|&b| f64::from(b) * f64::from(b)).sum(),
        };
        for (row, &bias) in weight.chunks_exact(hidden).zip(bias) {
            for (k, &a) in row.iter().enumerate() {
                let a = f64::from(a);
                outer.linear[k] += a;
                outer.squares[k] += 2.0 * a * f64::from(bias);
                let products = &mut outer.squares[width * (1 + k)..];
                for (product, &b) in products.iter_mut().zip(row) {
                    *product += a * f64::from(b);
                }
            }
        }
        outer
    }

    /// Returns zeros for the sums over rows: [width] of the numbers, and [width, width] of their
    /// products.
    fn gram(&self) -> Vec<f64> {
        vec![0.0; self.squares.len()]
    }

    /// Returns the moments of the results, given the sums over a sequence of `shape`.
    fn moments(&self, gram: &[f64], shape: Shape) -> Moments {
        let product = |a: &[f64]| a.iter().zip(gram).map(|(a, b)| a * b).sum::<f64>();
        let rows = shape.positions as f64;
        let sum = product(&self.linear) + rows * self.constant;
        let squares = product(&self.squares) + rows * self.squares_constant;
        Moments::of([sum, squares], shape.positions * 2 * shape.channels)
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

    /// Returns the block's rows of `hidden`, in whole strips.
    ///
    /// # Safety
    /// Nobody else uses them meanwhile.
    unsafe fn hidden<'a>(self, hidden: Shared, width: usize) -> &'a mut [f32] {
        let row = self.sequence * self.shape.positions.next_multiple_of(ROWS) + self.first;
        let count = self.count.next_multiple_of(ROWS);
        // SAFETY: the caller's promise.
        unsafe { hidden.part(row * width, count * width) }
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

    /// Turns `hidden` into GELU of its norm and adds to the sums over its rows.
    fn measure(self, isa: Isa, layer: &Layer, hidden: Shared, moments: Moments, gram: &mut [f64]) {
        isa.run(Measure {
            block: self,
            layer,
            hidden,
            moments,
            gram,
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
        let hidden = unsafe { self.block.hidden(self.hidden, width) };
        multiply_rows(simd, &self.layer.conv1, count, input, hidden);

        let hidden = &mut hidden[..count * width];
        for row in hidden.chunks_exact_mut(width) {
            for (x, bias) in row.iter_mut().zip(&self.layer.bias1) {
                *x += bias;
            }
        }
        let [sum, squares] = sums(hidden);
        self.sums[0] += sum;
        self.sums[1] += squares;
    }
}

struct Measure<'a> {
    block: Positions,
    layer: &'a Layer,
    hidden: Shared,
    moments: Moments,
    gram: &'a mut [f64],
}

impl Task for Measure<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.layer.conv1.width;
        // SAFETY: every block has its own part.
        let hidden = unsafe { self.block.hidden(self.hidden, width) };
        let hidden = &mut hidden[..self.block.count * width];
        let [gain, shift] = factors(&self.layer.norm1, None, self.moments);
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

        let mut sums = Scratch::take(width + width * width);
        sums.fill(0.0);
        let (linear, products) = sums.split_at_mut(width);
        let (groups, rest) = hidden.split_at(hidden.len() / (GROUP * width) * GROUP * width);
        for rows in groups.chunks_exact(GROUP * width) {
            gram::<S, GROUP>(simd, rows, width, linear, products);
        }
        for row in rest.chunks_exact(width) {
            gram::<S, 1>(simd, row, width, linear, products);
        }
        for (sum, &x) in self.gram.iter_mut().zip(sums.iter()) {
            *sum += f64::from(x);
        }
    }
}

/// Rows whose products are summed at a time.
const GROUP: usize = 4;

/// Adds `N` rows to `linear` [width], and the products of their numbers to `products` [width,
/// width].
#[inline(always)]
fn gram<S: Simd, const N: usize>(
    simd: S,
    rows: &[f32],
    width: usize,
    linear: &mut [f32],
    products: &mut [f32],
) {
    assert!(rows.len() == N * width && linear.len() == width);
    assert_eq!(products.len(), width * width);
    for at in (0..width).step_by(S::LANES) {
        // SAFETY: rows and sums are whole vectors, and all places were just checked.
        unsafe {
            let numbers: [S::F; N] =
                std::array::from_fn(|row| simd.load(rows.as_ptr().add(row * width + at)));
            let to = linear.as_mut_ptr().add(at);
            let mut sum = simd.load(to);
            for x in numbers {
                sum = simd.add(sum, x);
            }
            simd.store(to, sum);

            for k in 0..width {
                let to = products.as_mut_ptr().add(k * width + at);
                let mut sum = simd.load(to);
                for (row, &x) in numbers.iter().enumerate() {
                    let factor = simd.splat(*rows.as_ptr().add(row * width + k));
                    sum = simd.mul_add(factor, x, sum);
                }
                simd.store(to, sum);
            }
        }
    }
}

/// Joins moments with gain and shift, and with a bias that comes before: y = x gain + shift.
#[inline(always)]
fn factors([gain, shift]: &[Vec<f32>; 2], bias: Option<&[f32]>, moments: Moments) -> [Vec<f32>; 2] {
    let gains: Vec<f64> = gain
        .iter()
        .map(|&gain| f64::from(gain) * moments.factor)
        .collect();
    let shift = shift
        .iter()
        .zip(&gains)
        .enumerate()
        .map(|(i, (&shift, gain))| {
            let bias = bias.map_or(0.0, |bias| f64::from(bias[i]));
            (f64::from(shift) + gain * (bias - moments.mean)) as f32
        });
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
                &*self.block.hidden(self.hidden, width),
                self.x.part(self.block.row() * channels, count * channels),
            )
        };

        let size = self.layer.conv2.width;
        let [values, gates] = [0, 1].map(|of_gates| {
            let bias = &self.layer.bias2[of_gates];
            factors(&self.layer.norm2[of_gates], Some(bias), self.moments)
        });
        let mut wide = Scratch::take(count.next_multiple_of(ROWS) * size);
        let input = |row: usize, _| Some(&hidden[row * width..(row + 1) * width]);
        multiply_rows(simd, &self.layer.conv2, count, input, &mut wide);
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
                        let mut numbers = [0.0; MOST_LANES];
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
