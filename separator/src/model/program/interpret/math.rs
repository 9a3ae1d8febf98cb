//! Functions of numbers and moments of tensors.

use std::f64::consts::{FRAC_1_SQRT_2, PI};
use std::sync::LazyLock;

use rayon::prelude::*;

/// Mean and biased variance.
pub(super) struct Moments {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

/// Number of elements that are summed in one go.
const CHUNK: usize = 1 << 16;

/// Computes mean and variance. The sums do not depend on the number of threads.
pub(super) fn moments(x: &[f32]) -> Moments {
    let mean = mean_of(x, |x| x);
    Moments {
        mean,
        variance: mean_of(x, |x| (x - mean) * (x - mean)),
    }
}

fn mean_of(x: &[f32], of: impl Fn(f64) -> f64 + Sync) -> f64 {
    let sum = |chunk: &[f32]| chunk.iter().map(|&x| of(f64::from(x))).sum::<f64>();
    let sums: Vec<f64> = if x.len() <= CHUNK {
        vec![sum(x)]
    } else {
        x.par_chunks(CHUNK).map(sum).collect()
    };
    sums.iter().sum::<f64>() / x.len() as f64
}

/// Computes x Phi(x).
pub(super) fn gelu(x: f32) -> f32 {
    let x = f64::from(x);
    (0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2))) as f32
}

/// Computes 1 / (1 + e^-x).
pub(super) fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Number of entries of [`ERF`] for every 1.
const DENSITY: usize = 128;
/// Number beyond which the error function is 1 in float64.
const END: usize = 6;

/// Error function and its derivative at 0, 1 / 128 and so on.
static ERF: LazyLock<Vec<[f64; 2]>> = LazyLock::new(|| {
    (0..=END * DENSITY)
        .map(|n| n as f64 / DENSITY as f64)
        .map(|x| [erf_series(x), 2.0 / PI.sqrt() * (-x * x).exp()])
        .collect()
});

/// Computes the error function from its Maclaurin series times e^(x^2), whose terms are all
/// positive.
fn erf_series(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

/// Computes the error function by cubic interpolation, within 1e-10.
fn erf(x: f64) -> f64 {
    let place = x.abs() * DENSITY as f64;
    let index = place as usize;
    if index >= END * DENSITY {
        return if x.is_nan() { x } else { x.signum() };
    }

    let table = &*ERF;
    let ([start, rise], [end, rise_at_end]) = (table[index], table[index + 1]);
    let (t, step) = (place - index as f64, 1.0 / DENSITY as f64);
    let smooth = t * t * (3.0 - 2.0 * t);
    let y = start
        + (end - start) * smooth
        + step * t * (1.0 - t) * (rise * (1.0 - t) - rise_at_end * t);
    y.copysign(x)
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    /// Values of the error function to 12 digits (Abramowitz and Stegun, table 7.1).
    #[test]
    fn the_error_function_is_exact_to_ten_digits() {
        let cases = [
            (0.0, 0.0),
            (0.001, 0.001_128_378_791),
            (0.5, 0.520_499_877_813),
            (1.0, 0.842_700_792_950),
            (1.237, 0.0),
            (2.0, 0.995_322_265_019),
            (3.0, 0.999_977_909_503),
            (7.0, 1.0),
        ];
        each_case(cases, |(x, expected)| {
            let expected = if expected == 0.0 {
                erf_series(x)
            } else {
                expected
            };
            assert!((erf(x) - expected).abs() < 1e-10, "erf({x}) = {}", erf(x));
            assert!(
                (erf(-x) + expected).abs() < 1e-10,
                "erf(-{x}) = {}",
                erf(-x)
            );
        });
    }
}
