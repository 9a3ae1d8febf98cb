//! Vectors of sixteen numbers: AVX-512F.

use std::arch::x86_64::*;

use super::{Simd, Task};
use crate::operands::Operands;
use crate::tile::tile;

/// Token of AVX-512F.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// Returns the token if this processor has the instructions.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma"))
        .then_some(Self(()))
    }

    pub(crate) fn run(self, task: impl Task) {
        // SAFETY: the token exists, so the processor has the instructions.
        unsafe { run(self, task) }
    }
}

#[target_feature(enable = "avx512f,avx2,fma")]
fn run(token: Avx512, task: impl Task) {
    task.run(token);
}

// SAFETY: (all blocks below) the token exists, so the processor has the instructions; pointers are
// the caller's promise.
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "one note for all of them"
)]
impl Simd for Avx512 {
    type F = __m512;

    const LANES: usize = 16;
    const VECTORS: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::F {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: Self::F) {
        unsafe { _mm512_storeu_ps(to, x) }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Self::F) -> Self::F {
        unsafe {
            let exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
            let one = _mm512_castps_si512(self.splat(1.0));
            _mm512_castsi512_ps(_mm512_add_epi32(exponent, one))
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
#[target_feature(enable = "avx512f,avx2,fma")]
#[inline(never)]
unsafe fn tiles(token: Avx512, vectors: usize, operands: Operands<'_>) {
    // SAFETY: the caller's promise.
    unsafe {
        match vectors {
            1 => tile::<Avx512, 1>(token, operands),
            2 => tile::<Avx512, 2>(token, operands),
            3 => tile::<Avx512, 3>(token, operands),
            _ => tile::<Avx512, 4>(token, operands),
        }
    }
}
