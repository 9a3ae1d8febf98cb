//! One audio file a stem, wherever they are put until they are complete, each written by a thread
//! of its own.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{JoinHandle, spawn};

use anyhow::{Result, anyhow};
use sextet_separator::audio::{Audio, AudioWriter, FileFormat, WriteOptions, Written};
use sextet_separator::timings::timed;
use sextet_separator::{Error, ErrorKind, Outputs};

use crate::fault::{Fault, Kind, Report};

/// Blocks that a file may be behind.
const BLOCKS: usize = 2;

/// The files of one song's stems.
pub(crate) struct StemWriters {
    places: Vec<PathBuf>,
    options: WriteOptions,
    care: Care,
    files: Vec<Filing>,
}

/// What is done for files to be whole whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// They are on the disk before they get their names.
    OnDisk,
    /// They are compared with their hashes when they are used.
    Checked,
}

/// A file that a thread writes: converting samples and handing them to the system takes longer than
/// a GPU does for the stems themselves.
struct Filing {
    orders: SyncSender<Order>,
    thread: JoinHandle<Result<Written>>,
}

/// What is to be done for a file.
enum Order {
    Write(Audio),
    Finish,
}

impl StemWriters {
    /// Files at `places`, in the order of the parts, written as `options` say.
    pub(crate) fn new(places: Vec<PathBuf>, options: WriteOptions, care: Care) -> Self {
        Self {
            places,
            options,
            care,
            files: Vec::new(),
        }
    }

    /// Where the files will be.
    pub(crate) fn places(&self) -> &[PathBuf] {
        &self.places
    }

    /// Begins the files: `add` is given each place and what creates a file under the path that it
    /// is given in turn.
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
            let (layout, options, frames) = (outputs.layout, &self.options, outputs.frames);
            let mut create = |path: &Path| {
                Ok(match self.care {
                    Care::OnDisk => AudioWriter::create(path, layout, options, frames)?,
                    Care::Checked => AudioWriter::create_checked(path, layout, options, frames)?,
                })
            };
            let writer = add(place, &mut create).map_err(|error| cannot_write(place, &error))?;
            self.files.push(Filing::start(writer, place.clone()));
        }

        Ok(())
    }

    /// Appends `block` to part number `part`.
    ///
    /// # Errors
    /// When it, or what was appended before, cannot be written.
    pub(crate) fn write(&mut self, part: usize, block: Audio) -> Result<()> {
        if self.files[part].orders.send(Order::Write(block)).is_ok() {
            return Ok(());
        }
        // The thread ends before its time only where it has failed.
        self.files
            .swap_remove(part)
            .end()
            .and_then(|_| Err(anyhow!("a file was finished too soon")))
    }

    /// Appends a block to every part.
    ///
    /// # Errors
    /// As [`StemWriters::write`].
    pub(crate) fn write_all(&mut self, blocks: Vec<Audio>) -> Result<()> {
        blocks
            .into_iter()
            .enumerate()
            .try_for_each(|(part, block)| self.write(part, block))
    }

    /// Completes the files, and says what was written of each.
    ///
    /// # Errors
    /// When one cannot be completed.
    pub(crate) fn finish(&mut self) -> Result<Vec<Written>> {
        let files = std::mem::take(&mut self.files);
        for file in &files {
            // One whose thread has ended says why in a moment.
            let _ = file.orders.send(Order::Finish);
        }
        let written: Vec<_> = files.into_iter().map(Filing::end).collect();
        written.into_iter().collect()
    }

    /// Refuses before the work what would fill the disk during it. Only for WAV, whose size is
    /// known.
    fn check_room(&self, outputs: &Outputs) -> Result<()> {
        if self.options.format != FileFormat::Wav {
            return Ok(());
        }

        let needed = bytes(outputs, self.places.len(), self.options.bits.count() / 8);
        let folder = self.places[0]
            .ancestors()
            .skip(1)
            .find(|folder| folder.is_dir())
            .unwrap_or(Path::new("."));

        match fs4::available_space(folder) {
            Ok(free) if free < needed => {
                let message = format!(
                    "the stems need {} and the disk has {}",
                    megabytes(needed),
                    megabytes(free)
                );
                Err(Fault::new(Kind::Output, message).into())
            }
            _ => Ok(()),
        }
    }
}

impl Drop for StemWriters {
    /// Waits for the threads, which leave nothing of files that are not complete.
    fn drop(&mut self) {
        for Filing { orders, thread } in self.files.drain(..) {
            drop(orders);
            let _ = thread.join();
        }
    }
}

impl Filing {
    fn start(writer: AudioWriter, place: PathBuf) -> Self {
        let (orders, heard) = sync_channel(BLOCKS);
        let thread = spawn(move || {
            fill(writer, &heard).map_err(|error| cannot_write(&place, &error).into())
        });
        Self { orders, thread }
    }

    /// What became of the file.
    fn end(self) -> Result<Written> {
        drop(self.orders);
        // A writer that panics is a mistake that is told like any other.
        self.thread
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Does what it hears for one file.
fn fill(mut writer: AudioWriter, heard: &Receiver<Order>) -> Result<Written> {
    while let Ok(order) = heard.recv() {
        match order {
            Order::Write(block) => timed("write a stem", || writer.write(&block))?,
            Order::Finish => return Ok(timed("finish a stem", || writer.finish())?),
        }
    }
    Err(anyhow!("it was given up"))
}

/// Bytes of the samples of `files` files.
pub(crate) fn bytes(outputs: &Outputs, files: usize, bytes_a_sample: u32) -> u64 {
    outputs.frames * outputs.layout.channels as u64 * files as u64 * u64::from(bytes_a_sample)
}

/// The stem that could not be written, and the root of the trouble: the causes between speak of
/// unfinished names.
pub(crate) fn cannot_write(place: &Path, error: &anyhow::Error) -> Fault {
    let root = error.root_cause();
    Fault::new(
        Kind::Output,
        format!("cannot write '{}': {root}", place.display()),
    )
}

/// What a sink's error becomes on its way through the separator.
pub(crate) fn as_library(error: anyhow::Error) -> Error {
    Error::new(ErrorKind::Output, Report::of(&error).message)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
