//! Older files and folders that make way for new ones.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// A file or folder that was moved out of the way, if there was one.
#[derive(Debug)]
pub(crate) struct Older {
    place: PathBuf,
    aside: Option<PathBuf>,
}

impl Older {
    /// Moves what is at `place` to a name that is made of the unfinished path of its successor.
    pub(crate) fn move_aside(place: &Path, unfinished: &Path) -> io::Result<Self> {
        let mut aside = None;
        if place.symlink_metadata().is_ok() {
            let path = unfinished.with_extension(crate::OLDER);
            fs::rename(place, &path)?;
            aside = Some(path);
        }

        let place = place.to_owned();
        Ok(Self { place, aside })
    }

    /// Renames the successor by `rename`, or puts the older one back if that fails.
    pub(crate) fn make_way(self, rename: impl FnOnce() -> io::Result<()>) -> io::Result<Self> {
        match rename() {
            Ok(()) => Ok(self),
            Err(error) => {
                self.restore();
                Err(error)
            }
        }
    }

    /// Puts the older one back.
    pub(crate) fn restore(self) {
        if let Some(aside) = self.aside {
            let _ = fs::rename(aside, self.place);
        }
    }

    /// Deletes the older one. One that is in use on Windows stays under its name aside.
    pub(crate) fn delete(self) {
        if let Some(aside) = self.aside {
            let _ = fs::remove_file(&aside).or_else(|_| fs::remove_dir_all(&aside));
        }
    }
}
