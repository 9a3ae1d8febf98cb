//! Speed of a network on a GPU, without the host's part.

use std::time::Instant;

use super::batches::{BatchNetwork, Batches};
use super::device::Gpu;

/// Measured times of one batch size.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Measurement {
    /// Number of chunks in a batch.
    pub batch: usize,
    /// Median time of a chunk on the GPU, in milliseconds, without transfers.
    pub chunk_ms: f64,
    /// Time of a chunk in the fastest and in the slowest run, in milliseconds.
    pub range_ms: (f64, f64),
    /// Time of a start from nothing until the engine is ready, in seconds.
    pub start_s: f64,
    /// GPU memory that the engine takes, in bytes.
    pub memory_bytes: u64,
}

/// Measures batches that were made since `begun`, when `free_bytes` of the GPU's memory were free,
/// over `runs` runs after a few warm-up runs.
pub(in crate::engine) fn measured<N: BatchNetwork>(
    batches: &mut Batches<N>,
    gpu: &Gpu,
    begun: Instant,
    free_bytes: usize,
    runs: usize,
) -> Result<Measurement, N::Error> {
    let start_s = begun.elapsed().as_secs_f64();
    let memory_bytes = free_bytes.saturating_sub(gpu.free_bytes()?) as u64;

    let batch = batches.shape().batch;
    let mut times = batches.time_runs(10, runs)?;
    times.sort_by(f64::total_cmp);
    let of_chunk = |index: usize| times.get(index).copied().unwrap_or(f64::NAN) / batch as f64;

    let range_ms = (of_chunk(0), of_chunk(times.len().saturating_sub(1)));
    Ok(Measurement {
        batch,
        chunk_ms: of_chunk(times.len() / 2),
        range_ms,
        start_s,
        memory_bytes,
    })
}
