//! Amount of work of a song, by which an engine is chosen.

use std::path::Path;
use std::time::Duration;

use sextet_separator::audio::AudioFile;
use sextet_separator::{Options, Work};

/// Bytes of a second of a song whose file does not tell its length: MP3 at 128 kbit/s.
const USUAL_BYTES_A_SECOND: f64 = 16_000.0;

/// Returns the work of the song at `path`, if it can be read.
pub(crate) fn work_of_song(path: &Path, options: &Options, segment_frames: usize) -> Option<Work> {
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
