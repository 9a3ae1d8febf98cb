//! Start in float16, where that is exact enough for the model.

use super::accuracy::{self, TOLERANCE};
use super::cache::GpuKey;
use super::capture::uncaptured;
use super::error::TensorRtError;
use super::gpu::Gpu;
use super::opening::open_largest;
use super::plans::Plans;
use super::session::{Session, Shape};
use super::tf32::float32_is_exact;
use crate::Result;
use crate::engine::options::TensorRtOptions;
use crate::model::Precision;
use crate::progress::{Listener, Preparing};

/// Opens a session in float16 if its error is within the tolerance, and in float32 otherwise. Fails
/// instead of using float32 where float32 is rounded to TF32. A model that has passed on a GPU and
/// driver is not measured there again. A failure is measured again, since a passing fault may have
/// caused it.
pub(super) fn in_float16(
    plans: &Plans<'_>,
    options: &TensorRtOptions,
    gpu: &Gpu,
    listener: &mut dyn Listener,
) -> Result<(Session, usize, Precision)> {
    let Plans { network, cache } = plans;
    let gpu_key = GpuKey::of(gpu);

    // Use the plan without a comparison if this model has passed on this GPU before.
    let known = cache
        .as_ref()
        .and_then(|cache| cache.float16_error(network.hash(), &gpu_key));

    let mut opened = open_largest(plans, options, Precision::F16, gpu, listener)?;
    if known.is_some_and(|error| error <= TOLERANCE) {
        return Ok(opened);
    }

    // Compare the stems with float32.
    listener.preparing(Preparing::Comparing);
    let error = uncaptured(|| {
        accuracy::float16_error(network, &mut opened.0, Shape::of(network, opened.1))
    })?;

    if error <= TOLERANCE {
        if let Some(Err(error)) = cache
            .as_ref()
            .map(|cache| cache.keep_float16_error(network.hash(), &gpu_key, error))
        {
            listener.preparing(Preparing::NotKept {
                reason: error.to_string(),
            });
        }
        return Ok(opened);
    }

    // Fall back to float32.
    drop(opened);
    if !float32_is_exact() {
        return Err(TensorRtError::Inexact {
            percent: 100.0 * error,
        }
        .into());
    }

    listener.preparing(Preparing::InFloat32 { error });
    Ok(open_largest(plans, options, Precision::F32, gpu, listener)?)
}
