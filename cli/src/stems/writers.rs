//! Writers of a song's stems: one audio file a stem, each written by a thread of its own. The
//! caller creates the files, and decides which names they have until they are complete.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{JoinHandle, spawn};

use anyhow::{Result, anyhow};
use sextet_separator::audio::{Audio, Layout, WrittenFile};
use sextet_separator::timings::timed;
use sextet_separator::{Error, ErrorKind, Outputs, Remedy};

use super::care::Care;
use super::form::{Created, Form, FormWriter};
use crate::fault::{Fault, Kind, Report};

/// Blocks that may wait for a file's thread.
const BLOCKS: usize = 2;

/// The files of one song's stems.
pub(crate) struct StemWriters {
    places: Vec<PathBuf>,
    form: Form,
    /// Whether the tags of each file say which stem it is.
    tagged: bool,
    care: Care,
    files: Vec<Filing>,
    /// Number of parts.
    parts: usize,
    /// Blocks that wait for those of the other parts, which go into the same file.
    waiting: Vec<Audio>,
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
    /// Prepares files at `places`, in the order of the parts, in the given `form`. Creates nothing
    /// yet.
    pub(crate) fn new(places: Vec<PathBuf>, form: impl Into<Form>, care: Care) -> Self {
        Self {
            places,
            form: form.into(),
            tagged: false,
            care,
            files: Vec::new(),
            parts: 0,
            waiting: Vec::new(),
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
        mut create: impl FnMut(&Path) -> Result<Created>,
    ) -> Result<()> {
        self.check_room(outputs)?;
        self.parts = outputs.parts.len();
        let layout = if self.form.is_joined() {
            Layout {
                channels: outputs.layout.channels * self.parts,
                ..outputs.layout
            }
        } else {
            outputs.layout
        };

        for (place, part) in self.places.iter().zip(&outputs.parts) {
            let form = self.form.clone().map_tags(|tags| match self.tagged {
                false => tags.clone(),
                true if self.form.is_joined() => tags.of_stems(env!("CARGO_PKG_VERSION")),
                true => tags.of_stem(&part.name, env!("CARGO_PKG_VERSION")),
            });
            let writer = create(place)
                .and_then(|created| form.begin(created, layout, outputs.frames, self.care));
            let writer = writer.map_err(|error| cannot_write(place, &error))?;
            self.files.push(Filing::start(writer, place.clone()));
        }

        Ok(())
    }

    /// Appends `block` to part number `part`.
    ///
    /// # Errors
    /// When this block or an earlier one cannot be written.
    pub(crate) fn write(&mut self, part: usize, block: Audio) -> Result<()> {
        if !self.form.is_joined() {
            return self.hand_over(part, block);
        }

        // All parts receive the same frames, one part after the other.
        self.waiting.push(block);
        if self.waiting.len() < self.parts {
            return Ok(());
        }
        let blocks = std::mem::take(&mut self.waiting);
        let rate_hz = blocks[0].rate_hz();
        let channels = blocks.iter().flat_map(|block| block.channels().to_vec());
        self.hand_over(0, Audio::new(channels.collect(), rate_hz))
    }

    fn hand_over(&mut self, file: usize, block: Audio) -> Result<()> {
        if self.files[file]
            .messages
            .send(Message::Write(block))
            .is_ok()
        {
            return Ok(());
        }
        // The thread ends early only if it has failed.
        self.files
            .swap_remove(file)
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

    /// Refuses stems that would fill the disk, before the work begins. Only for files whose size is
    /// known in advance.
    fn check_room(&self, outputs: &Outputs) -> Result<()> {
        let Some(bytes_a_sample) = self.form.bytes_a_sample() else {
            return Ok(());
        };

        let needed = bytes(outputs, self.places.len(), bytes_a_sample);
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
                let remedies = [Remedy::MakeRoom, Remedy::ChooseFolder];
                Err(Fault::new(Kind::Output, message).remedy(remedies).into())
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
    fn start(writer: FormWriter, place: PathBuf) -> Self {
        let (messages, received) = sync_channel(BLOCKS);
        let thread = spawn(move || {
            fill(writer, &received).map_err(|error| cannot_write(&place, &error).into())
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
fn fill(mut writer: FormWriter, received: &Receiver<Message>) -> Result<WrittenFile> {
    while let Ok(message) = received.recv() {
        match message {
            Message::Write(block) => timed("write a stem", || writer.write(&block))?,
            Message::Finish => return timed("finish a stem", || writer.finish()),
        }
    }
    Err(anyhow!("it was given up"))
}

/// Returns the bytes of the samples of `files` files.
pub(crate) fn bytes(outputs: &Outputs, files: usize, bytes_a_sample: u32) -> u64 {
    outputs.frames * outputs.layout.channels as u64 * files as u64 * u64::from(bytes_a_sample)
}

/// The fault of a stem that cannot be written, with the root cause only.
pub(crate) fn cannot_write(place: &Path, error: &anyhow::Error) -> Fault {
    let root = error.root_cause();
    let message = format!("cannot write '{}': {root}", place.display());
    let fault = Fault::new(Kind::Output, message);
    let library = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Error>());
    match library.map(|error| error.remedies().to_vec()) {
        Some(remedies) if !remedies.is_empty() => fault.remedy(remedies),
        _ => fault,
    }
}

/// Converts a sink's error for its way through the separator.
pub(crate) fn as_library(error: anyhow::Error) -> Error {
    let report = Report::of(&error);
    Error::new(ErrorKind::Output, report.message).with_remedies(report.remedies.known().to_vec())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
