//! Functions of vectors, within some units of the last digit of float32. What is not a number
//! stays so.
//!
//! The coefficients were fitted by weighted least squares on Chebyshev points, iterated towards the
//! smallest largest error; the errors said below are those of the coefficients in float32.

use std::f32::consts::{LN_2, LOG2_E};

use crate::simd::Simd;

/// 1.5 2^23: a number near 0 that is added to it is rounded to a whole number in the last bits.
const SHIFT: f32 = 12_582_912.0;

/// The natural logarithm of 2 in two parts, of which the first has few bits, so that whole
/// multiples of it are exact.
const LN_2_HIGH: f32 = 0.693_359_375;
#[allow(
    clippy::excessive_precision,
    reason = "the difference is taken in float64"
)]
const LN_2_LOW: f32 = (std::f64::consts::LN_2 - 0.693_359_375) as f32;

/// (e^r - 1 - r) / r^2 for r up to ln(2) / 2, within 4e-9 of e^r.
const EXPONENTIAL: [f32; 5] = [
    4.999_998_8e-1,
    1.666_651_2e-1,
    4.166_964_4e-2,
    8.369_623e-3,
    1.374_885_3e-3,
];

/// Most that the exponential takes; beyond it, its result would leave the normal numbers.
const LARGEST: f32 = 87.0;

/// (log2 Phi(-t) + 1) / t for t up to 6, where Phi is the normal distribution: within 1.3e-7 of
/// Phi(-t), relatively, for t up to 2, and within 7e-9 absolutely.
const LOG_TAIL: [f32; 10] = [
    -1.151_104_8,
    -4.592_144_8e-1,
    -5.246_274_5e-2,
    6.981_592_6e-3,
    -3.094_086_4e-5,
    -2.633_921_1e-4,
    7.130_492_3e-5,
    -1.000_668_6e-5,
    7.620_875e-7,
    -2.478_693_2e-8,
];

/// Largest t of [`LOG_TAIL`]. Phi(-6) is 1e-9.
const END: f32 = 6.0;

/// Computes the polynomial with the given coefficients, the constant first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::F, coefficients: &[f32; N]) -> S::F {
    let mut sum = simd.splat(coefficients[N - 1]);
    for n in (0..N - 1).rev() {
        sum = simd.mul_add(sum, x, simd.splat(coefficients[n]));
    }
    sum
}

/// Computes e^r 2^n, given 1.5 2^23 + n.
#[inline(always)]
fn scaled_exponential<S: Simd>(simd: S, r: S::F, shifted: S::F) -> S::F {
    let rest = polynomial(simd, r, &EXPONENTIAL);
    let curved = simd.mul(simd.mul(r, r), rest);
    let y = simd.add(simd.add(curved, r), simd.splat(1.0));
    simd.mul(y, simd.power_of_two(shifted))
}

/// Computes e^x, for x beyond 87 or -87 as there.
#[inline(always)]
pub(crate) fn exponential<S: Simd>(simd: S, x: S::F) -> S::F {
    let x = simd.min(simd.splat(LARGEST), x);
    let x = simd.max(simd.splat(-LARGEST), x);
    let shifted = simd.mul_add(x, simd.splat(LOG2_E), simd.splat(SHIFT));
    let n = simd.sub(shifted, simd.splat(SHIFT));
    let r = simd.mul_add(n, simd.splat(-LN_2_HIGH), x);
    let r = simd.mul_add(n, simd.splat(-LN_2_LOW), r);
    scaled_exponential(simd, r, shifted)
}

/// Computes 1 / (1 + e^-x).
#[inline(always)]
pub(crate) fn logistic<S: Simd>(simd: S, x: S::F) -> S::F {
    let one = simd.splat(1.0);
    let power = exponential(simd, simd.sub(simd.splat(0.0), x));
    simd.div(one, simd.add(one, power))
}

/// Computes x Phi(x), as max(x, 0) - |x| Phi(-|x|), in which nothing is lost for negative x.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(simd: S, x: S::F) -> S::F {
    let zero = simd.splat(0.0);
    let size = simd.max(simd.sub(zero, x), x);
    let t = simd.min(simd.splat(END), size);
    let log = simd.mul(t, polynomial(simd, t, &LOG_TAIL));

    // Half of 2^log, with the whole part of the logarithm apart.
    let shifted = simd.add(log, simd.splat(SHIFT));
    let rest = simd.sub(log, simd.sub(shifted, simd.splat(SHIFT)));
    let r = simd.mul(rest, simd.splat(LN_2));
    let tail = simd.mul(scaled_exponential(simd, r, shifted), simd.splat(0.5));

    let above = simd.max(zero, x);
    simd.sub(above, simd.mul(size, tail))
}

/// Returns the sum of numbers and that of their squares, in float64.
#[inline(always)]
pub(crate) fn sums(x: &[f32]) -> [f64; 2] {
    const WIDTH: usize = 16;
    let mut sums = [[0.0f64; WIDTH]; 2];
    let (chunks, rest) = x.as_chunks::<WIDTH>();
    for chunk in chunks {
        for lane in 0..WIDTH {
            let x = f64::from(chunk[lane]);
            sums[0][lane] += x;
            sums[1][lane] += x * x;
        }
    }
    for (lane, &x) in rest.iter().enumerate() {
        let x = f64::from(x);
        sums[0][lane] += x;
        sums[1][lane] += x * x;
    }
    sums.map(|sums| sums.iter().sum())
}

/// Constant that PyTorch's norms add to a variance.
const EPSILON: f64 = 1e-5;

/// Mean of numbers, and the reciprocal of their deviation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    pub(crate) mean: f64,
    pub(crate) factor: f64,
}

impl Moments {
    /// Returns the moments of `count` numbers with the given sums.
    #[inline(always)]
    pub(crate) fn of([sum, squares]: [f64; 2], count: usize) -> Self {
        let mean = sum / count as f64;
        let variance = (squares / count as f64 - mean * mean).max(0.0);
        Self {
            mean,
            factor: (variance + EPSILON).sqrt().recip(),
        }
    }
}
