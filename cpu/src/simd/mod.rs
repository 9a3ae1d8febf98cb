//! Vectors of float32 numbers, one kind for each set of instructions.
//!
//! | file | instructions |
//! |---|---|
//! | `avx512.rs` | AVX-512F |
//! | `avx2.rs` | AVX2 and FMA |
//! | `neon.rs` | NEON, which every 64-bit ARM processor has |
//! | `portable.rs` | none in particular: for all other processors |
//!
//! Kernels are written once, for any [`Simd`]. They are inlined into the one function of each file
//! that is compiled for its instructions, so everything here and below it is `inline(always)`.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod portable;

use crate::operands::Operands;

/// Most numbers in a vector.
pub(crate) const MOST_LANES: usize = 16;

/// Token of a set of instructions. It exists only where the processor has them.
pub(crate) trait Simd: Copy + Send + Sync {
    /// Vector.
    type F: Copy;

    /// Numbers in a vector.
    const LANES: usize;
    /// Most vectors of a panel, an even number.
    const VECTORS: usize;

    fn splat(self, x: f32) -> Self::F;

    /// # Safety
    /// `LANES` numbers can be read at `from`.
    unsafe fn load(self, from: *const f32) -> Self::F;

    /// # Safety
    /// `LANES` numbers can be written at `to`.
    unsafe fn store(self, to: *mut f32, x: Self::F);

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// Returns `b` where `a` is not a number.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// Returns `b` where `a` is not a number.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;

    /// Returns a b + c, rounded once where the processor can.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;

    /// Returns 2^n for `n` from -126 to 127, given 1.5 2^23 + n.
    fn power_of_two(self, shifted: Self::F) -> Self::F;

    /// Multiplies six rows by a panel of `vectors` vectors, at most [`Simd::VECTORS`].
    ///
    /// # Safety
    /// As of [`Operands`].
    unsafe fn tile(self, vectors: usize, operands: Operands<'_>);
}

/// Work that is compiled for every set of instructions.
pub(crate) trait Task {
    /// Runs it. Implementations are `inline(always)`.
    fn run<S: Simd>(self, simd: S);
}
