//! Self-test of a new session, and the shortage of memory that may be behind its failure.

use super::capture::capturing;
use super::error::TensorRtError;
use super::gpu::Gpu;
use super::noise::noise;
use super::session::{Session, Shape};

/// GPU memory that a segment takes with the official shape, in bytes. Measured: 1.2 GB for four
/// segments, 2.3 GB for eight.
const SEGMENT_BYTES: usize = 300 << 20;

/// Runs noise through a new session, so that faults of a GPU or driver show before a song is
/// separated. The run also makes TensorRT compile and capture everything that it defers to the
/// first run.
pub(super) fn self_test(
    session: &mut Session,
    shape: Shape,
    gpu: &Gpu,
) -> Result<(), TensorRtError> {
    let finite = capturing(|| -> Result<bool, TensorRtError> {
        session.submit(|mix| mix.copy_from_slice(&noise(shape.mix)))?;
        let stems = session.take()?;
        Ok(stems.iter().all(|sample| sample.is_finite()))
    })?;

    if finite {
        Ok(())
    } else {
        Err(TensorRtError::SelfTest {
            gpu: gpu.name.clone(),
            batch: shape.batch,
        })
    }
}

/// Turns `error` into an out-of-memory error if the GPU has too little free memory for the batch.
/// TensorRT does not always give that reason: with 1 GB left it returned numbers that were not
/// finite, and no error.
pub(super) fn for_want_of_memory(error: TensorRtError, gpu: &Gpu, batch: usize) -> TensorRtError {
    let action = match error {
        TensorRtError::Failed { action, .. } => action,
        TensorRtError::SelfTest { .. } => "run the self-test",
        other => return other,
    };

    if gpu
        .free_bytes()
        .is_ok_and(|free| free < batch * SEGMENT_BYTES)
    {
        return TensorRtError::OutOfMemory { action };
    }
    error
}
