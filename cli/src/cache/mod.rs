//! The stem cache: finding, making and evicting entries. Its layout is `sextet_protocol::cache`'s.

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

/// File that is locked while entries come and go.
const LOCK_FILE: &str = ".lock";
/// How long somebody else may hold it: entries come and go within milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// This user's stem cache.
#[derive(Clone, Debug)]
pub(crate) struct StemCache {
    folders: Folders,
    unfinished: Unfinished,
}

impl StemCache {
    /// The cache in `folders`, which need not be there yet.
    pub(crate) fn new(folders: Folders, unfinished: &Unfinished) -> Self {
        Self {
            folders,
            unfinished: unfinished.clone(),
        }
    }

    /// The entry `key`, if it is there and whole to the last byte. One that is damaged counts as
    /// absent; `tell` is told.
    ///
    /// # Errors
    /// When it cannot be read, or was cancelled.
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
                Fault::new(Kind::Output, "the stem cache cannot be read").help(self.remedy()),
            ),
        }
    }

    /// Where the entry `key` is or will be.
    fn place(&self, key: &Fingerprint) -> PathBuf {
        self.folders.stems().join(key.to_string())
    }

    /// Makes the cache's folder and locks it for a moment, against other processes too.
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

    /// What is said when the cache cannot be written to.
    pub(crate) fn cannot_write(&self) -> Fault {
        let message = format!(
            "cannot write to the stem cache '{}'",
            self.folders.stems().display()
        );
        Fault::new(Kind::Output, message).help(self.remedy())
    }

    /// What to do about a cache that cannot be used.
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
        Fault::new(Kind::Output, message).help("end hung `sextet` processes and try again")
    }
}

/// Opens `path` to be locked, and makes it if need be.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}
