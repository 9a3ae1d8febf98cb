//! Where a user's files lie: the cache, the captures, and the command that the plugin runs.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::Cause;
use crate::{Fingerprint, Result};

/// Environment variable that names the cache folder instead of the system's.
pub const CACHE_VARIABLE: &str = "SEXTET_CACHE";
/// Environment variable that names the data folder instead of the system's.
pub const DATA_VARIABLE: &str = "SEXTET_DATA";
/// Environment variable that names the command which the plugin runs, whatever else there is.
pub const COMMAND_VARIABLE: &str = "SEXTET_COMMAND";

/// File name of the command: `sextet`, or `sextet.exe`.
pub const COMMAND_FILE: &str = if cfg!(windows) {
    "sextet.exe"
} else {
    "sextet"
};

/// The folders of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    cache: PathBuf,
    data: PathBuf,
}

impl Folders {
    /// This user's folders: [`CACHE_VARIABLE`] and [`DATA_VARIABLE`] where they are set, else
    /// `sextet` in the system's (`~/.cache` and `~/.local/share`, `~/Library/Caches` and
    /// `~/Library/Application Support`, or `%LOCALAPPDATA%`). Nothing is created.
    ///
    /// # Errors
    /// [`ErrorKind::NoFolder`](crate::ErrorKind::NoFolder) when the system does not know of any and the variable is not
    /// set.
    pub fn of_user() -> Result<Self> {
        // Windows has one folder for both.
        let name = if cfg!(windows) {
            "sextet/cache"
        } else {
            "sextet"
        };

        let cache = named(CACHE_VARIABLE).or_else(|| Some(dirs::cache_dir()?.join(name)));
        let data = named(DATA_VARIABLE).or_else(|| Some(dirs::data_local_dir()?.join("sextet")));

        let missing = |what, variable| Cause::NoCacheFolder { what, variable };
        Ok(Self {
            cache: cache.ok_or(missing("the stem cache", CACHE_VARIABLE))?,
            data: data.ok_or(missing("what is captured", DATA_VARIABLE))?,
        })
    }

    /// Folders of one's own choice.
    pub fn at(cache: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            data: data.into(),
        }
    }

    /// The cache folder: all in it can be made again.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The data folder: what is in it cannot be made again.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The stem cache: one folder an entry, named after its key.
    pub fn stems(&self) -> PathBuf {
        self.cache.join("stems")
    }

    /// The file that is locked by whichever process is separating.
    pub fn engine_lock(&self) -> PathBuf {
        self.cache.join("engine.lock")
    }

    /// Captures: float32 WAV files, each named after the [fingerprint](crate::AudioHasher) of its
    /// audio.
    pub fn captures(&self) -> PathBuf {
        self.data.join("captures")
    }

    /// The capture with this audio: `captures/<fingerprint>.wav`.
    pub fn capture(&self, audio: &Fingerprint) -> PathBuf {
        self.captures().join(format!("{audio}.wav"))
    }

    /// Where `cargo xtask install` and installers put the command for this user.
    pub fn installed_command(&self) -> PathBuf {
        self.data.join("bin").join(COMMAND_FILE)
    }
}

/// The folder that `variable` names; one that is empty names none.
fn named(variable: &str) -> Option<PathBuf> {
    let value = env::var_os(variable).filter(|value| !value.is_empty())?;
    // What is relative would mean another folder to each process.
    std::path::absolute(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lies_below_the_two_folders() {
        let folders = Folders::at("/c", "/d");
        let audio = Fingerprint::of(b"audio");

        assert_eq!(folders.stems(), Path::new("/c/stems"));
        assert_eq!(folders.engine_lock(), Path::new("/c/engine.lock"));
        assert_eq!(
            folders.capture(&audio),
            folders.captures().join(format!("{audio}.wav"))
        );

        assert_eq!(folders.captures(), Path::new("/d/captures"));
        assert!(folders.installed_command().starts_with("/d/bin"));
    }

    #[test]
    fn this_system_has_folders() {
        let folders = Folders::of_user().unwrap();
        assert!(folders.cache().is_absolute() && folders.data().is_absolute());
        assert_ne!(folders.cache(), folders.data());
    }
}
