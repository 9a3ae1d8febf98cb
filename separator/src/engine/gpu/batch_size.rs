//! Number of segments in a batch: the first to try, and the next where that fails.

use super::device::Gpu;
use crate::progress::{Listener, Preparing};

/// Default number of segments in a batch. On an H200 a larger batch hardly lowers the time of a
/// segment.
pub(in crate::engine) const DEFAULT_BATCH: usize = 4;
/// Memory of a GPU, in bytes, below which the default batch is one segment.
const SMALL_GPU_BYTES: usize = 7 << 30;

/// Bearing of an error on the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum BatchFault {
    /// The GPU has too little memory for it.
    Memory,
    /// The numbers were not finite.
    #[cfg_attr(
        not(feature = "tensorrt"),
        allow(dead_code, reason = "only TensorRT has kernels that may give it")
    )]
    NotFinite,
    /// The error has nothing to do with it.
    None,
}

/// Error of starting a batch of some size.
pub(in crate::engine) trait BatchError {
    /// Returns the error's bearing on the batch.
    fn batch_fault(&self) -> BatchFault;
}

/// Returns the number of segments of the first batch to try, where the user asked for `asked`.
pub(in crate::engine) fn first_batch(asked: Option<usize>, gpu: &Gpu) -> usize {
    asked.unwrap_or(if gpu.memory_bytes < SMALL_GPU_BYTES {
        1
    } else {
        DEFAULT_BATCH
    })
}

/// Opens, by `open`, what runs batches of the size that was asked for, or of the largest that
/// works. Returns it with the size.
pub(in crate::engine) fn open_largest<T, E: BatchError>(
    asked: Option<usize>,
    gpu: &Gpu,
    listener: &mut dyn Listener,
    mut open: impl FnMut(usize, &mut dyn Listener) -> Result<T, E>,
) -> Result<(T, usize), E> {
    let mut batch = first_batch(asked, gpu);
    let mut tried = vec![batch];
    loop {
        let error = match open(batch, listener) {
            Ok(opened) => return Ok((opened, batch)),
            Err(error) => error,
        };

        let fault = error.batch_fault();
        match next_batch(fault, &tried, asked.is_some()) {
            Some(next) => batch = next,
            None => return Err(error),
        }

        listener.preparing(match fault {
            BatchFault::NotFinite => Preparing::OtherBatch { batch },
            _ => Preparing::SmallerBatch { batch },
        });
        tried.push(batch);
    }
}

/// Returns the batch to try after those in `tried`, the last of which failed with `fault`. Halves
/// the batch where memory is short. Tries another batch where the numbers were not finite, unless
/// the user asked for that batch: TensorRT-RTX 1.6.1 gave such for `sextet-mini` on an H200 with a
/// batch of 1, but not with 2 or 4.
fn next_batch(fault: BatchFault, tried: &[usize], is_asked_for: bool) -> Option<usize> {
    let last = *tried.last()?;
    let halves =
        std::iter::successors(Some(last / 2), |half| Some(half / 2)).take_while(|&half| half > 0);
    let mut candidates: Vec<usize> = match fault {
        BatchFault::Memory => halves.take(1).collect(),
        BatchFault::NotFinite if !is_asked_for => halves.chain([2 * last]).collect(),
        _ => Vec::new(),
    };

    candidates.retain(|batch| !tried.contains(batch));
    candidates.first().copied()
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn another_batch_is_tried_where_it_may_help() {
        use BatchFault::{Memory, None as Other, NotFinite};
        let cases: [(BatchFault, &[usize], bool, Option<usize>); 14] = [
            (Memory, &[4], false, Some(2)),
            (Memory, &[64], true, Some(32)),
            (Memory, &[4, 2], false, Some(1)),
            (Memory, &[4, 2, 1], false, None),
            (Memory, &[1], true, None),
            (NotFinite, &[4], false, Some(2)),
            (NotFinite, &[4, 2], false, Some(1)),
            (NotFinite, &[4, 2, 1], false, None),
            (NotFinite, &[1], false, Some(2)),
            (NotFinite, &[1, 2], false, Some(4)),
            (NotFinite, &[1], true, None),
            // A batch that ran short of memory is not tried again.
            (Memory, &[1, 2], false, None),
            (NotFinite, &[2, 1], false, None),
            (Other, &[4], false, None),
        ];

        each_case(cases, |(fault, tried, is_asked_for, expected)| {
            assert_eq!(
                next_batch(fault, tried, is_asked_for),
                expected,
                "{fault:?}, after {tried:?}"
            );
        });
    }
}
