//! Opening of a tested session: with its plan and kernels from the cache where they are there, and
//! with the largest batch that fits.

use super::cache::GpuKey;
use super::error::TensorRtError;
use super::plans::Plans;
use super::self_test::{for_want_of_memory, self_test};
use super::session::{self, Session};
use crate::engine::gpu::sealed::Sealed;
use crate::engine::gpu::{self, Gpu, Shape, uncaptured};
use crate::engine::options::GpuOptions;
use crate::model::Precision;
use crate::progress::{Listener, Preparing};
use crate::timings::timed;

/// Opens a tested session with the batch that `options` name, or with the largest that fits into
/// the GPU's memory.
pub(super) fn open_largest(
    plans: &Plans<'_>,
    options: &GpuOptions,
    precision: Precision,
    gpu: &Gpu,
    listener: &mut dyn Listener,
) -> std::result::Result<(Session, usize, Precision), TensorRtError> {
    let (session, batch) = gpu::open_largest(options.batch, gpu, listener, |batch, listener| {
        open(plans, options, precision, gpu, batch, listener)
    })?;
    Ok((session, batch, precision))
}

/// Opens a tested session for batches of `batch` segments.
pub(super) fn open(
    plans: &Plans<'_>,
    options: &GpuOptions,
    precision: Precision,
    gpu: &Gpu,
    batch: usize,
    listener: &mut dyn Listener,
) -> std::result::Result<Session, TensorRtError> {
    let key = plans.key_on(gpu, options, precision, batch);
    let gpu_key = GpuKey::of(gpu);
    let kernels = timed("read the kernels", || {
        plans
            .cache
            .as_ref()
            .and_then(|cache| cache.kernels(&key, &gpu_key))
    });

    let shape = Shape::of(plans.network, batch);
    let begin = |plan: &Sealed, listener: &mut dyn Listener| {
        if kernels.is_none() {
            listener.preparing(Preparing::Compiling);
        }
        let kernels = kernels.as_ref().map(Sealed::contents);
        uncaptured(|| session::session(gpu, plan.contents(), kernels, shape))
            .map_err(|error| for_want_of_memory(error, gpu, batch))
    };

    let (plan, cached) = timed("read the plan", || plans.get(&key, false, listener))?;
    let mut session = match begin(&plan, listener) {
        // A whole plan may still be refused, for example when another library has the same version
        // number. Build it again, unless the GPU does not answer any more.
        Err(error) if cached && !error.is_out_of_memory() && gpu.free_bytes().is_ok() => {
            let (plan, _) = plans.get(&key, true, listener)?;
            begin(&plan, listener)?
        }
        other => other?,
    };

    let tested = timed("self-test", || self_test(&mut session, gpu))
        .map_err(|error| for_want_of_memory(error, gpu, batch));

    // Keep kernels that fail the test too: the next start then finds the failure without compiling
    // them again.
    let is_settled = matches!(tested, Ok(()) | Err(TensorRtError::SelfTest { .. }));
    if let (true, Some(cache), None) = (is_settled, &plans.cache, &kernels)
        && let Err(error) = cache.keep_kernels(&key, &gpu_key, &session.network().kernels()?)
    {
        listener.preparing(Preparing::NotKept {
            reason: error.to_string(),
        });
    }

    tested.map(|()| session)
}
