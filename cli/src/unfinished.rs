//! Files that are being written: each under a name of its own beside its place, renamed when a whole set is complete,
//! deleted when it is not, whoever ends the work and when.
//!
//! Invariant: a file is created, renamed or deleted only while the lock is held, and nothing is created once the lock
//! has been closed. So whoever closes it (the interrupt handler) can delete all there is and exit.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The unfinished files of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unfinished(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    closed: bool,
    made: u64,
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl State {
    /// Deletes the files, and the folders that were made for them and are empty.
    fn discard(&mut self) {
        for file in self.files.drain(..) {
            let _ = fs::remove_file(file);
        }
        for folder in self.folders.drain(..).rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Unfinished {
    /// Waits until no file is being created or renamed, deletes the unfinished ones and lets no other begin. Whoever
    /// works on is stopped at its next file, for good: the process is about to end.
    pub(crate) fn close(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        state.discard();
    }

    /// A new set of files that belong together. One at a time.
    pub(crate) fn set(&self) -> Set<'_> {
        Set { unfinished: self, pairs: Vec::new(), complete: false }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            drop(state);
            loop {
                std::thread::park();
            }
        }
        state
    }
}

/// Files that appear together or not at all.
pub(crate) struct Set<'a> {
    unfinished: &'a Unfinished,
    pairs: Vec<(PathBuf, PathBuf)>,
    complete: bool,
}

impl Set<'_> {
    /// Makes the folder of `place`, picks an unfinished name there and has `create` make the file under it, perhaps by
    /// way of yet another name, which `via` tells.
    ///
    /// # Errors
    /// When the folder cannot be made, `place` is a folder or a name that the disk does not take, or `create` fails.
    pub(crate) fn add<T, E>(
        &mut self,
        place: &Path,
        create: impl FnOnce(&Path) -> Result<T, E>,
        via: impl FnOnce(&T) -> Option<PathBuf>,
    ) -> Result<T, E>
    where
        E: From<io::Error>,
    {
        let mut state = self.unfinished.lock();
        let folder = place.parent().unwrap_or(Path::new(""));
        make_folders(folder, &mut state.folders)?;
        check_place(place)?;
        state.made += 1;
        let name = format!(".sextet-{}-{}.part", std::process::id(), state.made);
        let path = folder.join(name);
        self.pairs.push((path.clone(), place.to_owned()));
        let made = create(&path);
        // First the name that the file has now, then the one that it may get at any moment.
        state.files.extend(made.as_ref().ok().and_then(via));
        state.files.push(path);
        made
    }

    /// Gives every file its place. What was there before is replaced, and put back should one of the files not get there.
    ///
    /// # Errors
    /// When a file cannot be renamed; none of the set is left then.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        let mut state = self.unfinished.lock();
        let mut moved = Vec::new();
        for (from, to) in &self.pairs {
            if let Err(error) = replace(from, to, &mut moved) {
                moved.iter().rev().for_each(|(from, to)| drop(fs::rename(to, from)));
                return Err(error);
            }
        }
        let old = moved.into_iter().filter(|(from, _)| self.pairs.iter().any(|(_, to)| to == from));
        old.for_each(|(_, aside)| drop(fs::remove_file(aside)));
        state.files.clear();
        state.folders.clear();
        self.complete = true;
        Ok(())
    }
}

/// Renames `from` to `to`, and first what is there out of the way; `moved` notes both.
fn replace(from: &Path, to: &Path, moved: &mut Vec<(PathBuf, PathBuf)>) -> io::Result<()> {
    if to.symlink_metadata().is_ok() {
        let aside = from.with_extension("old");
        fs::rename(to, &aside)?;
        moved.push((to.to_owned(), aside));
    }
    fs::rename(from, to)?;
    moved.push((from.to_owned(), to.to_owned()));
    Ok(())
}

impl Drop for Set<'_> {
    fn drop(&mut self) {
        if !self.complete {
            self.unfinished.lock().discard();
        }
    }
}

/// Makes `folder` and those above it, and notes which were not there before.
fn make_folders(folder: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folders(above, made)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => made.push(folder.to_owned()),
        Err(_) if folder.is_dir() => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("'{}' is a file, not a folder", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Fails now where a rename would fail at the end: a folder in the way, or a name that the disk does not take.
fn check_place(place: &Path) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Ok(found) if found.is_dir() => {
            Err(io::Error::new(io::ErrorKind::IsADirectory, "a folder of that name is there"))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_set_appears_whole() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();
        let mut set = unfinished.set();
        for stem in ["a", "b"] {
            set.add(&folder.path().join("song").join(stem), |path| fs::write(path, stem), |()| None).unwrap();
        }
        assert!(names(&folder.path().join("song")).iter().all(|name| name.ends_with(".part")));
        set.commit().unwrap();
        assert_eq!(names(&folder.path().join("song")), ["a", "b"]);
    }

    #[test]
    fn a_set_that_cannot_be_placed_leaves_the_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();
        fs::write(folder.path().join("a"), "older").unwrap();
        let mut set = unfinished.set();
        for stem in ["a", "b"] {
            set.add(&folder.path().join(stem), |path| fs::write(path, "newer"), |()| None).unwrap();
        }
        // Somebody deletes an unfinished file behind our back.
        let vanished = set.pairs[1].0.clone();
        fs::remove_file(vanished).unwrap();
        set.commit().unwrap_err();
        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "older");
    }

    #[test]
    fn a_set_replaces_the_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();
        fs::write(folder.path().join("a"), "older").unwrap();
        let mut set = unfinished.set();
        set.add(&folder.path().join("a"), |path| fs::write(path, "newer"), |()| None).unwrap();
        set.commit().unwrap();
        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "newer");
    }

    #[test]
    fn a_dropped_set_leaves_nothing_not_even_its_folders() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();
        let mut set = unfinished.set();
        set.add(&folder.path().join("x/y/a"), |path| fs::write(path, "a"), |()| None).unwrap();
        drop(set);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_folder_in_the_way_is_found_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        let unfinished = Unfinished::default();
        let error = unfinished.set().add(&folder.path().join("a"), |_| Ok::<(), io::Error>(()), |()| None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn closing_deletes_what_is_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();
        let mut set = unfinished.set();
        set.add(&folder.path().join("x/a"), |path| fs::write(path, "a"), |()| None).unwrap();
        unfinished.close();
        assert!(names(folder.path()).is_empty());
        std::mem::forget(set);
    }
}
