//! Locks between processes. The system releases those of the dead.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// The lock of an open file, until it is dropped.
///
/// Some disks, mostly of networks, have no locks. There everybody gets every lock: better all at
/// once than never.
#[derive(Debug)]
pub struct FileLock(File);

impl FileLock {
    /// Takes the lock of `file` alone; returns `None` if another holds it.
    ///
    /// # Errors
    /// The system's error.
    pub fn try_alone(file: File) -> io::Result<Option<Self>> {
        Ok(is_granted(file.try_lock())?.then_some(Self(file)))
    }

    /// Takes the lock of `file` beside others who share it; returns `None` if somebody holds it
    /// alone.
    ///
    /// # Errors
    /// The system's error.
    pub fn try_shared(file: File) -> io::Result<Option<Self>> {
        Ok(is_granted(file.try_lock_shared())?.then_some(Self(file)))
    }

    /// Waits for the lock of the file at `path`, which is created if needed, with its folder.
    /// Whenever another holds the lock, `cancelled` is asked, and after a pause of `every` the lock
    /// is tried again. Returns `None` when `cancelled` returns true.
    ///
    /// # Errors
    /// The system's error.
    pub fn wait(
        path: &Path,
        mut cancelled: impl FnMut() -> bool,
        every: Duration,
    ) -> io::Result<Option<Self>> {
        fs::create_dir_all(crate::folder_of(path))?;
        let file = Self::open(path)?;
        while !is_granted(file.try_lock())? {
            if cancelled() {
                return Ok(None);
            }
            thread::sleep(every);
        }
        Ok(Some(Self(file)))
    }

    /// Opens the file at `path` for locking, and creates it if needed.
    ///
    /// # Errors
    /// The system's error.
    pub fn open(path: &Path) -> io::Result<File> {
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
    }

    /// Returns the locked file.
    pub fn file(&self) -> &File {
        &self.0
    }
}

/// Whether a lock was granted; an error for those that neither were nor will be.
fn is_granted(taken: Result<(), TryLockError>) -> io::Result<bool> {
    match taken {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use sextet_cases::each_case;

    use super::*;

    const EVERY: Duration = Duration::from_millis(1);

    #[test]
    fn the_second_waits_until_the_first_is_through_or_it_is_cancelled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/lock");
        let nobody = || panic!("nobody to wait for");
        let first = FileLock::wait(&path, nobody, EVERY).unwrap().unwrap();

        let tries = Cell::new(0);
        let cancelled = || tries.replace(tries.get() + 1) == 2;
        assert!(FileLock::wait(&path, cancelled, EVERY).unwrap().is_none());
        assert_eq!(tries.get(), 3);

        drop(first);
        assert!(FileLock::wait(&path, nobody, EVERY).unwrap().is_some());
    }

    #[test]
    fn a_lock_is_shared_or_held_alone() {
        /// Whether the first one and the second one hold it alone, and whether both get it.
        type Case = (bool, bool, bool);
        let cases: [Case; 4] = [
            (true, true, false),
            (true, false, false),
            (false, true, false),
            (false, false, true),
        ];

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let take = |alone| {
            let file = FileLock::open(&path).unwrap();
            match alone {
                true => FileLock::try_alone(file).unwrap(),
                false => FileLock::try_shared(file).unwrap(),
            }
        };

        each_case(cases, |(first, second, both)| {
            let held = take(first);
            assert!(held.is_some());
            assert_eq!(take(second).is_some(), both, "{first} {second}");
        });
    }

    #[test]
    fn a_disk_without_locks_gives_every_lock() {
        let cases = [
            (Ok(()), Some(true)),
            (Err(TryLockError::WouldBlock), Some(false)),
            (error(io::ErrorKind::Unsupported), Some(true)),
            (error(io::ErrorKind::PermissionDenied), None),
        ];

        each_case(cases, |(taken, expected)| {
            assert_eq!(is_granted(taken).ok(), expected);
        });
    }

    fn error(kind: io::ErrorKind) -> Result<(), TryLockError> {
        Err(TryLockError::Error(kind.into()))
    }
}
