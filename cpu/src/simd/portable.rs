//! Vectors of four numbers in plain Rust, for processors without any of the other sets of
//! instructions. A product and a sum are rounded one after the other.

use std::array::from_fn;

use super::{Simd, Task};
use crate::operands::Operands;
use crate::tile::tile;

/// Token of no instructions in particular.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Portable {
    pub(crate) fn run(self, task: impl Task) {
        task.run(self);
    }
}

impl Simd for Portable {
    type F = [f32; 4];

    const LANES: usize = 4;
    const VECTORS: usize = 2;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; 4]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::F {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: Self::F) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(x) }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        from_fn(|i| a[i] / b[i])
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn power_of_two(self, shifted: Self::F) -> Self::F {
        from_fn(|i| f32::from_bits((shifted[i].to_bits() << 23).wrapping_add(1.0f32.to_bits())))
    }

    #[inline(always)]
    unsafe fn tile(self, vectors: usize, operands: Operands<'_>) {
        // SAFETY: the caller's promise.
        unsafe { tiles(self, vectors, operands) }
    }
}

/// Tiles of all widths, compiled once instead of wherever one is used.
///
/// # Safety
/// As of [`Simd::tile`].
#[inline(never)]
unsafe fn tiles(token: Portable, vectors: usize, operands: Operands<'_>) {
    // SAFETY: the caller's promise.
    unsafe {
        match vectors {
            1 => tile::<Portable, 1>(token, operands),
            _ => tile::<Portable, 2>(token, operands),
        }
    }
}
