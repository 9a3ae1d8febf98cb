//! Files that are being written. Each has a temporary name beside its place. A complete set of
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
use std::time::Duration;

/// Attempts to delete a folder that another thread may still write to, and the pause between two.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

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
    files: Vec<PathBuf>,
    /// Folders that were created for the files.
    folders: Vec<PathBuf>,
    /// A folder that is deleted with all its content.
    tree: Option<PathBuf>,
}

impl Work {
    /// Deletes the files, and those folders created for them that are empty. Returns the folders
    /// that are not.
    fn discard(&mut self) -> Vec<PathBuf> {
        for file in self.files.drain(..) {
            let _ = fs::remove_file(file);
        }

        if let Some(tree) = self.tree.take() {
            remove_tree(&tree);
        }

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
            let inside = |work: &&mut Work| work.files.iter().any(|file| file.starts_with(&folder));
            if let Some(heir) = self.works.values_mut().find(inside) {
                heir.folders.insert(0, folder);
            }
        }
    }

    /// Completes the work: nothing of it will be deleted any more.
    fn complete(&mut self, id: u64) {
        if let Some(mut work) = self.works.remove(&id) {
            work.files.clear();
            work.folders.clear();
            work.tree = None;
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
            pairs: Vec::new(),
        }
    }

    /// Begins a new folder, created by `make`, for files that belong together.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn scratch(
        &self,
        make: impl FnOnce() -> io::Result<PathBuf>,
    ) -> io::Result<Scratch> {
        let mut state = self.lock();
        let path = make()?;

        let id = state.begin();
        if let Some(work) = state.works.get_mut(&id) {
            work.tree = Some(path.clone());
        }

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
    /// Returns the temporary path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `create` to make a file in the folder; returns `None` if the folder has been discarded.
    pub(crate) fn create<T>(&self, create: impl FnOnce() -> T) -> Option<T> {
        let state = self.unfinished.lock();
        state.works.contains_key(&self.id).then(create)
    }

    /// Renames the folder with `rename`, unless it has been discarded. Returns whether it was
    /// renamed.
    ///
    /// # Errors
    /// Those of `rename`; the folder is still to be discarded then.
    pub(crate) fn commit<E>(&self, rename: impl FnOnce(&Path) -> Result<(), E>) -> Result<bool, E> {
        let mut state = self.unfinished.lock();
        if !state.works.contains_key(&self.id) {
            return Ok(false);
        }
        rename(&self.path)?;
        state.complete(self.id);
        Ok(true)
    }

    /// Deletes the folder, unless it has been renamed already.
    pub(crate) fn discard(&self) {
        self.unfinished.lock().discard(self.id);
    }
}

/// Deletes `tree`. Another thread may just be adding a last file, so failures are retried.
fn remove_tree(tree: &Path) {
    for _ in 0..TRIES {
        match fs::remove_dir_all(tree) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !tree.exists() => return,
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Files that appear together or not at all.
pub(crate) struct Set<'a> {
    unfinished: &'a Unfinished,
    id: u64,
    pairs: Vec<(PathBuf, PathBuf)>,
}

impl Set<'_> {
    /// Creates the folder of `place`, picks a temporary name there and runs `create` with that
    /// path. The file may first have yet another name, which `via` returns.
    ///
    /// # Errors
    /// When the folder cannot be created, `place` is a folder or a name that the disk does not
    /// accept, or `create` fails.
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
        let work = state.works.entry(self.id).or_default();

        // Prepare the folder, and refuse a place that a rename could not reach.
        let folder = place.parent().unwrap_or(Path::new(""));
        make_folders(folder, &mut work.folders)?;
        check_place(place)?;

        let name = format!(
            ".sextet-{}-{}-{}.part",
            std::process::id(),
            self.id,
            self.pairs.len()
        );

        let path = folder.join(name);
        self.pairs.push((path.clone(), place.to_owned()));
        let made = create(&path);

        // First the name that the file has now, then the one that it may get at any moment.
        work.files.extend(made.as_ref().ok().and_then(via));
        work.files.push(path);
        made
    }

    /// Renames every file to its place. Older files there are replaced; they are restored if one of
    /// the renames fails.
    ///
    /// # Errors
    /// When a file cannot be renamed; none of the set is left then.
    pub(crate) fn commit(self) -> io::Result<()> {
        let mut state = self.unfinished.lock();

        // Rename the files; if one fails, undo all renames in reverse.
        let mut moved = Vec::new();
        for (from, to) in &self.pairs {
            if let Err(error) = replace(from, to, &mut moved) {
                moved
                    .iter()
                    .rev()
                    .for_each(|(from, to)| drop(fs::rename(to, from)));
                return Err(error);
            }
        }

        // Delete the older files that were moved out of the way.
        let old = moved
            .into_iter()
            .filter(|(from, _)| self.pairs.iter().any(|(_, to)| to == from));
        old.for_each(|(_, aside)| drop(fs::remove_file(aside)));
        state.complete(self.id);

        Ok(())
    }
}

/// Renames `from` to `to`, after moving an older file there out of the way. `moved` records both
/// renames.
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
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_set_appears_whole() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();

        let mut set = unfinished.set();
        for stem in ["a", "b"] {
            set.add(
                &folder.path().join("song").join(stem),
                |path| fs::write(path, stem),
                |()| None,
            )
            .unwrap();
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
            set.add(
                &folder.path().join(stem),
                |path| fs::write(path, "newer"),
                |()| None,
            )
            .unwrap();
        }

        // An unfinished file is deleted from outside.
        let vanished = set.pairs[1].0.clone();
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
        set.add(
            &folder.path().join("a"),
            |path| fs::write(path, "newer"),
            |()| None,
        )
        .unwrap();

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
        set.add(
            &folder.path().join("x/y/a"),
            |path| fs::write(path, "a"),
            |()| None,
        )
        .unwrap();

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
            .add(
                &folder.path().join("a"),
                |_| Ok::<(), io::Error>(()),
                |()| None,
            )
            .unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn closing_deletes_what_is_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();

        let mut set = unfinished.set();
        set.add(
            &folder.path().join("x/a"),
            |path| fs::write(path, "a"),
            |()| None,
        )
        .unwrap();

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

        for (name, end, left) in cases {
            let folder = tempfile::tempdir().unwrap();
            let unfinished = Unfinished::default();
            let add = |song: &str| {
                let mut set = unfinished.set();
                let place = folder.path().join("stems").join(song).join("a");
                set.add(&place, |path| fs::write(path, "a"), |()| None)
                    .unwrap();
                set
            };

            end(vec![add("first"), add("second")], &unfinished);
            assert_eq!(names(folder.path()), left, "{name}");
        }

        println!("{} ends tried", cases.len());
    }

    #[test]
    fn sets_beside_each_other_do_not_touch_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::default();
        let (mut kept, mut dropped) = (unfinished.set(), unfinished.set());

        kept.add(
            &folder.path().join("a"),
            |path| fs::write(path, "a"),
            |()| None,
        )
        .unwrap();

        dropped
            .add(
                &folder.path().join("b"),
                |path| fs::write(path, "b"),
                |()| None,
            )
            .unwrap();

        drop(dropped);
        kept.commit().unwrap();

        assert_eq!(names(folder.path()), ["a"]);
    }

    fn scratch(unfinished: &Unfinished, folder: &Path) -> Scratch {
        let path = folder.join("making");
        let make = || fs::create_dir(&path).map(|()| path.clone());
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
        assert!(scratch.commit(|path| fs::rename(path, &place)).unwrap());
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
        assert!(!scratch.commit::<io::Error>(|_| panic!("renamed")).unwrap());
        assert!(names(folder.path()).is_empty());
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
