//! Number of segments in a batch: the first to try, and the next where that fails.

use super::error::TensorRtError;
use super::gpu::Gpu;
use crate::engine::options::TensorRtOptions;

/// Default number of segments in a batch. On an H200 a larger batch hardly lowers the time of a
/// segment.
pub(super) const DEFAULT_BATCH: usize = 4;
/// Memory of a GPU, in bytes, below which the default batch is one segment.
const SMALL_GPU_BYTES: usize = 7 << 30;

/// Returns the number of segments of the first batch to try.
pub(super) fn first_batch(options: &TensorRtOptions, gpu: &Gpu) -> usize {
    options
        .batch
        .unwrap_or(if gpu.memory_bytes < SMALL_GPU_BYTES {
            1
        } else {
            DEFAULT_BATCH
        })
}

/// Returns the batch to try after those in `tried`, the last of which failed with `error`. Halves
/// the batch where memory is short. Tries another batch where a plan gave numbers that are not
/// finite, unless the user asked for that batch: TensorRT-RTX 1.6.1 did so for `sextet-mini` on an
/// H200 with a batch of 1, but not with 2 or 4.
pub(super) fn next_batch(
    error: &TensorRtError,
    tried: &[usize],
    is_asked_for: bool,
) -> Option<usize> {
    let last = *tried.last()?;
    let halves =
        std::iter::successors(Some(last / 2), |half| Some(half / 2)).take_while(|&half| half > 0);
    let mut candidates: Vec<usize> = match error {
        TensorRtError::OutOfMemory { .. } => halves.take(1).collect(),
        TensorRtError::SelfTest { .. } if !is_asked_for => halves.chain([2 * last]).collect(),
        _ => Vec::new(),
    };

    candidates.retain(|batch| !tried.contains(batch));
    candidates.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_batch_is_tried_where_it_may_help() {
        let short = || TensorRtError::OutOfMemory { action: "start" };
        let unfit = || TensorRtError::SelfTest {
            gpu: "a GPU".to_owned(),
            batch: 1,
        };

        let other = || TensorRtError::NoCache;
        let cases: [(TensorRtError, &[usize], bool, Option<usize>); 14] = [
            (short(), &[4], false, Some(2)),
            (short(), &[64], true, Some(32)),
            (short(), &[4, 2], false, Some(1)),
            (short(), &[4, 2, 1], false, None),
            (short(), &[1], true, None),
            (unfit(), &[4], false, Some(2)),
            (unfit(), &[4, 2], false, Some(1)),
            (unfit(), &[4, 2, 1], false, None),
            (unfit(), &[1], false, Some(2)),
            (unfit(), &[1, 2], false, Some(4)),
            (unfit(), &[1], true, None),
            // A batch that ran short of memory is not tried again.
            (short(), &[1, 2], false, None),
            (unfit(), &[2, 1], false, None),
            (other(), &[4], false, None),
        ];

        for (error, tried, is_asked_for, expected) in &cases {
            assert_eq!(
                next_batch(error, tried, *is_asked_for),
                *expected,
                "{error}, after {tried:?}"
            );
        }
    }
}
