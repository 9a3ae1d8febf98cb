//! One file from the hub into the cache: from where an earlier try stopped, and verified before it gets its name.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::cache::{lock_folder, repository_folder};
use super::catalogue::Hub;
use super::hub::{Facts, Remote};
use crate::fault::{Fault, Kind, Report};
use crate::files::sha256;
use crate::transfer::{self, TransferListener};

/// Tries without a single new byte before we give up.
const TRIES: u32 = 4;

/// Pause before the second try; it doubles each time.
const PAUSE: Duration = Duration::from_millis(250);

/// A transfer of one file of `hub`.
pub(super) struct Transfer<'a> {
    pub(super) remote: &'a Remote,
    pub(super) hub: &'a Hub,
    pub(super) file: &'a str,
    /// What the catalogue knows.
    pub(super) sha256: Option<&'a str>,
}

impl Transfer<'_> {
    /// Fetches the file unless it is here and whole. Returns its path in the cache.
    pub(super) fn run(&self, facts: &Facts, listener: &mut dyn TransferListener) -> Result<PathBuf> {
        listener.began(self.file, facts.bytes);
        let blobs = repository_folder(self.hub).join("blobs");
        let locks = lock_folder(self.hub);
        for folder in [&blobs, &locks] {
            fs::create_dir_all(folder).with_context(|| cannot_write(folder))?;
        }
        let _lock = lock(&locks.join(format!("{}.lock", facts.etag)))?;
        let blob = blobs.join(&facts.etag);
        if !blob.is_file() || self.verify(&blob, facts).is_err() {
            let part = blobs.join(format!("{}.incomplete", facts.etag));
            self.fill(&part, facts, listener)?;
            listener.installing(self.file);
            if let Err(error) = self.verify(&part, facts) {
                let _ = fs::remove_file(&part);
                return Err(error);
            }
            fs::rename(&part, &blob).with_context(|| cannot_write(&blob))?;
        }
        drop(_lock);
        self.remote.settle(self.file)
    }

    /// Adds to `part` until it is as long as the file, through cut connections.
    fn fill(&self, part: &Path, facts: &Facts, listener: &mut dyn TransferListener) -> Result<()> {
        let (mut tries, mut before) = (0, length(part));
        loop {
            let result = self.add(part, facts, listener);
            let now = length(part);
            let short = facts.bytes.is_some_and(|bytes| now < bytes);
            match result {
                Ok(()) if !short => return Ok(()),
                Err(error) if Report::of(&error).kind != Kind::Hub => return Err(error),
                result => {
                    tries = if now > before { 1 } else { tries + 1 };
                    if tries >= TRIES {
                        return result.and_then(|()| Err(self.too_short(now, facts)));
                    }
                }
            }
            before = now;
            std::thread::sleep(PAUSE * 2u32.pow(tries - 1));
        }
    }

    /// One request: the bytes that `part` lacks.
    fn add(&self, part: &Path, facts: &Facts, listener: &mut dyn TransferListener) -> Result<()> {
        let total = facts.bytes.unwrap_or(0);
        let mut done = length(part);
        if facts.bytes.is_none() || done > total {
            done = 0;
        }
        if done == total && total > 0 {
            return Ok(());
        }
        let opened = OpenOptions::new().append(true).create(true).open(part);
        let out = opened.with_context(|| cannot_write(part))?;
        out.set_len(done).with_context(|| cannot_write(part))?;
        let done = std::cell::Cell::new(done);
        let begin = |bytes: Option<u64>| {
            // A server that knows no ranges sends the whole file again.
            if done.get() > 0 && bytes == Some(total) {
                out.set_len(0).with_context(|| cannot_write(part))?;
                done.set(0);
            }
            Ok(())
        };
        let take = |piece: &[u8]| {
            (&out).write_all(piece).with_context(|| cannot_write(part))?;
            done.set(done.get() + piece.len() as u64);
            listener.moved(done.get());
            transfer::check(listener)
        };
        self.remote.read(self.file, (done.get(), total), begin, take)
    }

    /// Compares the file at `path` with all that is known about it.
    fn verify(&self, path: &Path, facts: &Facts) -> Result<()> {
        let found = length(path);
        if facts.bytes.is_some_and(|bytes| bytes != found) {
            return Err(self.too_short(found, facts));
        }
        let known = [self.sha256, facts.sha256()];
        if known.iter().all(Option::is_none) {
            return Ok(());
        }
        let found = sha256(path)?;
        match known.into_iter().flatten().find(|expected| !expected.eq_ignore_ascii_case(&found)) {
            None => Ok(()),
            Some(expected) => {
                let message = format!("'{}' is not what it should be: SHA-256 {found}, expected {expected}", self.file);
                Err(Fault::new(Kind::Hub, message).help("nothing was kept; run the same command again").into())
            }
        }
    }

    fn too_short(&self, found: u64, facts: &Facts) -> anyhow::Error {
        let expected = facts.bytes.unwrap_or(0);
        let message = format!("'{}' is {found} bytes long, expected {expected}", self.file);
        Fault::new(Kind::Hub, message).help("run the same command again").into()
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

fn cannot_write(path: &Path) -> Fault {
    Fault::new(Kind::Output, format!("cannot write '{}'", path.display()))
        .help("make room or choose another cache folder with HF_HOME")
}

/// Waits for whoever else fetches the same file: demucs, hf-hub and we use the same lock.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| cannot_write(path))?;
    file.lock().with_context(|| cannot_write(path))?;
    Ok(file)
}
