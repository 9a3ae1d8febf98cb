//! The reading of a song on a thread of its own: the first song of a batch is read while the engine
//! starts.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, spawn};
use std::time::Instant;

use sextet_separator::audio::{AudioFile, Tags};
use sextet_separator::timings::timed;
use sextet_separator::{DecodeOptions, Decoded, Listener, Progress, Result};

use crate::decoding;
use crate::stems::Stamp;

/// A song that is being read. Dropping it cancels the reading.
pub(super) struct Reading {
    /// The file.
    pub(super) song: PathBuf,
    /// Start of the reading.
    pub(super) since: Instant,
    /// Stamp of the file before the reading.
    stamp: Option<Stamp>,
    progress: Receiver<Progress>,
    thread: JoinHandle<Result<(Decoded<AudioFile>, Tags)>>,
    _hold: Hold,
}

/// Cancels the reading when dropped.
struct Hold(Arc<AtomicBool>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A song that was read.
pub(super) struct Read {
    pub(super) song: Decoded<AudioFile>,
    pub(super) tags: Tags,
    /// Stamp of the file before it was read.
    pub(super) stamp: Option<Stamp>,
}

impl Reading {
    /// Begins to read `song`.
    pub(super) fn start(song: &Path, options: DecodeOptions) -> Self {
        let (teller, progress) = channel();
        let given_up = Arc::new(AtomicBool::default());
        let listener = ReadListener {
            teller,
            given_up: given_up.clone(),
        };

        let path = song.to_owned();
        let stamp = Stamp::of(song).ok();
        let thread = spawn(move || read(&path, options, listener));
        Self {
            song: song.to_owned(),
            since: Instant::now(),
            stamp,
            progress,
            thread,
            _hold: Hold(given_up),
        }
    }

    /// Waits for the end of the reading; `listener` receives the progress.
    ///
    /// # Errors
    /// The reason why the song cannot be read.
    pub(super) fn finish(self, listener: &mut dyn Listener) -> Result<Read> {
        while let Ok(progress) = self.progress.recv() {
            listener.progress(progress);
        }
        // A panic of the decoder goes on in this thread, where it is reported.
        let (song, tags) = self
            .thread
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))?;
        Ok(Read {
            song,
            tags,
            stamp: self.stamp,
        })
    }
}

fn read(
    path: &Path,
    options: DecodeOptions,
    mut listener: ReadListener,
) -> Result<(Decoded<AudioFile>, Tags)> {
    let file = timed("open the song", || decoding::open(path))?;
    let tags = timed("read the tags", || Tags::read(path));
    let song = timed("read the song", || {
        Decoded::read(file, options, &mut listener, &mut |_| ())
    })?;
    Ok((song, tags))
}

/// Listener that sends the progress to the thread that waits for the song.
struct ReadListener {
    teller: Sender<Progress>,
    given_up: Arc<AtomicBool>,
}

impl Listener for ReadListener {
    fn progress(&mut self, progress: Progress) {
        // Ignore the error: the receiver may be gone.
        let _ = self.teller.send(progress);
    }

    fn cancelled(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }
}
