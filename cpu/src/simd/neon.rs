//! Vectors of four numbers: NEON.

use std::arch::aarch64::*;

use super::{Simd, Task};
use crate::operands::Operands;
use crate::tile::tile;

/// Token of NEON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon(());

impl Neon {
    /// Returns the token: every processor that this is compiled for has the instructions.
    pub(crate) fn detect() -> Option<Self> {
        Some(Self(()))
    }

    pub(crate) fn run(self, task: impl Task) {
        task.run(self);
    }
}

// SAFETY: (all blocks below) NEON is part of every 64-bit ARM processor; pointers are the caller's
// promise.
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "one note for all of them"
)]
impl Simd for Neon {
    type F = float32x4_t;

    const LANES: usize = 4;
    const VECTORS: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::F {
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: Self::F) {
        unsafe { vst1q_f32(to, x) }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Self::F) -> Self::F {
        unsafe {
            let exponent = vshlq_n_s32::<23>(vreinterpretq_s32_f32(shifted));
            let one = vreinterpretq_s32_f32(self.splat(1.0));
            vreinterpretq_f32_s32(vaddq_s32(exponent, one))
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
#[inline(never)]
unsafe fn tiles(token: Neon, vectors: usize, operands: Operands<'_>) {
    // SAFETY: the caller's promise.
    unsafe {
        match vectors {
            1 => tile::<Neon, 1>(token, operands),
            2 => tile::<Neon, 2>(token, operands),
            3 => tile::<Neon, 3>(token, operands),
            _ => tile::<Neon, 4>(token, operands),
        }
    }
}
