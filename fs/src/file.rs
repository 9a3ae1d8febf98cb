//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::older::Older;
use crate::{folder_of, unfinished};

/// A file under an unfinished name. Dropping it deletes the file.
#[derive(Debug)]
pub struct AtomicFile(NamedTempFile);

impl AtomicFile {
    /// Creates an empty file in the folder of `place`, which must exist.
    ///
    /// # Errors
    /// The system's error.
    pub fn beside(place: &Path) -> io::Result<Self> {
        Self::new_in(folder_of(place))
    }

    /// Creates an empty file in `folder`, for a place there that is not known yet.
    ///
    /// # Errors
    /// The system's error.
    pub fn new_in(folder: &Path) -> io::Result<Self> {
        let create = |path: &Path| {
            File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(path)
        };
        unfinished(folder, create).map(Self)
    }

    /// Returns the unfinished path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the open file.
    pub fn file(&self) -> &File {
        self.0.as_file()
    }

    /// Syncs the file to the disk and renames it to `place`, on the same disk. An older file there
    /// is replaced.
    ///
    /// # Errors
    /// The system's error; the file is deleted then, and an older one at `place` stays.
    pub fn commit(self, place: &Path) -> io::Result<()> {
        self.file().sync_all()?;
        self.rename(place)
    }

    /// The standard library renames it, not tempfile: that takes no path of more than 260
    /// characters on Windows.
    fn rename(mut self, place: &Path) -> io::Result<()> {
        fs::rename(self.path(), place)?;
        self.0.disable_cleanup(true);
        Ok(())
    }
}

impl Read for AtomicFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.file().read(bytes)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file().seek(to)
    }
}

/// Writes `contents` to a file that appears whole at `place`, whose folder must exist. An older
/// file there is replaced.
///
/// # Errors
/// The system's error; an older file at `place` stays then.
pub fn write(place: &Path, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let mut file = AtomicFile::beside(place)?;
    file.write_all(contents.as_ref())?;
    file.commit(place)
}

/// Syncs files to the disk and renames each to its place: all of them or none. Older files there
/// are replaced, also those that a program has open for execution.
///
/// # Errors
/// The system's error; the files are deleted then, and older ones are put back.
pub fn commit_all(files: Vec<(AtomicFile, PathBuf)>) -> io::Result<()> {
    for (file, _) in &files {
        file.file().sync_all()?;
    }

    let mut placed = Vec::new();
    for (file, place) in files {
        let result = Older::move_aside(&place, file.path())
            .and_then(|older| older.make_way(|| file.rename(&place)));

        match result {
            Ok(older) => placed.push((place, older)),
            Err(error) => {
                // Backwards: a place may be named twice.
                for (place, older) in placed.into_iter().rev() {
                    let _ = fs::remove_file(place);
                    older.restore();
                }
                return Err(error);
            }
        }
    }

    placed.into_iter().for_each(|(_, older)| older.delete());
    Ok(())
}

/// Syncs the file `from` to the disk and renames it to `place`, on the same disk.
///
/// # Errors
/// The system's error; the file stays where it was then.
pub fn rename_synced(from: &Path, place: &Path) -> io::Result<()> {
    // Windows syncs only files that are open for writing.
    File::options().write(true).open(from)?.sync_all()?;
    fs::rename(from, place)
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;
    use crate::tests::names;

    #[test]
    fn a_file_appears_only_when_it_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("song");
        fs::write(&place, "older").unwrap();

        let mut file = AtomicFile::beside(&place).unwrap();
        file.write_all(b"newer").unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"older");
        assert!(crate::is_unfinished(file.path().file_name().unwrap()));
        assert_eq!(names(folder.path()).len(), 2);

        file.commit(&place).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"newer");
        assert_eq!(names(folder.path()), ["song"]);
    }

    #[test]
    fn a_dropped_file_leaves_nothing_whoever_has_it_open() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = AtomicFile::new_in(folder.path()).unwrap();
        let other = file.file().try_clone().unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        drop(other);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_renamed_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a folder");
        fs::create_dir_all(place.join("with something")).unwrap();
        assert!(write(&place, "contents").is_err());
        assert_eq!(names(folder.path()), ["a folder"]);
    }

    #[test]
    fn long_names_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let name = "x".repeat(251) + ".wav";
        write(&folder.path().join(&name), "contents").unwrap();
        assert_eq!(names(folder.path()), [name]);
    }

    #[test]
    fn long_paths_can_be_written_and_replaced() {
        let home = tempfile::tempdir().unwrap();
        let folder = ["a", "b", "c"].map(|name| name.repeat(150));
        let folder = home.path().join(folder.iter().collect::<PathBuf>());
        fs::create_dir_all(&folder).unwrap();

        let place = folder.join("song.wav");
        for contents in ["older", "newer"] {
            write(&place, contents).unwrap();
            assert_eq!(fs::read(&place).unwrap(), contents.as_bytes());
        }
        commit_all(two_files(&folder, &["a"])).unwrap();
        assert_eq!(names(&folder), ["a", "b", "song.wav"]);
    }

    #[cfg(unix)]
    #[test]
    fn the_users_umask_decides_who_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            let path = folder.path().join(name);
            fs::metadata(path).unwrap().permissions().mode()
        };

        fs::write(folder.path().join("usual"), "").unwrap();
        write(&folder.path().join("ours"), "").unwrap();
        assert_eq!(mode("ours"), mode("usual"));
    }

    /// The files `a` and `b`, both new, where `older` are there already.
    fn two_files(folder: &Path, older: &[&str]) -> Vec<(AtomicFile, PathBuf)> {
        for name in older {
            fs::write(folder.join(name), "older").unwrap();
        }

        let begin = |name| {
            let place = folder.join(name);
            let mut file = AtomicFile::beside(&place).unwrap();
            file.write_all(b"newer").unwrap();
            (file, place)
        };
        ["a", "b"].map(begin).into()
    }

    /// Moves an unfinished file elsewhere, as nobody should. Deleting it is not the same
    /// everywhere: an open file may keep its name until it is closed.
    fn take_away(file: &AtomicFile, elsewhere: &Path) {
        fs::rename(file.path(), elsewhere.join("taken")).unwrap();
    }

    #[test]
    fn several_files_take_their_places_together() {
        each_case([&[][..], &["a"], &["a", "b"]], |older| {
            let folder = tempfile::tempdir().unwrap();
            commit_all(two_files(folder.path(), older)).unwrap();
            assert_eq!(names(folder.path()), ["a", "b"], "{older:?}");
            each_case(["a", "b"], |name| {
                assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"newer");
            });
        });
    }

    #[test]
    fn several_files_of_which_one_cannot_be_placed_leave_the_older_ones() {
        each_case([&[][..], &["a"], &["b"], &["a", "b"]], |older| {
            let folder = tempfile::tempdir().unwrap();
            let files = two_files(folder.path(), older);

            let elsewhere = tempfile::tempdir().unwrap();
            take_away(&files[1].0, elsewhere.path());
            commit_all(files).unwrap_err();

            assert_eq!(names(folder.path()), older);
            for name in older {
                assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"older");
            }
        });
    }

    #[test]
    fn a_place_that_is_named_twice_gets_the_older_file_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = two_files(folder.path(), &["a"]);
        let twice = AtomicFile::new_in(folder.path()).unwrap();
        files.insert(1, (twice, folder.path().join("a")));

        let elsewhere = tempfile::tempdir().unwrap();
        take_away(&files[2].0, elsewhere.path());
        commit_all(files).unwrap_err();

        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"older");
    }

    #[test]
    fn a_file_that_was_kept_for_long_is_renamed() {
        let folder = tempfile::tempdir().unwrap();
        let (from, place) = (folder.path().join("x.incomplete"), folder.path().join("x"));
        fs::write(&from, "whole by now").unwrap();
        rename_synced(&from, &place).unwrap();
        assert_eq!(names(folder.path()), ["x"]);
        assert!(rename_synced(&from, &place).is_err());
    }
}
