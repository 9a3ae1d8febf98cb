//! Vectors of eight numbers: AVX2 and FMA.

use std::arch::x86_64::*;

use super::{Simd, Task};
use crate::operands::Operands;
use crate::tile::tile;

/// Token of AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Returns the token if this processor has the instructions.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    pub(crate) fn run(self, task: impl Task) {
        // SAFETY: the token exists, so the processor has the instructions.
        unsafe { run(self, task) }
    }
}

#[target_feature(enable = "avx2,fma")]
fn run(token: Avx2, task: impl Task) {
    task.run(token);
}

// SAFETY: (all blocks below) the token exists, so the processor has the instructions; pointers are
// the caller's promise.
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "one note for all of them"
)]
impl Simd for Avx2 {
    type F = __m256;

    const LANES: usize = 8;
    const VECTORS: usize = 2;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::F {
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: Self::F) {
        unsafe { _mm256_storeu_ps(to, x) }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Self::F) -> Self::F {
        unsafe {
            let exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
            let one = _mm256_castps_si256(self.splat(1.0));
            _mm256_castsi256_ps(_mm256_add_epi32(exponent, one))
        }
    }

    #[inline(always)]
    unsafe fn tile(self, vectors: usize, operands: Operands<'_>) {
        unsafe { tiles(self, vectors, operands) }
    }
}

/// Tiles of all widths, compiled once instead of wherever one is used.
///
/// # Safety
/// As of [`Simd::tile`].
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
unsafe fn tiles(token: Avx2, vectors: usize, operands: Operands<'_>) {
    // SAFETY: the caller's promise.
    unsafe {
        match vectors {
            1 => tile::<Avx2, 1>(token, operands),
            _ => tile::<Avx2, 2>(token, operands),
        }
    }
}
