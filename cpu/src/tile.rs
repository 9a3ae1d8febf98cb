//! Product of six rows with a panel of weights, in registers.

use crate::simd::Simd;

/// Number of rows of a tile. Six rows of two vectors take 12 of AVX2's 16 registers, six rows of
/// four vectors 24 of the 32 of AVX-512 and NEON, and six pointers fit into the others.
pub(crate) const ROWS: usize = 6;

/// Products after which a sum in registers is added to the one in memory. Long sums of float32
/// lose digits; sums of sums lose fewer.
const SUMMED: usize = 256;

/// Part of the products of a row: some of the numbers at one of its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Number of the place.
    tap: usize,
    /// First number there.
    first: usize,
    length: usize,
    /// Whether the sum so far is added to the one in memory.
    flush: bool,
}

/// Returns the runs of rows with `taps` places of `depth` numbers each.
pub(crate) fn runs(taps: usize, depth: usize) -> Vec<Run> {
    let pieces = depth.div_ceil(SUMMED).max(1);
    let mut runs = Vec::new();
    let mut summed = 0;
    for tap in 0..taps {
        for piece in 0..pieces {
            let first = depth * piece / pieces;
            let length = depth * (piece + 1) / pieces - first;
            summed += length;
            let last = tap + 1 == taps && piece + 1 == pieces;
            let flush = last || summed + length > SUMMED;
            if flush {
                summed = 0;
            }
            runs.push(Run {
                tap,
                first,
                length,
                flush,
            });
        }
    }
    runs
}

/// Operands of a tile: the numbers at places of six rows, and a panel.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a> {
    pub(crate) runs: &'a [Run],
    /// [taps, 6 rows]: each points to as many numbers as the runs read there.
    pub(crate) rows: *const *const f32,
    /// [numbers of all runs, vectors, lanes]
    pub(crate) panel: *const f32,
    /// [6 rows, vectors, lanes], `stride` numbers from row to row.
    pub(crate) sums: *mut f32,
    pub(crate) stride: usize,
}

/// Multiplies six rows by a panel of `V` vectors.
///
/// # Safety
/// The pointers of `operands` are valid for what its fields say, and nobody else uses `sums`.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, const V: usize>(simd: S, operands: Operands<'_>) {
    let zeros = [[simd.splat(0.0); V]; ROWS];
    let mut sums = zeros;
    let mut panel = operands.panel;
    let mut begun = false;
    for run in operands.runs {
        // SAFETY: the caller's promise, here and below.
        let rows: [*const f32; ROWS] = std::array::from_fn(|row| unsafe {
            (*operands.rows.add(run.tap * ROWS + row)).add(run.first)
        });

        for k in 0..run.length {
            let weights: [S::F; V] =
                std::array::from_fn(|v| unsafe { simd.load(panel.add(v * S::LANES)) });
            panel = unsafe { panel.add(V * S::LANES) };
            for row in 0..ROWS {
                let x = simd.splat(unsafe { *rows[row].add(k) });
                for v in 0..V {
                    sums[row][v] = simd.mul_add(x, weights[v], sums[row][v]);
                }
            }
        }

        if run.flush {
            for row in 0..ROWS {
                for v in 0..V {
                    unsafe {
                        let to = operands.sums.add(row * operands.stride + v * S::LANES);
                        let mut sum = sums[row][v];
                        if begun {
                            sum = simd.add(simd.load(to), sum);
                        }
                        simd.store(to, sum);
                    }
                }
            }
            begun = true;
            sums = zeros;
        }
    }
}
