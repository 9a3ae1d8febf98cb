//! An entry that is being made: a folder under a name of its own until all is in it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use sextet_protocol::Fingerprint;
use sextet_protocol::cache::{IN_USE_FILE, MANIFEST_FILE, Manifest};
use sextet_separator::audio::AudioWriter;

use super::StemCache;
use crate::fault::{Fault, Kind};
use crate::unfinished::Scratch;

/// How the name of an entry begins that is being made.
pub(super) const MAKING: &str = ".making-";

/// An entry that is being made. It goes with all that is in it unless it is published.
#[derive(Debug)]
pub(crate) struct Making<'a> {
    cache: &'a StemCache,
    scratch: Scratch,
    /// Locked while this process lives: by it others tell what a dead one has left.
    hold: Option<File>,
}

impl StemCache {
    /// Begins an entry.
    ///
    /// # Errors
    /// When the cache cannot be written to.
    pub(crate) fn begin(&self) -> Result<Making<'_>> {
        let _lock = self.lock()?;
        let mut hold = None;
        let make = || {
            let folder = new_folder(&self.folders.stems())?;
            let file = super::open_lock(&folder.join(IN_USE_FILE))?;
            // A disk without locks has no other process to tell.
            let _ = file.try_lock();
            hold = Some(file);
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

/// A folder in `stems` that was not there before.
fn new_folder(stems: &Path) -> io::Result<PathBuf> {
    let mut number = 0;
    loop {
        let folder = stems.join(format!("{MAKING}{}-{number}", std::process::id()));
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            made => return made.map(|()| folder),
        }
    }
}

impl Making<'_> {
    /// What others discard it by.
    pub(crate) fn scratch(&self) -> Scratch {
        self.scratch.clone()
    }

    /// Where `file` is until it is published.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.scratch.path().join(file)
    }

    /// Has `create` make the file at `path` in it.
    ///
    /// # Errors
    /// Those of `create`, or when it has been discarded meanwhile.
    pub(crate) fn create(
        &self,
        path: &Path,
        create: &mut dyn FnMut(&Path) -> Result<AudioWriter>,
    ) -> Result<AudioWriter> {
        self.scratch
            .create(|| create(path))
            .unwrap_or_else(|| Err(discarded()))
    }

    /// Adds the manifest and gives the entry its name, in place of a damaged one. Where a whole one
    /// has come meanwhile, that one stays and this one goes.
    ///
    /// # Errors
    /// When the cache cannot be written to, or it has been discarded meanwhile.
    pub(crate) fn publish(mut self, key: &Fingerprint, manifest: &Manifest) -> Result<()> {
        let cache = self.cache;
        let path = self.path(MANIFEST_FILE);

        // Nobody waits for the disk: half a manifest is read as a damaged entry, and so are stems
        // that it does not agree with.
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
            .commit(|from| fs::rename(from, &place))
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
        .help("close the projects that play its stems and separate again")
}
