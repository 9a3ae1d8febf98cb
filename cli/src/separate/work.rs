//! The amount of work in a batch, estimated from facts that are known before songs are read. The
//! choice of an engine depends on it.

use std::path::Path;
use std::time::Duration;

use sextet_separator::audio::AudioFile;
use sextet_separator::{Options, Work};

use super::choice::Choice;
use super::jobs::SongJob;

/// Bytes of a second of a song whose file does not tell its length: MP3 at 128 kbit/s.
const USUAL_BYTES_A_SECOND: f64 = 16_000.0;

/// Returns the work of each of `jobs` on a model that takes `segment_frames` at a time. The
/// iterator opens a song only when it reaches it. Songs that cannot be read, or are to be skipped,
/// are left out.
pub(super) fn of<'a>(
    jobs: &'a [SongJob],
    choice: &'a Choice,
    segment_frames: usize,
) -> impl Iterator<Item = Work> + 'a {
    jobs.iter()
        .filter(|job| is_to_do(job, choice))
        .filter_map(move |job| of_song(&job.input, &choice.options, segment_frames))
}

/// Whether there is anything to do for `job`.
pub(super) fn is_to_do(job: &SongJob, choice: &Choice) -> bool {
    job.found.is_ok() && !(choice.skip_existing && job.is_complete())
}

/// Returns the work of the song at `path`, if it can be read.
pub(crate) fn of_song(path: &Path, options: &Options, segment_frames: usize) -> Option<Work> {
    let file = AudioFile::open(path).ok()?;
    let info = file.info();
    let seconds = match info.frames {
        Some(frames) => frames as f64 / f64::from(info.layout.rate_hz),
        None => std::fs::metadata(path).ok()?.len() as f64 / USUAL_BYTES_A_SECOND,
    };

    Some(Work::of_song(
        Duration::from_secs_f64(seconds),
        options,
        segment_frames,
    ))
}
