//! One audio file a stem, wherever they are put until they are complete.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Result;
use sextet_separator::audio::{Audio, AudioWriter, FileFormat, WriteOptions};
use sextet_separator::{Error, ErrorKind, Outputs};

use crate::fault::{Fault, Kind, Report};

/// The files of one song's stems.
pub(crate) struct StemWriters {
    places: Vec<PathBuf>,
    options: WriteOptions,
    writers: Vec<AudioWriter>,
}

impl StemWriters {
    /// Files at `places`, in the order of the parts, written as `options` say.
    pub(crate) fn new(places: Vec<PathBuf>, options: WriteOptions) -> Self {
        Self { places, options, writers: Vec::new() }
    }

    /// Where the files will be.
    pub(crate) fn places(&self) -> &[PathBuf] {
        &self.places
    }

    /// Begins the files: `add` is given each place and what creates a file under the path that it is given in turn.
    ///
    /// # Errors
    /// When there is no room for them, or one cannot be created.
    pub(crate) fn start(
        &mut self,
        outputs: &Outputs,
        mut add: impl FnMut(&Path, &mut dyn FnMut(&Path) -> Result<AudioWriter>) -> Result<AudioWriter>,
    ) -> Result<()> {
        self.check_room(outputs)?;
        for place in &self.places {
            let options = &self.options;
            let mut create = |path: &Path| Ok(AudioWriter::create(path, outputs.layout, options, outputs.frames)?);
            self.writers.push(add(place, &mut create).map_err(|error| cannot_write(place, &error))?);
        }
        Ok(())
    }

    /// Appends `block` to part number `part`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&mut self, part: usize, block: &Audio) -> Result<()> {
        write(&mut self.writers[part], &self.places[part], block)
    }

    /// Appends a block to every part, each on a thread of its own: converting samples and handing them to the system
    /// takes longer than a GPU does for the stems themselves.
    ///
    /// # Errors
    /// When one cannot be written.
    pub(crate) fn write_all(&mut self, blocks: &[Audio]) -> Result<()> {
        let files = self.writers.iter_mut().zip(&self.places).zip(blocks);
        thread::scope(|scope| {
            let writing: Vec<_> =
                files.map(|((writer, place), block)| scope.spawn(move || write(writer, place, block))).collect();
            // A writer that panics is a mistake that is told like any other.
            let ended =
                |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            writing.into_iter().map(ended).fold(Ok(()), Result::and)
        })
    }

    /// Completes the files. Returns how many samples did not fit into integers.
    ///
    /// # Errors
    /// When one cannot be completed.
    pub(crate) fn finish(&mut self) -> Result<u64> {
        let mut clipped = 0;
        for (writer, place) in std::mem::take(&mut self.writers).into_iter().zip(&self.places) {
            clipped += writer.finish().map_err(|error| cannot_write(place, &error.into()))?.clipped_samples;
        }
        Ok(clipped)
    }

    /// Refuses before the work what would fill the disk during it. Only for WAV, whose size is known.
    fn check_room(&self, outputs: &Outputs) -> Result<()> {
        if self.options.format != FileFormat::Wav {
            return Ok(());
        }
        let needed = bytes(outputs, self.places.len(), self.options.bits.count() / 8);
        let folder = self.places[0].ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        match fs4::available_space(folder) {
            Ok(free) if free < needed => {
                let message = format!("the stems need {} and the disk has {}", megabytes(needed), megabytes(free));
                Err(Fault::new(Kind::Output, message).into())
            }
            _ => Ok(()),
        }
    }
}

fn write(writer: &mut AudioWriter, place: &Path, block: &Audio) -> Result<()> {
    writer.write(block).map_err(|error| cannot_write(place, &error.into()).into())
}

/// Bytes of the samples of `files` files.
pub(crate) fn bytes(outputs: &Outputs, files: usize, bytes_a_sample: u32) -> u64 {
    outputs.frames * outputs.layout.channels as u64 * files as u64 * u64::from(bytes_a_sample)
}

/// The stem that could not be written, and the root of the trouble: the causes between speak of unfinished names.
pub(crate) fn cannot_write(place: &Path, error: &anyhow::Error) -> Fault {
    let root = error.root_cause();
    Fault::new(Kind::Output, format!("cannot write '{}': {root}", place.display()))
}

/// What a sink's error becomes on its way through the separator.
pub(crate) fn as_library(error: anyhow::Error) -> Error {
    Error::new(ErrorKind::Output, Report::of(&error).message)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
