//! Start in float16, where that is exact enough for the model.

use super::cache::GpuKey;
use super::error::TensorRtError;
use super::opening::open_largest;
use super::plans::Plans;
use super::session::Session;
use super::tf32::float32_is_exact;
use crate::Result;
use crate::engine::gpu::{Gpu, TOLERANCE, float16_error};
use crate::engine::options::GpuOptions;
use crate::model::Precision;
use crate::progress::{Listener, Preparing};

/// Opens a session in float16 if its error is within the tolerance, and in float32 otherwise. Fails
/// instead of using float32 where float32 is rounded to TF32. A model that has passed on a GPU and
/// driver is not measured there again.
pub(super) fn in_float16(
    plans: &Plans<'_>,
    options: &GpuOptions,
    gpu: &Gpu,
    listener: &mut dyn Listener,
) -> Result<(Session, usize, Precision)> {
    let Plans { network, cache } = plans;
    let record = cache
        .as_ref()
        .map(|cache| cache.float16_record(network.hash(), &GpuKey::of(gpu)));

    let mut opened = open_largest(plans, options, Precision::F16, gpu, listener)?;
    let error = float16_error(network, &mut opened.0, record.as_ref(), listener)?;
    if error <= TOLERANCE {
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
