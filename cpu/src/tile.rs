//! Product of six rows with a panel of weights, in registers.

use crate::operands::{Operands, ROWS};
use crate::simd::Simd;

/// Multiplies six rows by a panel of `V` vectors.
///
/// # Safety
/// The pointers of `operands` are valid for what its fields say, and nobody else uses `sums`.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, const V: usize>(simd: S, operands: Operands<'_>) {
    let mut sums = [[simd.splat(0.0); V]; ROWS];
    // SAFETY: the caller's promise.
    unsafe {
        let mut panel = operands.panel;
        for run in &operands.piece.runs {
            let rows: [*const f32; ROWS] = std::array::from_fn(|row| {
                let place = *operands.rows.add(run.tap * ROWS + row);
                place.add(run.first)
            });
            for k in 0..run.length {
                let weights: [S::F; V] =
                    std::array::from_fn(|v| simd.load(panel.add(v * S::LANES)));
                panel = panel.add(V * S::LANES);
                for (sums, row) in sums.iter_mut().zip(rows) {
                    let x = simd.splat(*row.add(k));
                    for (sum, &weights) in sums.iter_mut().zip(&weights) {
                        *sum = simd.mul_add(x, weights, *sum);
                    }
                }
            }
        }

        for (row, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                let to = operands.sums.add(row * operands.stride + v * S::LANES);
                let before = operands.add.then(|| simd.load(to));
                simd.store(to, before.map_or(sum, |before| simd.add(before, sum)));
            }
        }
    }
}
