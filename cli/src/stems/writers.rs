//! Writers of a song's stems: one audio file a stem, each written by a thread of its own. The
//! caller creates the files, and decides which names they have until they are complete.

use std::fs::File;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{JoinHandle, spawn};

use anyhow::{Result, anyhow};
use sextet_separator::audio::{Audio, AudioWriter, FileFormat, WriteOptions, WrittenFile};
use sextet_separator::timings::timed;
use sextet_separator::{Error, ErrorKind, Outputs};

use crate::fault::{Fault, Kind, Report};

/// Blocks that may wait for a file's thread.
const BLOCKS: usize = 2;

/// The files of one song's stems.
pub(crate) struct StemWriters {
    places: Vec<PathBuf>,
    options: WriteOptions,
    /// Whether the tags of each file say which stem it is.
    tagged: bool,
    care: Care,
    files: Vec<Filing>,
}

/// The measure that protects against incomplete files after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Files are synced to the disk as soon as they are complete.
    OnDisk,
    /// Files are compared with their hashes when they are used.
    Checked,
    /// None: files are read by this process and then deleted.
    Passing,
}

/// A file and the thread that writes it. Converting samples and handing them to the system takes
/// longer than a GPU takes to compute the stems.
struct Filing {
    messages: SyncSender<Message>,
    thread: JoinHandle<Result<WrittenFile>>,
}

/// A message to a file's thread.
enum Message {
    Write(Audio),
    Finish,
}

impl StemWriters {
    /// Prepares files at `places`, in the order of the parts, with the given `options`. Creates
    /// nothing yet.
    pub(crate) fn new(places: Vec<PathBuf>, options: WriteOptions, care: Care) -> Self {
        Self {
            places,
            options,
            tagged: false,
            care,
            files: Vec::new(),
        }
    }

    /// Lets the tags of each file say which stem it is, and by what it was made.
    pub(crate) fn tagged(mut self, tagged: bool) -> Self {
        self.tagged = tagged;
        self
    }

    /// Returns the final paths of the files.
    pub(crate) fn places(&self) -> &[PathBuf] {
        &self.places
    }

    /// Begins the files. `create` creates the one for a place.
    ///
    /// # Errors
    /// When the disk has too little room, or a file cannot be created.
    pub(crate) fn start(
        &mut self,
        outputs: &Outputs,
        mut create: impl FnMut(&Path) -> Result<File>,
    ) -> Result<()> {
        self.check_room(outputs)?;
        for (place, part) in self.places.iter().zip(&outputs.parts) {
            let (layout, frames) = (outputs.layout, outputs.frames);
            let mut options = self.options.clone();
            if self.tagged {
                options.tags = options.tags.of_stem(&part.name, env!("CARGO_PKG_VERSION"));
            }
            let options = &options;
            let writer = create(place).and_then(|file| {
                Ok(match self.care {
                    Care::OnDisk | Care::Passing => {
                        AudioWriter::new(file, layout, options, frames)?
                    }
                    Care::Checked => AudioWriter::with_hash(file, layout, options, frames)?,
                })
            });
            let writer = writer.map_err(|error| cannot_write(place, &error))?;
            self.files
                .push(Filing::start(writer, self.care, place.clone()));
        }

        Ok(())
    }

    /// Appends `block` to part number `part`.
    ///
    /// # Errors
    /// When this block or an earlier one cannot be written.
    pub(crate) fn write(&mut self, part: usize, block: Audio) -> Result<()> {
        if self.files[part]
            .messages
            .send(Message::Write(block))
            .is_ok()
        {
            return Ok(());
        }
        // The thread ends early only if it has failed.
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

    /// Completes the files and returns the facts about each.
    ///
    /// # Errors
    /// When a file cannot be completed.
    pub(crate) fn finish(&mut self) -> Result<Vec<WrittenFile>> {
        let files = std::mem::take(&mut self.files);
        for file in &files {
            // A thread that has ended already reports its error below.
            let _ = file.messages.send(Message::Finish);
        }
        let written: Vec<_> = files.into_iter().map(Filing::end).collect();
        written.into_iter().collect()
    }

    /// Refuses stems that would fill the disk, before the work begins. Only for WAV, whose size is
    /// known in advance.
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
    /// Waits for the threads, which close their files.
    fn drop(&mut self) {
        for Filing { messages, thread } in self.files.drain(..) {
            drop(messages);
            let _ = thread.join();
        }
    }
}

impl Filing {
    fn start(writer: AudioWriter<File>, care: Care, place: PathBuf) -> Self {
        let (messages, received) = sync_channel(BLOCKS);
        let thread = spawn(move || {
            fill(writer, care, &received).map_err(|error| cannot_write(&place, &error).into())
        });
        Self { messages, thread }
    }

    /// Waits for the thread and returns its result.
    fn end(self) -> Result<WrittenFile> {
        drop(self.messages);
        // A panic of the writer goes on in this thread, where it is reported.
        self.thread
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Handles the messages for one file.
fn fill(
    mut writer: AudioWriter<File>,
    care: Care,
    received: &Receiver<Message>,
) -> Result<WrittenFile> {
    while let Ok(message) = received.recv() {
        match message {
            Message::Write(block) => timed("write a stem", || writer.write(&block))?,
            Message::Finish => return timed("finish a stem", || finish(writer, care)),
        }
    }
    Err(anyhow!("it was given up"))
}

fn finish(writer: AudioWriter<File>, care: Care) -> Result<WrittenFile> {
    let (written, file) = writer.finish()?;
    if care == Care::OnDisk {
        file.sync_all()?;
    }
    Ok(written)
}

/// Returns the bytes of the samples of `files` files.
pub(crate) fn bytes(outputs: &Outputs, files: usize, bytes_a_sample: u32) -> u64 {
    outputs.frames * outputs.layout.channels as u64 * files as u64 * u64::from(bytes_a_sample)
}

/// The fault of a stem that cannot be written, with the root cause only.
pub(crate) fn cannot_write(place: &Path, error: &anyhow::Error) -> Fault {
    let root = error.root_cause();
    Fault::new(
        Kind::Output,
        format!("cannot write '{}': {root}", place.display()),
    )
}

/// Converts a sink's error for its way through the separator.
pub(crate) fn as_library(error: anyhow::Error) -> Error {
    let report = Report::of(&error);
    Error::new(ErrorKind::Output, report.message).with_remedies(report.remedies.known().to_vec())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
