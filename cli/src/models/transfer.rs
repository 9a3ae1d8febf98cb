//! The transfer of one file from the hub into the cache. The file is verified before it gets its
//! name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::cache::{Place, lock_folder, unwritable};
use super::catalogue::Hub;
use super::facts::Facts;
use super::hub::Remote;
use crate::fault::{Fault, Kind};
use crate::transfer::sha256;
use crate::transfer::{self, Download, TransferListener, length};

/// A transfer of one file of `hub`.
pub(super) struct Transfer<'a> {
    pub(super) remote: &'a Remote,
    pub(super) hub: &'a Hub,
    pub(super) file: &'a str,
    /// SHA-256 of the file, if the catalogue has it.
    pub(super) sha256: Option<&'a str>,
    pub(super) facts: &'a Facts,
}

impl Transfer<'_> {
    /// Fetches the file unless a whole copy is in the cache. Returns its path in the cache.
    ///
    /// # Errors
    /// When the hub does not give it or gives something else, the cache cannot be written, or
    /// `listener` cancelled.
    pub(super) fn run(&self, listener: &mut dyn TransferListener) -> Result<PathBuf> {
        let place = Place::of(self.hub, self.file, self.facts);
        let locks = lock_folder(self.hub);
        listener.began(self.file, self.facts.bytes);

        if let Some(folder) = place.blob.parent() {
            fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        }

        // demucs and the hub's other clients wait for the same lock.
        let path = locks.join(format!("{}.lock", self.facts.etag));
        let _lock = transfer::lock(&path, listener, |error| unwritable(&path, error))?;

        if !self.is_here(&place, listener)? {
            self.fetch(&place, listener)?;
        }

        place
            .settle()
            .map_err(|(path, error)| unwritable(&path, &error))?;
        Ok(place.named)
    }

    /// Whether the file is in the cache and whole, with a name or without.
    fn is_here(&self, place: &Place, listener: &mut dyn TransferListener) -> Result<bool> {
        let Some(path) = [&place.blob, &place.named]
            .into_iter()
            .find(|path| path.is_file())
        else {
            return Ok(false);
        };

        listener.progress(length(path));
        let whole = self.verify(path, listener).is_ok();
        transfer::check(listener)?;

        Ok(whole)
    }

    /// Fetches the blob and verifies it. A file that fails is deleted.
    fn fetch(&self, place: &Place, listener: &mut dyn TransferListener) -> Result<()> {
        // The hub's name for it. It is kept when the download is interrupted, so that the next one
        // goes on with it.
        let part = place.blob.with_extension("incomplete");
        let source = self.remote.file(self.file);

        let client = self.remote.client();
        Download {
            client,
            source: &source,
            part: &part,
            bytes: self.facts.bytes,
        }
        .run(listener)?;

        listener.installing(self.file);
        if let Err(wrong) = self.verify(&part, listener) {
            transfer::check(listener)?;
            let _ = fs::remove_file(&part);
            return Err(wrong);
        }

        sextet_fs::rename_synced(&part, &place.blob)
            .map_err(|error| unwritable(&place.blob, &error).into())
    }

    /// Compares the file at `path` with all known facts about it.
    fn verify(&self, path: &Path, listener: &dyn TransferListener) -> Result<()> {
        let found = length(path);
        if let Some(expected) = self.facts.bytes.filter(|expected| *expected != found) {
            let message = format!("'{}' is {found} bytes long, expected {expected}", self.file);
            return Err(Fault::new(Kind::Hub, message).remedy("try again").into());
        }

        let known = [self.sha256, self.facts.sha256()];
        if known.iter().all(Option::is_none) {
            return Ok(());
        }

        let found = sha256(path, listener)?;
        match known
            .into_iter()
            .flatten()
            .find(|expected| !expected.eq_ignore_ascii_case(&found))
        {
            None => Ok(()),
            Some(expected) => {
                let message = format!(
                    "'{}' is not what it should be: SHA-256 {found}, expected {expected}",
                    self.file
                );
                Err(Fault::new(Kind::Hub, message)
                    .remedy("nothing was kept: try again")
                    .into())
            }
        }
    }
}
