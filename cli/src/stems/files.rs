//! A song's stems as files. They are written under unfinished names and renamed when all are whole.

use std::cell::Cell;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use sextet_separator::audio::WrittenFile;
use sextet_separator::{Outputs, StemSink, audio::Audio};

use super::care::Care;
use super::form::Form;
use super::writers::{StemWriters, as_library, cannot_write};
use crate::unfinished::{Set, Unfinished};

/// Writes one file for each part, or one for all.
pub(crate) struct StemFiles<'a> {
    /// Seconds of audio, set as soon as they are known, for the display of the speed.
    seconds: &'a Cell<Option<f64>>,
    // Before the set: files are closed before they are deleted.
    writers: StemWriters,
    set: Set<'a>,
}

impl<'a> StemFiles<'a> {
    /// Prepares files at `places`. With `tagged`, the tags of each say which stem it is.
    pub(crate) fn new(
        places: &'a [PathBuf],
        form: impl Into<Form>,
        care: Care,
        tagged: bool,
        seconds: &'a Cell<Option<f64>>,
        unfinished: &'a Unfinished,
    ) -> Self {
        Self {
            seconds,
            set: unfinished.set(),
            writers: StemWriters::new(places.to_vec(), form, care).tagged(tagged),
        }
    }

    /// Completes the files; [`StemFiles::commit`] must follow. Returns the facts about each.
    ///
    /// # Errors
    /// When a file cannot be written; all are deleted once this is dropped.
    pub(crate) fn complete(&mut self) -> Result<Vec<WrittenFile>> {
        self.writers.finish()
    }

    /// Adds a file with `contents` to the set.
    ///
    /// # Errors
    /// When it cannot be written; all are deleted once this is dropped.
    pub(crate) fn add(&mut self, place: &Path, contents: &[u8]) -> Result<()> {
        let created = self.set.create(place);
        created
            .and_then(|mut created| created.file.write_all(contents))
            .map_err(|error| cannot_write(place, &error.into()).into())
    }

    /// Creates another file, for `place`, which appears together with the stems.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(crate) fn create(&mut self, place: &Path) -> Result<File> {
        let created = self.set.create(place);
        created
            .map(|created| created.file)
            .map_err(|error| cannot_write(place, &error.into()).into())
    }

    /// Gives the files their names.
    ///
    /// # Errors
    /// When a file cannot be renamed; all are deleted then.
    pub(crate) fn commit(self) -> Result<()> {
        let first = self.writers.places().first().cloned().unwrap_or_default();
        self.set
            .commit()
            .map_err(|error| cannot_write(&first, &error.into()).into())
    }
}

/// Returns the number of samples in all files that did not fit into integers.
pub(crate) fn clipped(written: &[WrittenFile]) -> u64 {
    written.iter().map(|written| written.clipped_samples).sum()
}

impl StemSink for StemFiles<'_> {
    fn start(&mut self, outputs: &Outputs) -> sextet_separator::Result<()> {
        self.seconds.set(Some(
            outputs.frames as f64 / f64::from(outputs.layout.rate_hz),
        ));
        let set = &mut self.set;
        let create = |place: &Path| Ok(set.create(place)?);
        self.writers.start(outputs, create).map_err(as_library)
    }

    fn write(&mut self, part: usize, block: &Audio) -> sextet_separator::Result<()> {
        self.writers.write(part, block.clone()).map_err(as_library)
    }

    fn write_all(&mut self, blocks: Vec<Audio>) -> sextet_separator::Result<()> {
        self.writers.write_all(blocks).map_err(as_library)
    }
}
