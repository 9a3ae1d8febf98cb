//! Unpublished cache entries: each is a folder under an unfinished name until all its files are in
//! it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use sextet_fs::{AtomicDir, FileLock};
use sextet_protocol::Fingerprint;
use sextet_protocol::cache::{IN_USE_FILE, MANIFEST_FILE, Manifest};

use super::StemCache;
use crate::fault::{Fault, Kind};
use crate::stems::Created;
use crate::unfinished::Scratch;

/// An unpublished cache entry. Dropping it deletes the folder and its files.
#[derive(Debug)]
pub(crate) struct Making<'a> {
    cache: &'a StemCache,
    scratch: Scratch,
    /// Lock that this process holds as long as it lives. Other processes recognise the leftovers of
    /// a dead process by it.
    hold: Option<FileLock>,
}

impl StemCache {
    /// Begins a new, empty entry.
    ///
    /// # Errors
    /// When the cache cannot be written to.
    pub(crate) fn begin(&self) -> Result<Making<'_>> {
        let _lock = self.lock()?;
        let mut hold = None;
        let make = || {
            let folder = AtomicDir::new_in(&self.folders.stems())?;
            let file = FileLock::open(&folder.path().join(IN_USE_FILE))?;
            // Nobody else knows the file. Where it cannot be locked, there is nothing to signal to
            // other processes.
            hold = FileLock::try_alone(file).ok().flatten();
            Ok(folder)
        };

        let scratch = self
            .unfinished
            .scratch(make)
            .with_context(|| self.cannot_write())?;
        Ok(Making {
            cache: self,
            scratch,
            hold,
        })
    }
}

impl Making<'_> {
    /// Returns a handle with which another thread can discard this entry.
    pub(crate) fn scratch(&self) -> Scratch {
        self.scratch.clone()
    }

    /// Returns the path of `file` until the entry is published.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.scratch.path().join(file)
    }

    /// Creates the file at `path` in this entry.
    ///
    /// # Errors
    /// When it cannot be created, or the entry has been discarded meanwhile.
    pub(crate) fn create(&self, path: &Path) -> Result<Created> {
        let created = self.scratch.create(|| File::create(path));
        Ok(Created {
            file: created.ok_or_else(discarded)??,
            path: path.to_owned(),
        })
    }

    /// Adds the manifest and gives the entry its final name, replacing a damaged entry. If a whole
    /// entry of that name has appeared meanwhile, that one stays and this one is deleted.
    ///
    /// # Errors
    /// When the cache cannot be written to, or the entry has been discarded meanwhile.
    pub(crate) fn publish(mut self, key: &Fingerprint, manifest: &Manifest) -> Result<()> {
        let cache = self.cache;
        let path = self.path(MANIFEST_FILE);

        // Not synced to the disk: a partial manifest is read as a damaged entry, and so are stems
        // that disagree with their manifest.
        let written = self
            .scratch
            .create(|| fs::write(&path, serde_json::to_vec_pretty(manifest)?));
        written
            .unwrap_or_else(|| Err(io::Error::other(discarded())))
            .with_context(|| cache.cannot_write())?;
        let _lock = cache.lock()?;

        if sextet_protocol::cache::Entry::open(&cache.folders, key)
            .is_ok_and(|there| there.verify(&|| false).is_ok())
        {
            return Ok(());
        }
        let place = cache.place(key);
        if place.exists() && !cache.evict(&place)? {
            return Err(in_the_way(&place).into());
        }

        // Windows does not move a folder in which a file is open.
        self.hold = None;
        let renamed = self
            .scratch
            .commit(&place)
            .with_context(|| cache.cannot_write())?;
        if renamed { Ok(()) } else { Err(discarded()) }
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.hold = None;
        self.scratch.discard();
    }
}

fn discarded() -> anyhow::Error {
    anyhow!(Fault::new(Kind::Interrupted, "stopped when asked to"))
}

fn in_the_way(place: &Path) -> Fault {
    let message = format!(
        "the damaged entry '{}' is in use and cannot be replaced",
        place.display()
    );
    Fault::new(Kind::Output, message)
        .remedy("close the projects that play its stems and separate again")
}
