//! The import of any audio file as a capture.

use std::path::Path;

use anyhow::Result;
use sextet_protocol::DATA_VARIABLE;
use sextet_protocol::worker::{Reply, Stage};
use sextet_separator::audio::{AudioStream as _, AudioWriter, Folded, Layout, WriteOptions};

use super::clip::{Clip, Throttled};
use super::context::JobContext;
use super::job::Job;
use crate::fault::{Fault, Kind};
use crate::stems::cannot_write;

/// Imports the file at `song`. It is read once for its fingerprint and length, and once more to be
/// copied.
///
/// # Errors
/// When the file cannot be read, or the capture cannot be written; nothing is left of the capture
/// then.
pub(super) fn run(context: &JobContext, job: &Job, song: &Path) -> Result<()> {
    let clip = Clip::read(song, job)?;
    let reply = Reply::Imported {
        job: job.id(),
        audio: clip.audio,
        rate_hz: clip.rate_hz,
        frames: clip.frames,
    };

    let place = context.folders.capture(&clip.audio);

    // A file of this name has this audio, and files get their names when they are complete.
    if place.is_file() {
        return job.end(|| Ok(reply));
    }

    let fault = |error: anyhow::Error| {
        let remedy =
            format!("make room there, or set {DATA_VARIABLE} to a folder that can be written to");
        Fault::new(Kind::Output, cannot_write(&place, &error).to_string()).remedy(remedy)
    };

    // Begin the capture under an unfinished name.
    let mut set = context.unfinished.set();
    let layout = Layout {
        channels: 2,
        rate_hz: clip.rate_hz,
    };
    let file = set
        .create(&place)
        .map_err(|error| fault(error.into()))?
        .file;
    let mut writer = AudioWriter::new(file, layout, &WriteOptions::default(), clip.frames)
        .map_err(|error| fault(error.into()))?;
    let mut stream = Folded::new(clip.file.stream()?);
    let (mut progress, mut done) = (Throttled::new(job), 0);

    // Copy the song as stereo.
    while let Some(block) = stream.next_block()? {
        job.check()?;
        writer.write(&block).map_err(|error| fault(error.into()))?;
        done += block.frames() as u64;
        progress.tell(Stage::Writing, done, clip.frames, None, None);
    }

    // Sync the capture while the job can still be cancelled, then publish it.
    let (_, file) = writer.finish().map_err(|error| fault(error.into()))?;
    file.sync_all().map_err(|error| fault(error.into()))?;
    drop(file);

    job.end(|| {
        set.commit().map_err(|error| fault(error.into()))?;
        Ok(reply)
    })
}
