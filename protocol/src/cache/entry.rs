//! A complete entry of the stem cache, locked against eviction while it is read.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sextet_fs::FileLock;
use sha2::{Digest as _, Sha256};

use super::manifest::{MANIFEST_FILE, MANIFEST_FORMAT, Manifest, StemFile};
use crate::error::Cause;
use crate::{Fingerprint, Folders, Result, Stem};

/// Name of the file whose lock says that an entry is in use and whose time says when it last was.
pub const IN_USE_FILE: &str = "in-use";

/// A complete cache entry. No worker evicts it while it is held.
#[derive(Debug)]
pub struct Entry {
    folder: PathBuf,
    manifest: Manifest,
    /// The shared lock of the held entry; `None` for an entry without a lock file.
    _hold: Option<FileLock>,
}

impl Entry {
    /// Opens the entry `key` and records the time of use. The manifest is read and the files' sizes
    /// are compared with it. Their contents are not compared; [`Entry::verify`] does that.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`](crate::ErrorKind::Missing) when there is no such entry,
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) when it is not whole,
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when it cannot be read.
    pub fn open(folders: &Folders, key: &Fingerprint) -> Result<Self> {
        let folder = folders.stems().join(key.to_string());
        let missing = || Cause::NoEntry {
            key: key.to_string(),
        };

        if !folder.is_dir() {
            return Err(missing().into());
        }

        // Hold it, unless it is just being evicted.
        let hold = match open_hold(&folder) {
            Some((path, file)) => {
                let lock = FileLock::try_shared(file);
                let lock = lock.map_err(|source| Cause::Read { path, source })?;
                Some(lock.ok_or_else(missing)?)
            }
            None => None,
        };
        if let Some(lock) = &hold {
            let _ = lock.file().set_modified(SystemTime::now());
        }

        // The entry may have been evicted between the check and the lock. Its folder has another
        // name then, and reading the manifest fails.
        let manifest = read_manifest(&folder, key)?;
        let entry = Self {
            folder,
            manifest,
            _hold: hold,
        };

        entry.check_sizes()?;
        Ok(entry)
    }

    /// Returns the entry's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the entry's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of the file of `stem`; `None` for a stem that the model does not give.
    pub fn stem_path(&self, stem: Stem) -> Option<PathBuf> {
        let has = self.manifest.stems.iter().any(|file| file.stem == stem);
        has.then(|| self.path_of(stem))
    }

    /// Reads every file and compares it with the manifest. `cancelled` is called about 100 times a
    /// second or more often.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) when a file differs from the manifest,
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled),
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn verify(&self, cancelled: &(dyn Fn() -> bool + Sync)) -> Result<()> {
        let check = |file: &StemFile| {
            let path = self.path_of(file.stem);
            let found = sha256_of_file(&path, cancelled)?;
            if found == file.sha256 {
                return Ok(());
            }

            Err(Cause::Hash {
                path,
                expected: file.sha256.clone(),
                found,
            }
            .into())
        };
        std::thread::scope(|scope| {
            let checks: Vec<_> = self
                .manifest
                .stems
                .iter()
                .map(|file| scope.spawn(move || check(file)))
                .collect();

            let results = checks.into_iter().map(|check| {
                check
                    .join()
                    .unwrap_or_else(|_| Err(Cause::Cancelled.into()))
            });

            results.collect()
        })
    }

    fn path_of(&self, stem: Stem) -> PathBuf {
        self.folder.join(StemFile::name(stem))
    }

    fn check_sizes(&self) -> Result<()> {
        for file in &self.manifest.stems {
            let path = self.path_of(file.stem);
            match fs::metadata(&path) {
                Ok(found) if found.is_file() && found.len() == file.bytes => {}
                Ok(found) => {
                    return Err(Cause::Size {
                        path,
                        expected: file.bytes,
                        found: found.len(),
                    }
                    .into());
                }
                Err(source) if source.kind() == io::ErrorKind::NotFound => {
                    return Err(Cause::NoFile {
                        stem: file.stem,
                        path,
                    }
                    .into());
                }
                Err(source) => return Err(Cause::Read { path, source }.into()),
            }
        }
        Ok(())
    }
}

/// Opens the file whose lock keeps the entry in `folder` from eviction and whose time says when the
/// entry was used. There may be none in a cache that cannot be written to, which is not evicted
/// from either.
fn open_hold(folder: &Path) -> Option<(PathBuf, File)> {
    let path = folder.join(IN_USE_FILE);
    let file = File::options().write(true).open(&path);
    let file = file.or_else(|_| File::open(&path)).ok()?;
    Some((path, file))
}

fn read_manifest(folder: &Path, key: &Fingerprint) -> Result<Manifest> {
    /// The one field that manifests of all formats have.
    #[derive(serde::Deserialize)]
    struct AnyFormat {
        format: u32,
    }
    let path = folder.join(MANIFEST_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            return Err(Cause::NoEntry {
                key: key.to_string(),
            }
            .into());
        }
        Err(source) => return Err(Cause::Read { path, source }.into()),
    };

    let unreadable = |source| Cause::NoManifest {
        path: path.clone(),
        source,
    };
    // Check the format before the fields, which may differ in other formats.
    let AnyFormat { format } = serde_json::from_slice(&bytes).map_err(unreadable)?;

    if format != MANIFEST_FORMAT {
        return Err(Cause::Format {
            path,
            expected: MANIFEST_FORMAT,
            found: format,
        }
        .into());
    }

    // The recipe must have the key that names the folder.
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(unreadable)?;
    let found = manifest.recipe.key();
    if found != *key {
        return Err(Cause::Key {
            path,
            expected: key.to_string(),
            found: found.to_string(),
        }
        .into());
    }

    Ok(manifest)
}

/// Returns the SHA-256 of the file at `path` in hexadecimal, unless `cancelled` returns true first.
///
/// # Errors
/// When the file cannot be read, or the call was cancelled.
pub fn sha256_of_file(path: &Path, cancelled: &dyn Fn() -> bool) -> Result<String> {
    let unreadable = |source| Cause::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);

    loop {
        if cancelled() {
            return Err(Cause::Cancelled.into());
        }
        match file.read(&mut buffer).map_err(unreadable)? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;
    use crate::ErrorKind;
    use crate::cache::recipe::example;

    const NEVER: fn() -> bool = || false;

    /// Makes an entry of two small files.
    fn make(folders: &Folders) -> (Fingerprint, PathBuf) {
        let recipe = example();
        let key = recipe.key();

        let folder = folders.stems().join(key.to_string());
        fs::create_dir_all(&folder).unwrap();
        let stems = [Stem::Drums, Stem::Bass].map(|stem| {
            let path = folder.join(StemFile::name(stem));
            fs::write(&path, stem.name()).unwrap();
            StemFile {
                stem,
                bytes: stem.name().len() as u64,
                sha256: sha256_of_file(&path, &NEVER).unwrap(),
            }
        });

        let manifest = Manifest {
            format: MANIFEST_FORMAT,
            sextet: "0.1.0".to_owned(),
            created_s: 1,
            song: "song.wav".to_owned(),
            model: "model".to_owned(),
            engine: "engine".to_owned(),
            recipe,
            rate_hz: 44_100,
            channels: 2,
            frames: 44_100,
            stems: stems.to_vec(),
        };

        fs::write(
            folder.join(MANIFEST_FILE),
            serde_json::to_string(&manifest).unwrap(),
        )
        .unwrap();

        fs::write(folder.join(IN_USE_FILE), "").unwrap();
        (key, folder)
    }

    #[test]
    fn a_whole_entry_opens_and_verifies() {
        let home = tempfile::tempdir().unwrap();
        let folders = Folders::at(home.path(), home.path());
        let (key, folder) = make(&folders);

        let entry = Entry::open(&folders, &key).unwrap();
        entry.verify(&NEVER).unwrap();

        assert_eq!(entry.stem_path(Stem::Bass), Some(folder.join("bass.wav")));
        assert_eq!(entry.stem_path(Stem::Piano), None);
        assert_eq!(
            (entry.manifest().bytes(), entry.manifest().seconds()),
            (9, 1.0)
        );

        assert_eq!(
            entry.verify(&|| true).unwrap_err().kind(),
            ErrorKind::Cancelled
        );
    }

    #[test]
    fn a_held_entry_cannot_be_locked_and_one_that_leaves_is_missing() {
        let home = tempfile::tempdir().unwrap();
        let folders = Folders::at(home.path(), home.path());
        let (key, folder) = make(&folders);
        let alone = || {
            let file = FileLock::open(&folder.join(IN_USE_FILE)).unwrap();
            FileLock::try_alone(file).unwrap()
        };

        let entries = [
            Entry::open(&folders, &key).unwrap(),
            Entry::open(&folders, &key).unwrap(),
        ];
        assert!(alone().is_none());
        drop(entries);
        let _alone = alone().unwrap();

        assert_eq!(
            Entry::open(&folders, &key).unwrap_err().kind(),
            ErrorKind::Missing
        );
    }

    /// A damage that an entry may suffer on a disk.
    type Harm = fn(&Path);

    #[test]
    fn what_is_not_whole_is_told_apart() {
        let cases: [(&str, Harm, ErrorKind); 8] = [
            (
                "all gone",
                |f| fs::remove_dir_all(f).unwrap(),
                ErrorKind::Missing,
            ),
            (
                "no manifest",
                |f| fs::remove_file(f.join(MANIFEST_FILE)).unwrap(),
                ErrorKind::Missing,
            ),
            (
                "half a manifest",
                |f| fs::write(f.join(MANIFEST_FILE), "{\"format\": 1").unwrap(),
                ErrorKind::Damaged,
            ),
            (
                "another format",
                |f| fs::write(f.join(MANIFEST_FILE), "{\"format\": 2}").unwrap(),
                ErrorKind::Damaged,
            ),
            (
                "a stem gone",
                |f| fs::remove_file(f.join("bass.wav")).unwrap(),
                ErrorKind::Damaged,
            ),
            (
                "a stem cut",
                |f| fs::write(f.join("bass.wav"), "ba").unwrap(),
                ErrorKind::Damaged,
            ),
            (
                "a folder for a stem",
                |f| {
                    fs::remove_file(f.join("bass.wav")).unwrap();
                    fs::create_dir(f.join("bass.wav")).unwrap();
                },
                ErrorKind::Damaged,
            ),
            (
                "another recipe",
                |f| {
                    let text = fs::read_to_string(f.join(MANIFEST_FILE)).unwrap();
                    fs::write(f.join(MANIFEST_FILE), text.replace("cpu-f32", "cpu-f64")).unwrap();
                },
                ErrorKind::Damaged,
            ),
        ];
        each_case(cases, |(name, corrupt, expected)| {
            let home = tempfile::tempdir().unwrap();
            let folders = Folders::at(home.path(), home.path());
            let (key, folder) = make(&folders);
            corrupt(&folder);
            let error = Entry::open(&folders, &key).unwrap_err();
            assert_eq!(error.kind(), expected, "{name}: {error}");
        });
    }

    #[test]
    fn a_byte_that_changed_is_found() {
        let home = tempfile::tempdir().unwrap();
        let folders = Folders::at(home.path(), home.path());
        let (key, folder) = make(&folders);

        fs::write(folder.join("bass.wav"), "bAss").unwrap();
        let error = Entry::open(&folders, &key)
            .unwrap()
            .verify(&NEVER)
            .unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.to_string().contains("bass.wav"), "{error}");
    }

    /// Old entries without the file can be opened all the same; they only cannot be locked.
    #[test]
    fn a_missing_in_use_file_is_no_harm() {
        let home = tempfile::tempdir().unwrap();
        let folders = Folders::at(home.path(), home.path());
        let (key, folder) = make(&folders);
        fs::remove_file(folder.join(IN_USE_FILE)).unwrap();
        Entry::open(&folders, &key).unwrap();
    }
}
