//! The lock of manifests: who adds a song's stems to one reads it, and writes it with the stems.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sextet_fs::FileLock;
use sextet_protocol::Folders;

/// Name of the lock in the cache folder. One serves all folders: it is held for a moment.
const LOCK_NAME: &str = "manifests.lock";
/// Pause after which the lock of another process is tried again.
const EVERY: Duration = Duration::from_millis(20);
/// Longest time for which another process is waited for: one that has been stopped keeps its lock.
const LONGEST: Duration = Duration::from_secs(30);

/// The lock, until it is dropped.
pub(crate) struct ManifestLock {
    /// Against other processes; `None` where there is no cache folder, or none that can be written.
    _process: Option<FileLock>,
    /// Against other songs of this process.
    _song: MutexGuard<'static, ()>,
}

impl ManifestLock {
    /// Waits until no other song's stems are delivered, by this process or another one of this
    /// user.
    pub(crate) fn take() -> Self {
        static LOCK: Mutex<()> = Mutex::new(());
        let song = LOCK.lock().unwrap_or_else(PoisonError::into_inner);

        let began = Instant::now();
        let folders = Folders::of_user().ok();
        let process = folders.and_then(|folders| {
            let path = folders.cache().join(LOCK_NAME);
            FileLock::wait(&path, || began.elapsed() > LONGEST, EVERY).ok()?
        });
        Self {
            _process: process,
            _song: song,
        }
    }
}
