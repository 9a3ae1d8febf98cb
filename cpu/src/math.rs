//! Functions of vectors, within some units of the last digit of float32. NaN gives NaN.
//!
//! The coefficients were fitted by weighted least squares on Chebyshev points, iterated towards the
//! smallest largest error; the errors said below are those of the coefficients in float32.

use std::f32::consts::{LN_2, LOG2_E};

use crate::simd::Simd;

/// 1.5 2^23: a number near 0 that is added to it is rounded to a whole number in the last bits.
const SHIFT: f32 = 12_582_912.0;

/// The natural logarithm of 2 in two parts, of which the first has few bits, so that whole
/// multiples of it are exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = (std::f64::consts::LN_2 - 355.0 / 512.0) as f32;

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
    -2.633_921e-4,
    7.130_492e-5,
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
    decay(simd, simd.min(simd.splat(LARGEST), x))
}

/// Computes e^x for x up to 0, for x below -87 as there.
#[inline(always)]
pub(crate) fn decay<S: Simd>(simd: S, x: S::F) -> S::F {
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

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;
    use crate::isa::Isa;
    use crate::simd::{MOST_LANES, Task};

    #[derive(Clone, Copy, Debug)]
    enum Function {
        Exponential,
        Logistic,
        Gelu,
    }

    /// Function of some numbers, in place.
    struct Apply<'a>(Function, &'a mut [f32]);

    impl Task for Apply<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            for x in self.1 {
                let mut lanes = [*x; MOST_LANES];
                // SAFETY: no vector has more numbers.
                unsafe {
                    let x = simd.load(lanes.as_ptr());
                    let y = match self.0 {
                        Function::Exponential => exponential(simd, x),
                        Function::Logistic => logistic(simd, x),
                        Function::Gelu => gelu(simd, x),
                    };
                    simd.store(lanes.as_mut_ptr(), y);
                }
                assert!(
                    lanes[..S::LANES]
                        .iter()
                        .all(|y| y.to_bits() == lanes[0].to_bits())
                );
                *x = lanes[0];
            }
        }
    }

    fn apply(isa: Isa, function: Function, x: f32) -> f32 {
        let mut numbers = [x];
        isa.run(Apply(function, &mut numbers));
        numbers[0]
    }

    /// Computes the complementary error function for x >= 0 by its series or, beyond 3, by its
    /// continued fraction.
    fn erfc(x: f64) -> f64 {
        let pi = std::f64::consts::PI;
        if x > 3.0 {
            let fraction = (1..80)
                .rev()
                .fold(x, |rest, n| x + 0.5 * f64::from(n) / rest);
            return (-x * x).exp() / (fraction * pi.sqrt());
        }
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        1.0 - 2.0 / pi.sqrt() * (-x * x).exp() * sum
    }

    fn exact(function: Function, x: f64) -> f64 {
        match function {
            Function::Exponential => x.exp(),
            Function::Logistic => 1.0 / (1.0 + (-x).exp()),
            Function::Gelu => {
                let tail = 0.5 * x.abs() * erfc(x.abs() * std::f64::consts::FRAC_1_SQRT_2);
                x.max(0.0) - tail
            }
        }
    }

    /// Largest errors: relative to the result, and absolute ones that are allowed besides.
    #[test]
    fn functions_are_within_units_of_the_last_digit() {
        let cases = [
            (Function::Exponential, 87.0, 2.5e-7, 0.0),
            (Function::Logistic, 80.0, 3e-7, 0.0),
            (Function::Gelu, 30.0, 5e-7, 1e-8),
        ];
        each_case(Isa::all(), |isa| {
            each_case(cases, |(function, end, relative, absolute)| {
                let mut worst = 0.0f64;
                for n in -40_000..=40_000 {
                    let x = (f64::from(n) / 40_000.0).powi(3) as f32 * end;
                    let expected = exact(function, f64::from(x));
                    let error = (f64::from(apply(isa, function, x)) - expected).abs();
                    let bound = relative * expected.abs() + absolute * f64::from(x).abs().max(1.0);
                    worst = worst.max(error / expected.abs().max(1e-3));
                    assert!(
                        error <= bound,
                        "{isa} {function:?}({x}): {error:e} of {expected:e}"
                    );
                }
                println!("{isa} {function:?}: {worst:.1e}");
            });
        });
    }

    #[test]
    fn functions_keep_to_their_limits() {
        let inf = f32::INFINITY;
        let cases = [
            (Function::Exponential, f32::NEG_INFINITY, 0.0, 1e-37),
            (Function::Exponential, 0.0, 1.0, 0.0),
            (Function::Logistic, inf, 1.0, 0.0),
            (Function::Logistic, f32::NEG_INFINITY, 0.0, 1e-37),
            (Function::Logistic, 0.0, 0.5, 0.0),
            (Function::Gelu, 0.0, 0.0, 0.0),
            (Function::Gelu, 1e30, 1e30, 1e22),
            (Function::Gelu, -50.0, 0.0, 1e-6),
        ];
        each_case(Isa::all(), |isa| {
            each_case(cases, |(function, x, expected, bound)| {
                let found = apply(isa, function, x);
                assert!(
                    (found - expected).abs() <= bound,
                    "{isa} {function:?}({x}) = {found}"
                );
            });
            let functions = [Function::Exponential, Function::Logistic, Function::Gelu];
            each_case(functions, |function| {
                assert!(
                    apply(isa, function, f32::NAN).is_nan(),
                    "{isa} {function:?}"
                );
            });
        });
    }

    #[test]
    fn sums_are_those_of_float64() {
        each_case([0, 1, 15, 16, 17, 1000], |length| {
            let x: Vec<f32> = (0..length)
                .map(|n| (n as f32 * 0.7).sin() + 100.0)
                .collect();
            let expected = [1, 2].map(|power| x.iter().map(|&x| f64::from(x).powi(power)).sum());
            let found = sums(&x);
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * b.abs();
            assert!(
                found.iter().zip(&expected).all(near),
                "{found:?}, {expected:?}"
            );
        });
    }
}
