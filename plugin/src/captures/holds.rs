//! The captures that an instance uses: those of its clip, and of the clips that can be undone.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sextet_fs::FileLock;

/// Shared locks of captures. None of them is deleted while it is held, by no process.
#[derive(Debug, Default)]
pub(crate) struct Holds(HashMap<PathBuf, FileLock>);

impl Holds {
    /// Holds these captures, as far as they are there, and no others. The time of a file that was
    /// not held before becomes that of its last use.
    pub(crate) fn set(&mut self, captures: impl IntoIterator<Item = PathBuf>) {
        let mut before = std::mem::take(&mut self.0);
        for path in captures {
            let lock = before.remove(&path).or_else(|| hold(&path));
            if let Some(lock) = lock {
                self.0.insert(path, lock);
            }
        }
    }
}

/// Takes the lock of a capture; `None` if it is not there, or is being deleted.
fn hold(path: &Path) -> Option<FileLock> {
    let file = open(path)?;
    let lock = FileLock::try_shared(file).ok()??;
    let _ = lock.file().set_modified(SystemTime::now());
    // The file may have been deleted between being opened and being locked.
    path.is_file().then_some(lock)
}

/// Returns whether nobody uses a capture.
pub(super) fn is_free(path: &Path) -> bool {
    let alone = open(path).map(FileLock::try_alone);
    matches!(alone, Some(Ok(Some(_))))
}

/// Takes the lock of a capture that nobody uses.
pub(super) fn take_alone(path: &Path) -> Option<FileLock> {
    FileLock::try_alone(open(path)?).ok()?
}

/// Opens a capture so that its time can be set, if that is allowed.
fn open(path: &Path) -> Option<File> {
    let file = File::options().read(true).write(true).open(path);
    file.or_else(|_| File::open(path)).ok()
}
