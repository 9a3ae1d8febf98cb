//! The entries of the stem cache, and their eviction.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use sextet_fs::FileLock;
use sextet_protocol::Fingerprint;
use sextet_protocol::cache::{IN_USE_FILE, MANIFEST_FILE, Manifest};

use super::StemCache;

/// Prefix of the folder name of an entry that is being deleted.
const LEAVING: &str = ".leaving-";

/// An entry on the disk, whole or damaged.
#[derive(Debug)]
pub(super) struct CachedEntry {
    pub(super) key: Fingerprint,
    folder: PathBuf,
    /// Size of all its files in bytes.
    pub(super) bytes: u64,
    /// Time of the last use.
    pub(super) used: SystemTime,
    /// The manifest; `None` when it cannot be read.
    pub(super) manifest: Option<Manifest>,
}

impl StemCache {
    /// Returns all entries, the least recently used first.
    ///
    /// # Errors
    /// When the folder exists and cannot be read.
    pub(super) fn kept(&self) -> Result<Vec<CachedEntry>> {
        let mut all: Vec<_> = self
            .items()?
            .iter()
            .filter_map(|folder| CachedEntry::read(folder))
            .collect();
        all.sort_by_key(|kept| (kept.used, kept.key));
        Ok(all)
    }

    /// Makes room for `needed` bytes: evicts entries, the least recently used first, until the
    /// limit is kept and the disk has that much free space. Entries in use and `but` stay. This may
    /// fall short, because the entries in use may exceed the limit.
    ///
    /// # Errors
    /// When the cache cannot be written to.
    pub(crate) fn make_room(&self, needed: u64, but: Option<&Fingerprint>) -> Result<()> {
        let limit = self.limit()?.0;
        let _lock = self.lock()?;
        let kept = self.kept()?;
        let mut total: u64 = kept.iter().map(|kept| kept.bytes).sum();

        let stems = self.folders.stems();
        let free = || fs4::available_space(&stems).unwrap_or(u64::MAX);

        // Free space on the disk counts only if evicting everything would provide enough of it;
        // otherwise eviction for its sake is pointless.
        let helps = free().saturating_add(total) >= needed;
        let short = || helps && free() < needed;
        for kept in kept.iter().filter(|kept| Some(&kept.key) != but) {
            if total.saturating_add(needed) <= limit && !short() {
                break;
            }
            if self.evict(&kept.folder)? {
                total -= kept.bytes;
            }
        }

        Ok(())
    }

    /// Deletes `kept` unless it is in use. Returns whether it was deleted.
    ///
    /// # Errors
    /// When the cache cannot be written to.
    pub(super) fn remove(&self, kept: &CachedEntry) -> Result<bool> {
        let _lock = self.lock()?;
        self.evict(&kept.folder)
    }

    /// Deletes what dead processes have left behind. Entries that a process still works on stay.
    ///
    /// # Errors
    /// When the cache cannot be written to.
    pub(crate) fn sweep(&self) -> Result<()> {
        if !self.folders.stems().is_dir() {
            return Ok(());
        }

        let _lock = self.lock()?;
        for folder in self.items()? {
            let name = folder.file_name().unwrap_or_default();
            let is_leaving = name.to_string_lossy().starts_with(LEAVING);
            let is_making = sextet_fs::is_unfinished(name) && alone(&folder).is_some();
            if is_leaving || is_making {
                let _ = fs::remove_dir_all(&folder).or_else(|_| fs::remove_file(&folder));
            }
        }

        Ok(())
    }

    /// Deletes the entry in `folder` unless it is in use, and returns whether it was deleted. The
    /// caller holds the cache's lock.
    pub(super) fn evict(&self, folder: &Path) -> Result<bool> {
        let Some(lock) = alone(folder) else {
            return Ok(false);
        };

        // Windows does not move a folder in which a file is open. Elsewhere the lock keeps readers
        // out until the folder has moved.
        let _lock = if cfg!(windows) { None } else { lock };
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let leaving = folder.with_file_name(format!("{LEAVING}{name}"));

        let _ = fs::remove_dir_all(&leaving);
        match fs::rename(folder, &leaving) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(_) if cfg!(windows) => return Ok(false),
            moved => moved.with_context(|| self.cannot_write())?,
        }

        // The next sweep deletes what cannot be deleted now.
        let _ = fs::remove_dir_all(&leaving);
        Ok(true)
    }

    /// Returns the paths of everything in the cache's folder; none when the folder does not exist.
    fn items(&self) -> Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(self.folders.stems()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| self.cannot_write())?,
        };
        Ok(entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect())
    }
}

impl CachedEntry {
    fn read(folder: &Path) -> Option<Self> {
        let key = folder.file_name()?.to_str()?.parse().ok()?;
        let changed = |path: PathBuf| fs::metadata(path).and_then(|found| found.modified()).ok();
        let used = changed(folder.join(IN_USE_FILE)).or_else(|| changed(folder.to_owned()));
        let files = fs::read_dir(folder)
            .ok()?
            .filter_map(|file| file.ok()?.metadata().ok());

        let manifest = fs::read(folder.join(MANIFEST_FILE)).ok();
        Some(Self {
            key,
            folder: folder.to_owned(),
            bytes: files.map(|file| file.len()).sum(),
            used: used.unwrap_or(SystemTime::UNIX_EPOCH),
            manifest: manifest.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
        })
    }
}

/// Locks the entry in `folder` against readers. Returns `None` when it is being read or made. The
/// inner lock is `None` when there is no lock file or it cannot be locked.
fn alone(folder: &Path) -> Option<Option<FileLock>> {
    let Ok(file) = File::options().write(true).open(folder.join(IN_USE_FILE)) else {
        return Some(None);
    };
    match FileLock::try_alone(file) {
        Ok(lock) => lock.map(Some),
        Err(_) => Some(None),
    }
}
