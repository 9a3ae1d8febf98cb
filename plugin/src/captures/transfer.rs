//! Copying files, whole or not at all, with progress, until it is cancelled.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sextet_fs::{AtomicDir, AtomicFile};

/// Number of bytes that are copied at a time.
const RUN_BYTES: usize = 1 << 20;

/// The progress of an errand, and whether it is cancelled.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) done: AtomicU64,
    pub(super) total: AtomicU64,
    pub(super) is_cancelled: AtomicBool,
}

impl Watch {
    /// Counts bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] when the errand is cancelled.
    pub(super) fn advance(&self, bytes: u64) -> io::Result<()> {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        if self.is_cancelled.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(())
    }

    /// Announces bytes.
    pub(super) fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Copies a file to `place`, unless one of the same size is there.
///
/// # Errors
/// The system's error, or that it was cancelled. `place` is as it was then.
pub(super) fn copy_file(from: &Path, place: &Path, watch: &Watch) -> io::Result<()> {
    let bytes = fs::metadata(from)?.len();
    if fs::metadata(place).is_ok_and(|there| there.is_file() && there.len() == bytes) {
        return watch.advance(bytes);
    }

    let mut file = AtomicFile::beside(place)?;
    copy(from, &mut file, watch)?;
    file.commit(place)
}

/// Copies the files of a folder to `place`, unless there is one.
///
/// # Errors
/// The system's error, or that it was cancelled. There is no folder at `place` then.
pub(super) fn copy_folder(from: &Path, place: &Path, watch: &Watch) -> io::Result<()> {
    if place.is_dir() {
        return watch.advance(bytes_of_folder(from));
    }

    let folder = AtomicDir::beside(place)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let mut file = File::create(folder.path().join(entry.file_name()))?;
            copy(&entry.path(), &mut file, watch)?;
        }
    }
    folder.commit(place)
}

/// Returns the bytes of the files in a folder.
pub(super) fn bytes_of_folder(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .filter(fs::Metadata::is_file)
        .map(|metadata| metadata.len())
        .sum()
}

fn copy(from: &Path, to: &mut impl io::Write, watch: &Watch) -> io::Result<()> {
    let mut from = File::open(from)?;
    let mut run = vec![0; RUN_BYTES];
    loop {
        let count = from.read(&mut run)?;
        if count == 0 {
            return to.flush();
        }
        to.write_all(&run[..count])?;
        watch.advance(count as u64)?;
    }
}
