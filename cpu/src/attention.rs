//! Attention, some queries of a head at a time, with the softmax in blocks that stay in the cache.
//!
//! For every block of keys, six queries' scores are computed, turned into weights and multiplied by
//! the values at once. The weights are relative to the largest score so far; when a block has a
//! larger one, the sums of the blocks before it are scaled down (Milakov and Gimelshein 2018,
//! "Online normalizer calculation for softmax").

use std::ops::Range;

use rayon::prelude::*;

use crate::buffer::{Buffer, Scratch, Shared};
use crate::isa::{Isa, Widths};
use crate::math::decay;
use crate::operands::{Operands, Piece, ROWS, pieces};
use crate::simd::{MOST_LANES, Simd, Task};

/// Queries of one thread's work.
const QUERIES: usize = 16 * ROWS;
/// Keys of a block: they and their values stay in the second cache.
const KEYS: usize = 256;

/// Channels of a tensor's rows, from `first` on.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// [rows, channels]
    pub data: &'a [f32],
    /// Channels of a row.
    pub channels: usize,
    /// First channel that is meant.
    pub first: usize,
}

impl<'a> Columns<'a> {
    fn rows(self) -> usize {
        self.data.len() / self.channels
    }

    fn at(self, row: usize, column: usize, count: usize) -> &'a [f32] {
        let at = row * self.channels + self.first + column;
        &self.data[at..at + count]
    }
}

/// softmax(query key') value for each head. The factor 1 / sqrt(channels of a head) is part of the
/// queries.
#[derive(Clone, Debug)]
pub struct Attention {
    isa: Isa,
    heads: usize,
    /// Channels of a head.
    width: usize,
}

impl Attention {
    /// Makes attention of `heads` heads of `width` channels each.
    pub fn new(isa: Isa, heads: usize, width: usize) -> Self {
        Self { isa, heads, width }
    }

    /// Computes `output` [queries, heads, width].
    pub fn run(
        &self,
        query: Columns<'_>,
        key: Columns<'_>,
        value: Columns<'_>,
        output: &mut [f32],
    ) {
        let channels = self.heads * self.width;
        assert_eq!(output.len(), query.rows() * channels);
        let packing = Packing::new(self.isa.widths(), self.width, key.rows());
        let mut keys = Buffer::zeros(self.heads * packing.keys());
        let mut values = Buffer::zeros(self.heads * packing.values());
        let parts = keys
            .par_chunks_mut(packing.keys())
            .zip(values.par_chunks_mut(packing.values()));
        parts.enumerate().for_each(|(head, (keys, values))| {
            packing.pack(head, key, value, keys, values);
        });

        let output = Shared::new(output);
        let blocks = query.rows().div_ceil(QUERIES);
        let tasks = (0..self.heads * blocks).into_par_iter();
        tasks.for_each(|task| {
            let (head, block) = (task / blocks, task % blocks);
            self.isa.run(Block {
                packing: &packing,
                query,
                first: block * QUERIES,
                head,
                keys: &keys[head * packing.keys()..][..packing.keys()],
                values: &values[head * packing.values()..][..packing.values()],
                output,
                channels,
            });
        });
    }
}

/// Order of a head's keys and values.
struct Packing {
    widths: Widths,
    /// Channels of a head.
    width: usize,
    /// Number of keys.
    count: usize,
    /// Vectors of each panel of values, with the first number of each.
    panels: Vec<(usize, usize)>,
    /// Pieces of a score.
    scores: Vec<Piece>,
}

impl Packing {
    fn new(widths: Widths, width: usize, count: usize) -> Self {
        let vectors = width.div_ceil(widths.lanes);
        let number = vectors.div_ceil(widths.vectors);
        let bound = |panel: usize| vectors * panel / number;
        let panels = (0..number).map(|panel| {
            let vectors = bound(panel + 1) - bound(panel);
            (vectors, bound(panel) * widths.lanes)
        });
        Self {
            widths,
            width,
            count,
            panels: panels.collect(),
            scores: pieces(1, width),
        }
    }

    /// Keys of a panel.
    fn panel(&self) -> usize {
        self.widths.lanes * self.widths.vectors
    }

    /// Number of numbers of a head's keys: [panels, width, keys of a panel].
    fn keys(&self) -> usize {
        self.count.next_multiple_of(self.panel()) * self.width
    }

    /// Number of numbers of a head's values: [panels][keys, vectors, lanes].
    fn values(&self) -> usize {
        self.count * self.width.next_multiple_of(self.widths.lanes)
    }

    fn pack(
        &self,
        head: usize,
        key: Columns<'_>,
        value: Columns<'_>,
        keys: &mut [f32],
        values: &mut [f32],
    ) {
        let panel = self.panel();
        let column = head * self.width;
        for row in 0..self.count {
            let to = &mut keys[row / panel * panel * self.width..];
            let from = key.at(row, column, self.width);
            for (i, &x) in from.iter().enumerate() {
                to[i * panel + row % panel] = x;
            }

            let from = value.at(row, column, self.width);
            for &(vectors, first) in &self.panels {
                let stride = vectors * self.widths.lanes;
                let count = stride.min(self.width - first);
                let to = first * self.count + row * stride;
                values[to..to + count].copy_from_slice(&from[first..first + count]);
            }
        }
    }
}

/// Some queries of a head.
struct Block<'a> {
    packing: &'a Packing,
    query: Columns<'a>,
    /// First query.
    first: usize,
    head: usize,
    keys: &'a [f32],
    values: &'a [f32],
    output: Shared,
    channels: usize,
}

/// Softmax of a query so far.
#[derive(Clone, Copy)]
struct Softmax {
    largest: f32,
    sum: f32,
}

impl Softmax {
    /// Softmax of no keys at all.
    const EMPTY: Self = Self {
        largest: f32::NEG_INFINITY,
        sum: 0.0,
    };
}

impl Task for Block<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let wide = self.packing.width.next_multiple_of(S::LANES);
        let stride = KEYS.next_multiple_of(S::LANES * S::VECTORS);
        let mut softmax = [Softmax::EMPTY; QUERIES];

        let mut scratch = Scratch::take(ROWS * stride + ROWS * wide + QUERIES * wide);
        let (weights, rest) = scratch.split_at_mut(ROWS * stride);
        let (products, sums) = rest.split_at_mut(ROWS * wide);
        sums.fill(0.0);

        for start in (0..self.packing.count).step_by(KEYS) {
            let keys = KEYS.min(self.packing.count - start);
            let summed = pieces(1, keys);

            for strip in 0..self.queries().div_ceil(ROWS) {
                self.score(simd, strip, start..start + keys, weights, stride);

                let softmax = &mut softmax[strip * ROWS..][..ROWS];
                let factors = update(simd, softmax, weights, stride, keys);

                self.weigh(simd, start, &summed[0], weights, stride, products);
                let sums = &mut sums[strip * ROWS * wide..][..ROWS * wide];
                accumulate(sums, products, factors, wide);
            }
        }
        self.write(&softmax, sums, wide);
    }
}

impl Block<'_> {
    /// Number of queries.
    #[inline(always)]
    fn queries(&self) -> usize {
        QUERIES.min(self.query.rows() - self.first)
    }

    /// First of the head's columns.
    #[inline(always)]
    fn column(&self) -> usize {
        self.head * self.packing.width
    }

    /// Computes a strip's scores [queries, `stride`] for some keys. Queries beyond the last one
    /// repeat it, and nobody reads their sums.
    #[inline(always)]
    fn score<S: Simd>(
        &self,
        simd: S,
        strip: usize,
        keys: Range<usize>,
        scores: &mut [f32],
        stride: usize,
    ) {
        let width = self.packing.width;
        let panel = S::LANES * S::VECTORS;
        let last = self.queries() - 1;
        let rows: [*const f32; ROWS] = std::array::from_fn(|i| {
            let query = self.first + (strip * ROWS + i).min(last);
            self.query.at(query, self.column(), width).as_ptr()
        });

        for first in (0..keys.len()).step_by(panel) {
            let keys = &self.keys[(keys.start + first) * width..];
            for (index, piece) in self.packing.scores.iter().enumerate() {
                let operands = Operands {
                    piece,
                    rows: rows.as_ptr(),
                    panel: keys[piece.start * panel..].as_ptr(),
                    sums: scores[first..].as_mut_ptr(),
                    stride,
                    add: index > 0,
                };
                // SAFETY: the rows have `width` numbers, a panel has as many rows, and the scores
                // have a whole number of panels.
                unsafe { simd.tile(S::VECTORS, operands) };
            }
        }
    }

    /// Multiplies a strip's weights [queries, `stride`] by the values from key `start` on: products
    /// [queries, whole vectors of a head]. All of the keys are one `piece`.
    #[inline(always)]
    fn weigh<S: Simd>(
        &self,
        simd: S,
        start: usize,
        piece: &Piece,
        weights: &[f32],
        stride: usize,
        products: &mut [f32],
    ) {
        let rows: [*const f32; ROWS] = std::array::from_fn(|i| weights[i * stride..].as_ptr());
        for &(vectors, first) in &self.packing.panels {
            let from = first * self.packing.count + start * vectors * S::LANES;
            let operands = Operands {
                piece,
                rows: rows.as_ptr(),
                panel: self.values[from..].as_ptr(),
                sums: products[first..].as_mut_ptr(),
                stride: self.packing.width.next_multiple_of(S::LANES),
                add: false,
            };
            // SAFETY: the rows have a weight for every key of the piece, the panel has as many
            // rows, and the products have room for all vectors.
            unsafe { simd.tile(vectors, operands) };
        }
    }

    /// Divides the sums [queries, `wide`] by those of the weights, and writes them.
    #[inline(always)]
    fn write(&self, softmax: &[Softmax], sums: &[f32], wide: usize) {
        let rows = softmax.iter().zip(sums.chunks_exact(wide));
        for (query, (softmax, sums)) in rows.take(self.queries()).enumerate() {
            let at = (self.first + query) * self.channels + self.column();
            // SAFETY: every head of a query has its own part.
            let to = unsafe { self.output.part(at, self.packing.width) };
            let factor = softmax.sum.recip();
            for (to, sum) in to.iter_mut().zip(sums) {
                *to = sum * factor;
            }
        }
    }
}

/// Adds `products` to `sums`, both [queries, `wide`], after scaling the sums by `factors`.
#[inline(always)]
fn accumulate(sums: &mut [f32], products: &[f32], factors: [f32; ROWS], wide: usize) {
    let rows = sums.chunks_exact_mut(wide).zip(products.chunks_exact(wide));
    for ((sums, products), factor) in rows.zip(factors) {
        for (sum, product) in sums.iter_mut().zip(products) {
            *sum = *sum * factor + product;
        }
    }
}

/// Turns the scores of six queries for `keys` keys into weights relative to the largest scores so
/// far: `stride` numbers from query to query, with room for whole vectors. Returns the factors for
/// the sums of the blocks before. The queries go side by side, so that none waits for the last step
/// of another's sum.
#[inline(always)]
fn update<S: Simd>(
    simd: S,
    softmax: &mut [Softmax],
    scores: &mut [f32],
    stride: usize,
    keys: usize,
) -> [f32; ROWS] {
    let whole = keys.next_multiple_of(S::LANES);
    assert!(softmax.len() == ROWS && whole <= stride && ROWS * stride <= scores.len());
    for row in scores.chunks_exact_mut(stride) {
        row[keys..whole].fill(f32::NEG_INFINITY);
    }

    let mut lanes = [[0.0; MOST_LANES]; ROWS];
    // SAFETY: every row has whole vectors, as was just checked, and so have the lanes.
    unsafe { largest(simd, scores.as_ptr(), stride, whole, &mut lanes) };

    let mut minus = [0.0; ROWS];
    let mut factors = [0.0; MOST_LANES];
    for (row, softmax) in softmax.iter_mut().enumerate() {
        let larger = |a: f32, b: f32| if a > b { a } else { b };
        let largest = larger(folded::<S>(&mut lanes[row], larger), softmax.largest);
        factors[row] = softmax.largest - largest;
        softmax.largest = largest;
        minus[row] = -largest;
    }

    // SAFETY: as above, and the factors have whole vectors too.
    unsafe {
        weights(simd, scores.as_mut_ptr(), stride, whole, minus, &mut lanes);
        for at in (0..ROWS).step_by(S::LANES) {
            let place = factors[at..].as_mut_ptr();
            simd.store(place, decay(simd, simd.load(place)));
        }
    }

    for (row, softmax) in softmax.iter_mut().enumerate() {
        let sum = folded::<S>(&mut lanes[row], |a, b| a + b);
        softmax.sum = softmax.sum * factors[row] + sum;
    }
    std::array::from_fn(|row| factors[row])
}

/// Writes the largest score of each row to `lanes`, those of a vector's places apart.
///
/// # Safety
/// `scores` has `ROWS` rows, `stride` numbers from one to the next, with `whole` numbers each,
/// which are whole vectors.
#[inline(always)]
unsafe fn largest<S: Simd>(
    simd: S,
    scores: *const f32,
    stride: usize,
    whole: usize,
    lanes: &mut [[f32; MOST_LANES]; ROWS],
) {
    let mut largest = [simd.splat(f32::NEG_INFINITY); ROWS];
    for at in (0..whole).step_by(S::LANES) {
        for (row, largest) in largest.iter_mut().enumerate() {
            // SAFETY: the caller's.
            let scores = unsafe { simd.load(scores.add(row * stride + at)) };
            *largest = simd.max(*largest, scores);
        }
    }
    for (lanes, largest) in lanes.iter_mut().zip(largest) {
        // SAFETY: the lanes are the longest vector.
        unsafe { simd.store(lanes.as_mut_ptr(), largest) };
    }
}

/// Turns scores into weights, exp(score + `minus`), and writes the sum of each row's to `lanes`,
/// those of a vector's places apart.
///
/// # Safety
/// As for `largest`.
#[inline(always)]
unsafe fn weights<S: Simd>(
    simd: S,
    scores: *mut f32,
    stride: usize,
    whole: usize,
    minus: [f32; ROWS],
    lanes: &mut [[f32; MOST_LANES]; ROWS],
) {
    let minus = minus.map(|minus| simd.splat(minus));
    let mut sums = [simd.splat(0.0); ROWS];
    for at in (0..whole).step_by(S::LANES) {
        for row in 0..ROWS {
            // SAFETY: the caller's.
            let weight = unsafe {
                let place = scores.add(row * stride + at);
                let weight = decay(simd, simd.add(simd.load(place), minus[row]));
                simd.store(place, weight);
                weight
            };
            sums[row] = simd.add(sums[row], weight);
        }
    }
    for (lanes, sum) in lanes.iter_mut().zip(sums) {
        // SAFETY: the lanes are the longest vector.
        unsafe { simd.store(lanes.as_mut_ptr(), sum) };
    }
}

/// Joins the numbers of a vector, half of them with the other half, and so on.
#[inline(always)]
fn folded<S: Simd>(lanes: &mut [f32; MOST_LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = S::LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = join(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}
