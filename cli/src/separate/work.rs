//! Amount of work in a batch, estimated from facts that are known before songs are read. The choice
//! of an engine depends on it.

use sextet_separator::Work;

use super::choice::Choice;
use super::jobs::SongJob;
use crate::engine::work_of_song;

/// Returns the work of each of `jobs` on a model that takes `segment_frames` at a time. The
/// iterator opens a song only when it reaches it. Songs that cannot be read, or are to be skipped,
/// are left out.
pub(super) fn of<'a>(
    jobs: &'a [SongJob],
    choice: &'a Choice,
    segment_frames: usize,
) -> impl Iterator<Item = Work> + 'a {
    jobs.iter()
        .filter(|job| is_to_do(job))
        .filter_map(move |job| work_of_song(&job.input, &choice.options, segment_frames))
}

/// Whether there is anything to do for `job`.
pub(super) fn is_to_do(job: &SongJob) -> bool {
    job.found.is_ok() && !job.done
}
