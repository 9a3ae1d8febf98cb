//! Error of a model in float16, measured before its first song.

use super::noise::noise;
use super::session::{Session, Shape};
use crate::Result;
use crate::engine::contract::Engine as _;
use crate::engine::cpu::Cpu;
use crate::model::Network;

/// Largest relative error of all stems together that is accepted for the speed of float16: -40 dB.
/// On an H200 the errors were 1.8e-2 for weights drawn to hide nothing, 9.1e-4 for fresh weights
/// with the official shape, and 2.1e-3 for `sextet-mini`, to which noise is stranger than any song
/// (docs/precision.md).
pub(super) const TOLERANCE: f64 = 1e-2;

/// Returns the relative L2 error of all stems of `session` on a segment of noise, against the CPU
/// engine in float32. The session must have `shape` and be idle. The error is infinite when the
/// stems are not numbers.
pub(super) fn float16_error(network: &Network, session: &mut Session, shape: Shape) -> Result<f64> {
    let mix = noise(shape.mix);
    session.submit(|staged| staged.copy_from_slice(&mix))?;
    let mut cpu = Cpu::new(network.clone(), None)?;
    cpu.submit(&mut |staged| staged.copy_from_slice(&mix))?;
    Ok(relative_error(session.take()?, cpu.take()?))
}

fn relative_error(found: &[f32], exact: &[f32]) -> f64 {
    let energy =
        |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let difference = energy(
        &mut found
            .iter()
            .zip(exact)
            .map(|(a, b)| f64::from(*a) - f64::from(*b)),
    );

    let error = (difference / energy(&mut exact.iter().map(|b| f64::from(*b)))).sqrt();
    if error.is_nan() { f64::INFINITY } else { error }
}

#[cfg(test)]
mod tests {
    use super::relative_error;

    #[test]
    fn errors_are_relative_and_never_nan() {
        assert_eq!(relative_error(&[3.0, 4.0], &[3.0, 4.0]), 0.0);
        assert!((relative_error(&[3.0, 4.05], &[3.0, 4.0]) - 0.01).abs() < 1e-6);
        assert_eq!(relative_error(&[f32::NAN, 4.0], &[3.0, 4.0]), f64::INFINITY);
        assert_eq!(
            relative_error(&[f32::INFINITY, 4.0], &[3.0, 4.0]),
            f64::INFINITY
        );
    }
}
