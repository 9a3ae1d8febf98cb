//! The stem cache: finds, makes and evicts entries. `sextet_protocol::cache` defines its layout.

mod command;
mod evict;
mod limit;
mod making;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sextet_protocol::cache::Entry;
use sextet_protocol::{CACHE_VARIABLE, ErrorKind, Fingerprint, Folders};

use crate::fault::{Fault, Kind};
use crate::unfinished::Unfinished;

pub(crate) use command::run;
pub(crate) use limit::Limit;
pub(crate) use making::Making;

/// File that is locked while entries are added or removed.
const LOCK_FILE: &str = ".lock";
/// Longest wait for another holder of the lock. Adding or removing an entry takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two attempts to lock.
const PAUSE: Duration = Duration::from_millis(20);

/// This user's stem cache.
#[derive(Clone, Debug)]
pub(crate) struct StemCache {
    folders: Folders,
    unfinished: Unfinished,
}

impl StemCache {
    /// Returns the cache in `folders`, which need not exist yet.
    pub(crate) fn new(folders: Folders, unfinished: &Unfinished) -> Self {
        Self {
            folders,
            unfinished: unfinished.clone(),
        }
    }

    /// Returns the entry `key` if it exists and is whole to the last byte. A damaged entry counts
    /// as absent; `tell` gets a warning about it.
    ///
    /// # Errors
    /// When the entry cannot be read, or the search was cancelled.
    pub(crate) fn find(
        &self,
        key: &Fingerprint,
        cancelled: &(dyn Fn() -> bool + Sync),
        tell: &mut dyn FnMut(String),
    ) -> Result<Option<Entry>> {
        let found = Entry::open(&self.folders, key)
            .and_then(|entry| entry.verify(cancelled).map(|()| entry));
        match found {
            Ok(entry) => Ok(Some(entry)),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
            Err(error) if error.kind() == ErrorKind::Damaged => {
                tell(format!(
                    "kept stems were damaged and are made again: {error}"
                ));
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                Err(Fault::new(Kind::Interrupted, "stopped when asked to").into())
            }
            Err(error) => Err(error).context(
                Fault::new(Kind::Output, "the stem cache cannot be read").remedy(self.remedy()),
            ),
        }
    }

    /// Returns the folder of the entry `key`, whether it exists or not.
    fn place(&self, key: &Fingerprint) -> PathBuf {
        self.folders.stems().join(key.to_string())
    }

    /// Creates the cache's folder if needed and takes its lock, which also excludes other
    /// processes. The lock lasts until the returned file is dropped.
    fn lock(&self) -> Result<File> {
        let stems = self.folders.stems();
        let lock = fs::create_dir_all(&stems).and_then(|()| open_lock(&stems.join(LOCK_FILE)));
        let lock = lock.with_context(|| self.cannot_write())?;

        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    return Ok(lock);
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| self.cannot_write());
                }
                Err(TryLockError::WouldBlock) if began.elapsed() > PATIENCE => {
                    return Err(self.held().into());
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
        }
    }

    /// The fault of a cache that cannot be written to.
    pub(crate) fn cannot_write(&self) -> Fault {
        let message = format!(
            "cannot write to the stem cache '{}'",
            self.folders.stems().display()
        );
        Fault::new(Kind::Output, message).remedy(self.remedy())
    }

    /// The remedy for a cache that cannot be used.
    pub(crate) fn remedy(&self) -> String {
        let stems = self.folders.stems();
        format!(
            "make room on the disk of '{}' and allow writing there, or set {CACHE_VARIABLE} to another folder",
            stems.display()
        )
    }

    fn held(&self) -> Fault {
        let message = format!(
            "another process has locked the stem cache for {} s",
            PATIENCE.as_secs()
        );
        Fault::new(Kind::Output, message).remedy("end hung `sextet` processes and try again")
    }
}

/// Opens `path` for locking; creates the file if needed.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}
