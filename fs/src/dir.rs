//! Folders that appear whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::older::Older;
use crate::{folder_of, unfinished};

/// Attempts to delete a folder that another thread may still write to, and the pause between two.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// A folder under an unfinished name. Dropping it deletes the folder with everything in it.
#[derive(Debug)]
pub struct AtomicDir {
    /// Its path, until it is renamed.
    path: PathBuf,
    renamed: bool,
}

impl AtomicDir {
    /// Creates an empty folder in the folder of `place`, which must exist.
    ///
    /// # Errors
    /// The system's error.
    pub fn beside(place: &Path) -> io::Result<Self> {
        Self::new_in(folder_of(place))
    }

    /// Creates an empty folder in `folder`.
    ///
    /// # Errors
    /// The system's error.
    pub fn new_in(folder: &Path) -> io::Result<Self> {
        let ((), path) = unfinished(folder, |path| fs::create_dir(path))?.keep()?;
        Ok(Self {
            path,
            renamed: false,
        })
    }

    /// Returns the unfinished path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs all files in the folder to the disk and renames it to `place`, on the same disk. What
    /// was there before is replaced.
    ///
    /// # Errors
    /// The system's error; the folder is deleted then, and the older one is put back.
    pub fn commit(self, place: &Path) -> io::Result<()> {
        sync(&self.path)?;
        self.commit_unsynced(place)
    }

    /// Renames the folder to `place` and leaves it to the system when its files get to the disk:
    /// for files that are compared with their hashes when they are used.
    ///
    /// # Errors
    /// As [`AtomicDir::commit`].
    pub fn commit_unsynced(mut self, place: &Path) -> io::Result<()> {
        let older = Older::move_aside(place, &self.path)?;
        let older = older.make_way(|| fs::rename(&self.path, place))?;
        self.renamed = true;
        older.delete();
        Ok(())
    }
}

impl Drop for AtomicDir {
    /// Deletes the folder. Another thread may just be adding a last file, so failures are retried.
    fn drop(&mut self) {
        for _ in 0..TRIES {
            if self.renamed {
                return;
            }

            self.renamed = match fs::remove_dir_all(&self.path) {
                Ok(()) => true,
                Err(error) => error.kind() == io::ErrorKind::NotFound && !self.path.exists(),
            };

            if !self.renamed {
                thread::sleep(PAUSE);
            }
        }
    }
}

/// Syncs every file below `folder` to the disk.
fn sync(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            sync(&path)?;
        } else if kind.is_file() {
            // Windows syncs only files that are open for writing, and Unix opens those that may not
            // be written to for reading alone.
            let file = File::options().write(true).open(&path);
            file.or_else(|_| File::open(&path))?.sync_all()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;
    use crate::tests::names;

    /// Begins a folder with a file `new` in it.
    fn begin(place: &Path) -> AtomicDir {
        let folder = AtomicDir::beside(place).unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/new"), "new").unwrap();
        folder
    }

    #[test]
    fn a_folder_appears_whole_and_replaces_what_was_there() {
        type Before = fn(&Path);
        let cases: [(&str, Before); 3] = [
            ("nothing", |_| ()),
            ("a folder", |place| {
                fs::create_dir(place).unwrap();
                fs::write(place.join("old"), "old").unwrap();
            }),
            ("a file", |place| fs::write(place, "old").unwrap()),
        ];

        each_case(cases, |(name, before)| {
            let home = tempfile::tempdir().unwrap();
            let place = home.path().join("place");
            before(&place);
            begin(&place).commit(&place).unwrap();
            assert_eq!(names(&place), ["below"], "{name}");
            assert_eq!(names(home.path()), ["place"], "{name}");
        });
    }

    #[test]
    fn a_folder_that_cannot_be_renamed_leaves_the_older_one() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("place");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("old"), "old").unwrap();

        let folder = begin(&place);
        fs::remove_dir_all(folder.path()).unwrap();
        folder.commit_unsynced(&place).unwrap_err();
        assert_eq!(names(home.path()), ["place"]);
        assert_eq!(names(&place), ["old"]);
    }

    #[test]
    fn a_dropped_folder_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        drop(begin(&home.path().join("place")));
        assert!(names(home.path()).is_empty());
    }

    #[test]
    fn files_that_may_only_be_read_are_synced_too() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("place");
        let folder = begin(&place);
        let path = folder.path().join("below/new");
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        if cfg!(unix) {
            fs::set_permissions(&path, permissions).unwrap();
        }
        folder.commit(&place).unwrap();
        assert_eq!(names(&place), ["below"]);
    }
}
