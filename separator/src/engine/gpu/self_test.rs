//! Self-test of a new network.

use super::batches::{BatchNetwork, Batches};
use super::noise::noise;

/// Runs noise through new batches, so that faults of a GPU or driver show before a song is
/// separated. Returns whether all stems are finite.
pub(in crate::engine) fn is_finite<N: BatchNetwork>(
    batches: &mut Batches<N>,
) -> Result<bool, N::Error> {
    let mix = noise(batches.shape().mix);
    batches.submit(|staged| staged.copy_from_slice(&mix))?;
    let stems = batches.take()?;
    Ok(stems.iter().all(|sample| sample.is_finite()))
}
