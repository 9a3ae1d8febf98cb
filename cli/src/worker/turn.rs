//! Turns of processes: only one separates at a time. Several at once would run out of memory, and
//! none would be quick.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Pause between two attempts to lock.
const EVERY: Duration = Duration::from_millis(50);

/// The right to use the engine, until it is dropped or the process dies.
pub(super) struct Turn {
    _lock: Option<File>,
}

/// Waits for the lock at `path`, whose file is created if needed. Returns `None` when `cancelled`
/// returns true first. `waiting` is called once if the lock is taken.
pub(super) fn take(
    path: &Path,
    cancelled: impl Fn() -> bool,
    waiting: impl FnOnce(),
) -> io::Result<Option<Turn>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }

    let lock = crate::cache::open_lock(path)?;
    let mut waiting = Some(waiting);
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Some(Turn { _lock: Some(lock) })),
            // A disk without locks: better all at once than never.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                return Ok(Some(Turn { _lock: None }));
            }
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {}
        }

        if let Some(waiting) = waiting.take() {
            waiting();
        }

        if cancelled() {
            return Ok(None);
        }

        std::thread::sleep(EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn the_second_waits_until_the_first_is_through_or_it_is_cancelled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/engine.lock");
        let first = take(&path, || false, || panic!("nobody to wait for"))
            .unwrap()
            .unwrap();

        let waited = Cell::new(0);
        let tries = Cell::new(0);

        let cancelled = || tries.replace(tries.get() + 1) == 2;
        assert!(
            take(&path, cancelled, || waited.set(waited.get() + 1))
                .unwrap()
                .is_none()
        );

        assert_eq!((waited.get(), tries.get()), (1, 3));
        drop(first);

        assert!(
            take(&path, || true, || panic!("nobody to wait for"))
                .unwrap()
                .is_some()
        );
    }
}
