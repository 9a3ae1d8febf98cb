//! The delivery of a song's stems: complete files get their names, and a manifest beside them says
//! what they are.

use std::fs::File;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread::{JoinHandle, spawn};

use anyhow::{Context as _, Result};
use sextet_separator::audio::WrittenFile;

use super::choice::Choice;
use super::jobs::SongJob;
use crate::fault::{Fault, Kind};
use crate::stems::{
    Entry, FileRecord, MANIFEST_NAME, Manifest, ManifestLock, SongRecord, Stamp, StemFiles, Unknown,
};

/// A delivery that waits for its files.
pub(super) struct Delivery<'a> {
    choice: &'a Choice,
    job: &'a SongJob,
    /// State of the song's file when it was read.
    stamp: Option<Stamp>,
    /// Description of the song for the manifest, if there will be one.
    record: Option<JoinHandle<Result<SongRecord>>>,
}

impl<'a> Delivery<'a> {
    /// Prepares the delivery of the stems of `job`. For a manifest, the song's file is read once
    /// more, beside the separation.
    pub(super) fn begin(choice: &'a Choice, job: &'a SongJob, stamp: Option<Stamp>) -> Self {
        Self {
            choice,
            job,
            stamp,
            record: choice.manifest.then(|| record(job)),
        }
    }

    /// Gives `files` their names, with a manifest beside them if one is wanted. Returns warnings of
    /// those that were there, if they had been made by something else, and of a manifest that is
    /// not understood.
    ///
    /// # Errors
    /// When the song's file has changed since it was read, or a file cannot be renamed.
    pub(super) fn deliver(
        mut self,
        mut files: StemFiles,
        written: &[WrittenFile],
        engine: &str,
    ) -> Result<Vec<String>> {
        let (choice, job) = (self.choice, self.job);
        check_unchanged(job, self.stamp)?;
        let song = self.song()?;

        let _alone = ManifestLock::take();
        let folder = Manifest::folder(&job.outputs);
        let found = Manifest::find(&folder);
        let unknown = found.as_ref().err().copied();
        let manifest = found.unwrap_or_else(|_| Manifest::empty());
        let before = manifest.before(&folder, &job.outputs, &song, &choice.made);

        let manifest = if choice.manifest {
            let entry = entry(choice, job, written, song, engine);
            Some(manifest.with(entry))
        } else if manifest.knows(&folder, &job.outputs) {
            // The manifest that is there must stay true.
            Some(manifest.forget(&folder, &job.outputs))
        } else {
            None
        };
        let kept = unknown.map(|unknown| {
            let place = manifest.is_some().then(|| unknown.kept_at(&folder));
            keep(&mut files, &folder, unknown, place.as_deref())
        });
        if let Some(manifest) = manifest {
            files.add(&folder.join(MANIFEST_NAME), &manifest.to_bytes())?;
        }
        let kept = kept.transpose()?;
        files.commit()?;

        let replaced = |by| format!("stems in '{}' were replaced, made {by}", folder.display());
        Ok(before.map(replaced).into_iter().chain(kept).collect())
    }

    /// Returns the description of the song.
    fn song(&mut self) -> Result<SongRecord> {
        match self.record.take() {
            Some(record) => record
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic))
                .with_context(|| format!("'{}' cannot be read again", self.job.shown())),
            None => SongRecord::unread(&self.job.input),
        }
    }
}

/// Keeps the file in `folder` that is called like a manifest and not understood: at `place`, which
/// appears with `files`, or where it is. Returns what is to be told of it.
fn keep(
    files: &mut StemFiles,
    folder: &Path,
    unknown: Unknown,
    place: Option<&Path>,
) -> Result<String> {
    let path = folder.join(MANIFEST_NAME);
    let Some(place) = place else {
        let shown = path.display();
        return Ok(format!(
            "'{shown}' {unknown}; it was left as it is, and may no longer be true"
        ));
    };

    let copied = File::open(&path).and_then(|mut from| {
        let mut to = files.create(place).map_err(std::io::Error::other)?;
        std::io::copy(&mut from, &mut to)
    });
    let shown = path.display();
    copied.with_context(|| {
        let message = format!("'{shown}' {unknown}, and cannot be kept beside the new one");
        Fault::new(Kind::Output, message).remedy("move it elsewhere")
    })?;
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!("'{shown}' {unknown}; it was kept as '{name}'"))
}

/// Returns what the manifest says of the stems of `song`.
fn entry(
    choice: &Choice,
    job: &SongJob,
    written: &[WrittenFile],
    song: SongRecord,
    engine: &str,
) -> Entry {
    let folder = Manifest::folder(&job.outputs);
    let parts = choice.parts.iter().zip(&job.outputs).zip(written);
    let stems = parts.map(|((part, place), written)| {
        let sha256 = written.sha256.clone().unwrap_or_default();
        FileRecord::new(&part.name, place, &folder, written.bytes, sha256)
    });
    Entry {
        song,
        made: choice.made.clone(),
        sextet: env!("CARGO_PKG_VERSION").to_owned(),
        engine: engine.to_owned(),
        stems: stems.collect(),
    }
}

/// Begins to describe the song for the manifest, beside the separation.
fn record(job: &SongJob) -> JoinHandle<Result<SongRecord>> {
    let path = job.input.clone();
    let shown = PathBuf::from(job.shown().to_string());
    spawn(move || SongRecord::of(&path, &shown))
}

/// Refuses stems of a file that was written to while it was read: a part of them would be of one
/// song and a part of another.
fn check_unchanged(job: &SongJob, before: Option<Stamp>) -> Result<()> {
    if Stamp::of(&job.input).ok() == before {
        return Ok(());
    }
    let message = format!("'{}' changed while it was read", job.shown());
    Err(Fault::new(Kind::Input, message)
        .remedy("separate it again once nothing writes to it")
        .into())
}
