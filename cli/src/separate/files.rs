//! A song's stems as files: written under unfinished names, given their own when all are whole.

use std::cell::Cell;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Result;
use sextet_separator::audio::{Audio, AudioWriter, FileFormat, WriteOptions};
use sextet_separator::{Error, ErrorKind, Outputs, StemSink};

use crate::fault::{Fault, Kind, Report};
use crate::unfinished::{Set, Unfinished};

/// Writes one file a part.
pub(super) struct StemFiles<'a> {
    places: &'a [PathBuf],
    options: WriteOptions,
    /// Seconds of audio, told to whoever shows the speed as soon as they are known.
    seconds: &'a Cell<Option<f64>>,
    set: Set<'a>,
    writers: Vec<AudioWriter>,
}

impl<'a> StemFiles<'a> {
    pub(super) fn new(
        places: &'a [PathBuf],
        options: WriteOptions,
        seconds: &'a Cell<Option<f64>>,
        unfinished: &'a Unfinished,
    ) -> Self {
        Self { places, options, seconds, set: unfinished.set(), writers: Vec::new() }
    }

    /// Completes the files and gives them their names. Returns how many samples did not fit into integers.
    ///
    /// # Errors
    /// When one cannot be written; none is left then.
    pub(super) fn finish(self) -> Result<u64> {
        let mut clipped = 0;
        for (writer, place) in self.writers.into_iter().zip(self.places) {
            clipped += writer.finish().map_err(|error| cannot_write(place, &error.into()))?.clipped_samples;
        }
        self.set.commit().map_err(|error| cannot_write(&self.places[0], &error.into()))?;
        Ok(clipped)
    }

    fn create(&mut self, outputs: &Outputs) -> Result<()> {
        check_room(self.places, &self.options, outputs)?;
        for place in self.places {
            let options = &self.options;
            let create = |path: &Path| Ok(AudioWriter::create(path, outputs.layout, options, outputs.frames)?);
            let via = |writer: &AudioWriter| Some(writer.temporary_path().to_owned());
            let writer = self.set.add::<_, anyhow::Error>(place, create, via);
            self.writers.push(writer.map_err(|error| cannot_write(place, &error))?);
        }
        Ok(())
    }
}

impl StemSink for StemFiles<'_> {
    fn start(&mut self, outputs: &Outputs) -> sextet_separator::Result<()> {
        self.seconds.set(Some(outputs.frames as f64 / f64::from(outputs.layout.rate_hz)));
        self.create(outputs).map_err(as_library)
    }

    fn write(&mut self, part: usize, block: &Audio) -> sextet_separator::Result<()> {
        write(&mut self.writers[part], &self.places[part], block)
    }

    /// Every file on a thread of its own: converting samples and copying them to the system takes longer than a GPU does
    /// for the stems themselves.
    fn write_all(&mut self, blocks: &[Audio]) -> sextet_separator::Result<()> {
        let files = self.writers.iter_mut().zip(self.places).zip(blocks);
        thread::scope(|scope| {
            let writing: Vec<_> =
                files.map(|((writer, place), block)| scope.spawn(move || write(writer, place, block))).collect();
            // A writer that panics is a mistake that is told like any other.
            let ended =
                |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            writing.into_iter().map(ended).fold(Ok(()), Result::and)
        })
    }
}

fn write(writer: &mut AudioWriter, place: &Path, block: &Audio) -> sextet_separator::Result<()> {
    writer.write(block).map_err(|error| as_library(cannot_write(place, &error.into()).into()))
}

/// The stem that could not be written, and the root of the trouble: the causes between speak of unfinished names.
fn cannot_write(place: &Path, error: &anyhow::Error) -> Fault {
    let root = error.root_cause();
    Fault::new(Kind::Output, format!("cannot write '{}': {root}", place.display()))
}

fn as_library(error: anyhow::Error) -> Error {
    Error::new(ErrorKind::Output, Report::of(&error).message)
}

/// Refuses before the work what would fill the disk during it. Only for WAV, whose size is known.
fn check_room(places: &[PathBuf], options: &WriteOptions, outputs: &Outputs) -> Result<()> {
    if options.format != FileFormat::Wav {
        return Ok(());
    }
    let samples = outputs.frames * outputs.layout.channels as u64 * places.len() as u64;
    let needed = samples * u64::from(options.bits.count() / 8);
    let folder = places[0].ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    match fs4::available_space(folder) {
        Ok(free) if free < needed => {
            let message = format!("the stems need {} and the disk has {}", megabytes(needed), megabytes(free));
            Err(Fault::new(Kind::Output, message).into())
        }
        _ => Ok(()),
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
