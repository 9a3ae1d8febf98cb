//! Error of a model in float16, measured before its first song.

use std::path::{Path, PathBuf};

use super::batches::{BatchNetwork, Batches};
use super::capture::uncaptured;
use super::noise::noise;
use super::sealed;
use crate::Result;
use crate::engine::contract::Engine as _;
use crate::engine::cpu::{Cpu, CpuOptions};
use crate::model::Network;
use crate::progress::{Listener, Preparing};

/// Largest relative error of all stems together that is accepted for the speed of float16: -40 dB.
/// On an H200 the errors of TensorRT were 1.8e-2 for weights drawn to hide nothing, 9.1e-4 for
/// fresh weights with the official shape, and 2.1e-3 for `sextet-mini`, to which noise is stranger
/// than any song (docs/precision.md).
pub(in crate::engine) const TOLERANCE: f64 = 1e-2;

/// File of a model's error in float16 on a GPU.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Float16Record {
    path: PathBuf,
    header: String,
}

impl Float16Record {
    /// Returns the record in `folder` under `header`, which names the conditions of the
    /// measurement.
    pub(in crate::engine) fn new(folder: &Path, header: String) -> Self {
        let path = folder.join(format!("{}.float16", sealed::name_of(&header)));
        Self { path, header }
    }

    /// Returns the error, if it was measured and recorded.
    pub(in crate::engine) fn error(&self) -> Option<f64> {
        let found = sealed::read(&self.path).filter(|found| found.header() == self.header)?;
        Some(f64::from_le_bytes(found.contents().try_into().ok()?))
    }

    /// Records the error.
    pub(in crate::engine) fn keep(&self, error: f64) -> std::io::Result<()> {
        sealed::write(&self.path, &self.header, &error.to_le_bytes())
    }
}

/// Returns the error of `network` in float16 on `batches`, which must be idle. A model that has
/// passed under the conditions of `record` is not measured again. A failure is measured again,
/// since a passing fault may have caused it.
pub(in crate::engine) fn float16_error<N: BatchNetwork>(
    network: &Network,
    batches: &mut Batches<N>,
    record: Option<&Float16Record>,
    listener: &mut dyn Listener,
) -> Result<f64>
where
    crate::Error: From<N::Error>,
{
    let known = record.and_then(Float16Record::error);
    if let Some(known) = known.filter(|&error| error <= TOLERANCE) {
        return Ok(known);
    }

    // Compare the stems with float32.
    listener.preparing(Preparing::Comparing);
    let error = uncaptured(|| measure(network, batches))?;

    let kept = record.filter(|_| error <= TOLERANCE).map(|record| {
        record.keep(error).map_err(|source| {
            let path = record.path.display();
            format!("cannot write the engine cache '{path}': {source}")
        })
    });
    if let Some(Err(reason)) = kept {
        listener.preparing(Preparing::NotKept { reason });
    }

    Ok(error)
}

/// Returns the relative L2 error of all stems on a segment of noise, against the CPU engine in
/// float32. The error is infinite when the stems are not numbers.
fn measure<N: BatchNetwork>(network: &Network, batches: &mut Batches<N>) -> Result<f64>
where
    crate::Error: From<N::Error>,
{
    let mix = noise(batches.shape().mix);
    batches.submit(|staged| staged.copy_from_slice(&mix))?;
    let mut cpu = Cpu::new(network.clone(), None, &CpuOptions::new())?;
    cpu.submit(&mut |staged| staged.copy_from_slice(&mix))?;
    Ok(relative_error(batches.take()?, cpu.take()?))
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
