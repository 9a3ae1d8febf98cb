//! Files and folders that appear whole or not at all, and locks between processes.
//!
//! Everything that Sextet writes is written beside its place under an unfinished name,
//! `.sextet-*.part`, synced to the disk and renamed. Readers and a power failure find the older
//! file or the new one, never a part of it. Dropped before that, it is deleted.
//!
//! Downloads that go on where they stopped are no case for this crate until their last step: they
//! have to outlive the process that began them, and are named after the whole file.
//! [`rename_synced`] is that last step.

mod dir;
mod file;
mod lock;
mod older;

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

pub use dir::AtomicDir;
pub use file::{AtomicFile, commit_all, rename_synced, write};
pub use lock::FileLock;

/// Beginning of every unfinished name.
const PREFIX: &str = ".sextet-";
/// End of an unfinished name.
const UNFINISHED: &str = "part";
/// End of the name that an older file has while a new one takes its place.
const OLDER: &str = "old";

/// Returns whether `name` is an unfinished one: of a file or folder that is being written, or was
/// left by a process that was killed while it wrote.
pub fn is_unfinished(name: &OsStr) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|end| end == UNFINISHED)
        && name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// The folder of `place`.
fn folder_of(place: &Path) -> &Path {
    place
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Creates a file or folder under an unfinished name in `folder` with `create`. The name is short,
/// since that of the place may already have the maximum length.
///
/// Errors are those of `create`, which, unlike tempfile's own, do not tell the user that name.
fn unfinished<T>(
    folder: &Path,
    create: impl FnMut(&Path) -> io::Result<T>,
) -> io::Result<NamedTempFile<T>> {
    tempfile::Builder::new()
        .prefix(PREFIX)
        .suffix(&format!(".{UNFINISHED}"))
        .make_in(folder, create)
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    /// Returns the names in `folder`, in order.
    pub(crate) fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn unfinished_names_are_told_from_others() {
        let cases = [
            (".sextet-aB3.part", true),
            (".sextet-aB3.old", false),
            ("sextet-aB3.part", false),
            (".other-aB3.part", false),
            ("song.part", false),
        ];
        each_case(cases, |(name, expected)| {
            assert_eq!(is_unfinished(OsStr::new(name)), expected, "{name}");
        });
    }

    #[test]
    fn an_error_is_the_systems_without_the_unfinished_name() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("missing/file");
        let errors = [
            AtomicFile::beside(&nowhere).unwrap_err(),
            AtomicDir::beside(&nowhere).unwrap_err(),
        ];
        each_case(errors, |error| {
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert!(!error.to_string().contains(PREFIX), "{error}");
        });
    }
}
