//! Self-test of a new session, and the shortage of memory that may be behind its failure.

use super::error::TensorRtError;
use super::session::Session;
use crate::engine::gpu::{Gpu, GpuError, capturing, is_finite};

/// GPU memory that a segment takes with the official shape, in bytes. Measured: 1.2 GB for four
/// segments, 2.3 GB for eight.
const SEGMENT_BYTES: usize = 300 << 20;

/// Runs noise through a new session, so that faults of a GPU or driver show before a song is
/// separated. The run also makes TensorRT compile and capture everything that it defers to the
/// first run.
pub(super) fn self_test(session: &mut Session, gpu: &Gpu) -> Result<(), TensorRtError> {
    if capturing(|| is_finite(session))? {
        Ok(())
    } else {
        Err(TensorRtError::SelfTest {
            gpu: gpu.name.clone(),
            batch: session.shape().batch,
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
        return GpuError::OutOfMemory { action }.into();
    }
    error
}
