//! Files that are being written. Each has an unfinished name beside its place. A complete set of
//! files is renamed; an incomplete one is deleted, whichever thread ends the work. Folders can be
//! filled in the same way.
//!
//! Invariant: a file is created, renamed or deleted only while the lock is held, and nothing is
//! created once the lock has been closed. So the interrupt handler, which closes it, can delete all
//! unfinished files and exit.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sextet_fs::{AtomicDir, AtomicFile};

use crate::stems::Created;

/// The unfinished files of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unfinished(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    closed: bool,
    made: u64,
    works: BTreeMap<u64, Work>,
}

/// Files that belong together: they are completed or discarded as a whole.
#[derive(Debug, Default)]
struct Work {
    /// Files and their places.
    files: Vec<(AtomicFile, PathBuf)>,
    /// Folders that were created for the files.
    folders: Vec<PathBuf>,
    /// A folder that is deleted with all its content.
    tree: Option<AtomicDir>,
}

impl Work {
    /// Deletes the files, and those folders created for them that are empty. Returns the folders
    /// that are not.
    fn discard(&mut self) -> Vec<PathBuf> {
        self.files.clear();
        self.tree = None;

        let stay = |folder: &PathBuf| fs::remove_dir(folder).is_err() && folder.is_dir();
        let mut staying: Vec<PathBuf> = self.folders.drain(..).rev().filter(stay).collect();
        staying.reverse();

        staying
    }
}

impl State {
    fn begin(&mut self) -> u64 {
        self.made += 1;
        self.works.insert(self.made, Work::default());
        self.made
    }

    /// Deletes the files of the work. A folder that holds files of another work belongs to that one
    /// from then on.
    fn discard(&mut self, id: u64) {
        let Some(mut work) = self.works.remove(&id) else {
            return;
        };

        let staying = work.discard();
        for folder in staying.into_iter().rev() {
            let inside = |work: &&mut Work| {
                let files = work.files.iter().map(|(file, _)| file.path());
                let mut paths = files.chain(work.tree.as_ref().map(AtomicDir::path));
                paths.any(|path| path.starts_with(&folder))
            };
            if let Some(heir) = self.works.values_mut().find(inside) {
                heir.folders.insert(0, folder);
            }
        }
    }
}

impl Unfinished {
    /// Waits until no file is being created or renamed, deletes the unfinished ones and lets no
    /// other begin. A thread that works on stops at its next file for good: the process is about to
    /// end.
    pub(crate) fn close(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        while let Some(&id) = state.works.keys().next() {
            state.discard(id);
        }
    }

    /// Begins a new set of files that belong together.
    pub(crate) fn set(&self) -> Set<'_> {
        let id = self.lock().begin();
        Set {
            unfinished: self,
            id,
        }
    }

    /// Begins a new folder, created by `make`, for files that belong together.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn scratch(
        &self,
        make: impl FnOnce() -> io::Result<AtomicDir>,
    ) -> io::Result<Scratch> {
        let mut state = self.lock();
        let tree = make()?;

        let path = tree.path().to_owned();
        let id = state.begin();
        state.works.entry(id).or_default().tree = Some(tree);

        drop(state);
        Ok(Scratch {
            unfinished: self.clone(),
            id,
            path,
        })
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

/// An unfinished folder. It is renamed when all its files are complete, or deleted with them. Any
/// of its clones can do either.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    unfinished: Unfinished,
    id: u64,
    path: PathBuf,
}

impl Scratch {
    /// Returns the unfinished path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `create` to make a file in the folder; returns `None` if the folder has been discarded.
    pub(crate) fn create<T>(&self, create: impl FnOnce() -> T) -> Option<T> {
        let state = self.unfinished.lock();
        state.works.contains_key(&self.id).then(create)
    }

    /// Renames the folder to `place`, unless it has been discarded. Returns whether it was renamed.
    /// The files in it are not synced to the disk.
    ///
    /// # Errors
    /// When it cannot be renamed; it is deleted then.
    pub(crate) fn commit(&self, place: &Path) -> io::Result<bool> {
        let mut state = self.unfinished.lock();
        let work = state.works.remove(&self.id);
        match work.and_then(|work| work.tree) {
            Some(tree) => tree.commit_unsynced(place).map(|()| true),
            None => Ok(false),
        }
    }

    /// Deletes the folder, unless it has been renamed already.
    pub(crate) fn discard(&self) {
        self.unfinished.lock().discard(self.id);
    }
}

/// Files that appear together or not at all.
pub(crate) struct Set<'a> {
    unfinished: &'a Unfinished,
    id: u64,
}

impl Set<'_> {
    /// Creates the file for `place` under an unfinished name, and its folder if needed.
    ///
    /// # Errors
    /// When the folder or the file cannot be created, or `place` is a folder or a name that the
    /// disk does not accept.
    pub(crate) fn create(&mut self, place: &Path) -> io::Result<Created> {
        let mut state = self.unfinished.lock();
        let work = state.works.entry(self.id).or_default();

        // Prepare the folder, and refuse a place that a rename could not reach.
        make_folders(place.parent().unwrap_or(Path::new("")), &mut work.folders)?;
        check_place(place)?;

        let file = AtomicFile::beside(place)?;
        let created = Created {
            file: file.file().try_clone()?,
            path: file.path().to_owned(),
        };
        work.files.push((file, place.to_owned()));
        Ok(created)
    }

    /// Renames every file to its place. Older files there are replaced; they are restored if one of
    /// the renames fails.
    ///
    /// # Errors
    /// When a file cannot be renamed; none of the set is left then.
    pub(crate) fn commit(self) -> io::Result<()> {
        let mut state = self.unfinished.lock();
        let work = state.works.entry(self.id).or_default();
        sextet_fs::commit_all(std::mem::take(&mut work.files))?;

        // Its folders stay.
        state.works.remove(&self.id);
        Ok(())
    }
}

impl Drop for Set<'_> {
    fn drop(&mut self) {
        self.unfinished.lock().discard(self.id);
    }
}

/// Creates `folder` and its parents, and records those that did not exist before.
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

/// Fails now in cases where a rename would fail at the end: a folder in the way, or a name that the
/// disk does not accept.
fn check_place(place: &Path) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Ok(found) if found.is_dir() => Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "a folder of that name is there",
        )),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use sextet_cases::each_case;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Adds a file that holds `text`.
    fn add(set: &mut Set, place: &Path, text: &str) {
        let mut file = set.create(place).unwrap().file;
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_set_appears_whole() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();

        let mut set = unfinished.set();
        for stem in ["a", "b"] {
            add(&mut set, &folder.path().join("song").join(stem), stem);
        }

        assert!(
            names(&folder.path().join("song"))
                .iter()
                .all(|name| name.ends_with(".part"))
        );

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
            add(&mut set, &folder.path().join(stem), "newer");
        }

        // An unfinished file is deleted from outside.
        let vanished = unfinished.lock().works[&set.id].files[1]
            .0
            .path()
            .to_owned();
        fs::remove_file(vanished).unwrap();
        set.commit().unwrap_err();

        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(
            fs::read_to_string(folder.path().join("a")).unwrap(),
            "older"
        );
    }

    #[test]
    fn a_set_replaces_the_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();
        fs::write(folder.path().join("a"), "older").unwrap();

        let mut set = unfinished.set();
        add(&mut set, &folder.path().join("a"), "newer");

        set.commit().unwrap();
        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(
            fs::read_to_string(folder.path().join("a")).unwrap(),
            "newer"
        );
    }

    #[test]
    fn a_dropped_set_leaves_nothing_not_even_its_folders() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();

        let mut set = unfinished.set();
        add(&mut set, &folder.path().join("x/y/a"), "a");

        drop(set);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_folder_in_the_way_is_found_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();

        let unfinished = Unfinished::default();
        let error = unfinished
            .set()
            .create(&folder.path().join("a"))
            .unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn closing_deletes_what_is_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();

        let mut set = unfinished.set();
        add(&mut set, &folder.path().join("x/a"), "a");

        unfinished.close();
        assert!(names(folder.path()).is_empty());
        std::mem::forget(set);
    }

    /// The first set creates the folder that both are in.
    #[test]
    fn a_folder_that_several_are_in_goes_with_the_last() {
        type End = fn(Vec<Set>, &Unfinished);
        let cases: [(&str, End, &[&str]); 4] = [
            (
                "the first is dropped first",
                |sets, _| sets.into_iter().for_each(drop),
                &[],
            ),
            (
                "the first is dropped last",
                |sets, _| sets.into_iter().rev().for_each(drop),
                &[],
            ),
            (
                "closed",
                |sets, unfinished| (unfinished.close(), std::mem::forget(sets)).0,
                &[],
            ),
            (
                "the second is completed",
                |mut sets, _| {
                    let second = sets.pop().unwrap();
                    drop(sets);
                    second.commit().unwrap();
                },
                &["stems"],
            ),
        ];

        each_case(cases, |(name, end, left)| {
            let folder = tempfile::tempdir().unwrap();
            let unfinished = Unfinished::default();
            let begin = |song: &str| {
                let mut set = unfinished.set();
                add(
                    &mut set,
                    &folder.path().join("stems").join(song).join("a"),
                    "a",
                );
                set
            };

            end(vec![begin("first"), begin("second")], &unfinished);
            assert_eq!(names(folder.path()), left, "{name}");
        });

        println!("{} ends tried", cases.len());
    }

    #[test]
    fn sets_beside_each_other_do_not_touch_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();
        let (mut kept, mut dropped) = (unfinished.set(), unfinished.set());

        add(&mut kept, &folder.path().join("a"), "a");
        add(&mut dropped, &folder.path().join("b"), "b");

        drop(dropped);
        kept.commit().unwrap();

        assert_eq!(names(folder.path()), ["a"]);
    }

    fn scratch(unfinished: &Unfinished, folder: &Path) -> Scratch {
        let make = || AtomicDir::new_in(folder);
        let scratch = unfinished.scratch(make).unwrap();
        scratch
            .create(|| fs::write(scratch.path().join("a"), "a"))
            .unwrap()
            .unwrap();
        scratch
    }

    #[test]
    fn a_scratch_folder_gets_its_name_once() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();
        let scratch = scratch(&unfinished, folder.path());
        let place = folder.path().join("done");
        assert!(scratch.commit(&place).unwrap());
        scratch.discard();
        unfinished.close();
        assert_eq!(names(&place), ["a"]);
    }

    #[test]
    fn a_discarded_scratch_folder_is_gone_and_stays_gone() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();
        let scratch = scratch(&unfinished, folder.path());
        scratch.clone().discard();
        assert!(scratch.create(|| ()).is_none());
        assert!(!scratch.commit(&folder.path().join("done")).unwrap());
        assert!(names(folder.path()).is_empty());
    }

    /// The set creates the folder that the scratch folder is in.
    #[test]
    fn closing_deletes_scratch_folders_with_the_folder_that_they_are_in() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();
        let mut set = unfinished.set();
        add(&mut set, &folder.path().join("stems/song/a"), "a");
        let _scratch = scratch(&unfinished, &folder.path().join("stems/song"));

        unfinished.close();
        assert!(names(folder.path()).is_empty());
        std::mem::forget(set);
    }

    #[test]
    fn closing_deletes_scratch_folders() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();
        let _scratch = scratch(&unfinished, folder.path());
        unfinished.close();
        assert!(names(folder.path()).is_empty());
    }
}
