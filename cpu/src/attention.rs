//! Attention, some queries of a head at a time, with the softmax in blocks that stay in the cache.
//!
//! For every block of keys, six queries' scores are computed, turned into weights and multiplied by
//! the values at once. The weights are relative to the largest score so far; when a block has a
//! larger one, the sums of the blocks before it are scaled down (Milakov and Gimelshein 2018,
//! "Online normalizer calculation for softmax").

use rayon::prelude::*;

use crate::buffer::{Buffer, Scratch, Shared};
use crate::isa::{Isa, Widths};
use crate::math::decay;
use crate::simd::{MOST_LANES, Simd, Task};
use crate::tile::{Operands, Piece, ROWS, pieces};

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

impl Task for Block<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Packing {
            width,
            count,
            ref panels,
            ref scores,
            ..
        } = *self.packing;
        let panel = S::LANES * S::VECTORS;
        let wide = width.next_multiple_of(S::LANES);
        let queries = QUERIES.min(self.query.rows() - self.first);
        let strips = queries.div_ceil(ROWS);

        // Queries beyond the last one repeat it, and nobody reads their sums.
        let column = self.head * width;
        let row = |query: usize| {
            let query = self.first + query.min(queries - 1);
            self.query.at(query, column, width).as_ptr()
        };
        let mut softmax = [Softmax {
            largest: f32::NEG_INFINITY,
            sum: 0.0,
        }; QUERIES];

        let strip_scores = ROWS * KEYS.next_multiple_of(panel);
        let mut scratch = Scratch::take(strip_scores + ROWS * wide + QUERIES * wide);
        let (weights, rest) = scratch.split_at_mut(strip_scores);
        let (products, sums) = rest.split_at_mut(ROWS * wide);
        sums.fill(0.0);
        let stride = strip_scores / ROWS;

        for start in (0..count).step_by(KEYS) {
            let keys = KEYS.min(count - start);
            let summed = pieces(1, keys);
            for strip in 0..strips {
                let rows: [*const f32; ROWS] = std::array::from_fn(|i| row(strip * ROWS + i));
                for first in (0..keys).step_by(panel) {
                    let keys = &self.keys[(start + first) * width..];
                    for (index, piece) in scores.iter().enumerate() {
                        // SAFETY: the rows have `width` numbers, a panel has as many rows, and the
                        // scores have a whole number of panels.
                        unsafe {
                            simd.tile(
                                S::VECTORS,
                                Operands {
                                    piece,
                                    rows: rows.as_ptr(),
                                    panel: keys[piece.start * panel..].as_ptr(),
                                    sums: weights[first..].as_mut_ptr(),
                                    stride,
                                    add: index > 0,
                                },
                            );
                        }
                    }
                }

                let softmax = &mut softmax[strip * ROWS..][..ROWS];
                let factors = update(simd, softmax, weights, stride, keys);

                let rows: [*const f32; ROWS] =
                    std::array::from_fn(|i| weights[i * stride..].as_ptr());
                for &(vectors, first) in panels {
                    let size = vectors * S::LANES;
                    let from = first * count + start * size;
                    // SAFETY: the rows have `keys` weights, the panel has as many rows, and
                    // the products have room for all vectors.
                    unsafe {
                        simd.tile(
                            vectors,
                            Operands {
                                piece: &summed[0],
                                rows: rows.as_ptr(),
                                panel: self.values[from..].as_ptr(),
                                sums: products[first..].as_mut_ptr(),
                                stride: wide,
                                add: false,
                            },
                        );
                    }
                }

                let sums = &mut sums[strip * ROWS * wide..][..ROWS * wide];
                let rows = sums.chunks_exact_mut(wide).zip(products.chunks_exact(wide));
                for ((sums, products), factor) in rows.zip(factors) {
                    for (sum, product) in sums.iter_mut().zip(products) {
                        *sum = *sum * factor + product;
                    }
                }
            }
        }

        for query in 0..queries {
            let at = (self.first + query) * self.channels + column;
            // SAFETY: every head of a query has its own part.
            let to = unsafe { self.output.part(at, width) };
            let factor = softmax[query].sum.recip();
            for (to, sum) in to.iter_mut().zip(&sums[query * wide..]) {
                *to = sum * factor;
            }
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

    let scores = scores.as_mut_ptr();
    let mut lanes = [[0.0; MOST_LANES]; ROWS];
    // SAFETY: every row has whole vectors, as was just checked, and so have the lanes.
    unsafe {
        let mut largest = [simd.splat(f32::NEG_INFINITY); ROWS];
        for at in (0..whole).step_by(S::LANES) {
            for (row, largest) in largest.iter_mut().enumerate() {
                *largest = simd.max(*largest, simd.load(scores.add(row * stride + at)));
            }
        }
        for (lanes, largest) in lanes.iter_mut().zip(largest) {
            simd.store(lanes.as_mut_ptr(), largest);
        }
    }

    let mut minus = [simd.splat(0.0); ROWS];
    let mut factors = [0.0; MOST_LANES];
    for (row, softmax) in softmax.iter_mut().enumerate() {
        let larger = |a: f32, b: f32| if a > b { a } else { b };
        let largest = larger(folded::<S>(&mut lanes[row], larger), softmax.largest);
        factors[row] = softmax.largest - largest;
        softmax.largest = largest;
        minus[row] = simd.splat(-largest);
    }

    // SAFETY: as above.
    unsafe {
        let mut sums = [simd.splat(0.0); ROWS];
        for at in (0..whole).step_by(S::LANES) {
            for row in 0..ROWS {
                let place = scores.add(row * stride + at);
                let weight = decay(simd, simd.add(simd.load(place), minus[row]));
                simd.store(place, weight);
                sums[row] = simd.add(sums[row], weight);
            }
        }
        for (lanes, sum) in lanes.iter_mut().zip(sums) {
            simd.store(lanes.as_mut_ptr(), sum);
        }
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
