//! The folders of a user: the cache, the captures, and the command that the plugin runs.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::Cause;
use crate::{Fingerprint, Result};

/// Environment variable that replaces the system's cache folder.
pub const CACHE_VARIABLE: &str = "SEXTET_CACHE";
/// Environment variable that replaces the system's data folder.
pub const DATA_VARIABLE: &str = "SEXTET_DATA";
/// Environment variable that names the command for the plugin. It overrides every other place.
pub const COMMAND_VARIABLE: &str = "SEXTET_COMMAND";

/// File name of the command: `sextet`, or `sextet.exe`.
pub const COMMAND_FILE: &str = if cfg!(windows) {
    "sextet.exe"
} else {
    "sextet"
};

/// The cache folder and the data folder of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    cache: PathBuf,
    data: PathBuf,
}

impl Folders {
    /// Returns this user's folders: [`CACHE_VARIABLE`] and [`DATA_VARIABLE`] where they are set,
    /// else `sextet` in the system's (`~/.cache` and `~/.local/share`, `~/Library/Caches` and
    /// `~/Library/Application Support`, or `%LOCALAPPDATA%`). Creates nothing.
    ///
    /// # Errors
    /// [`ErrorKind::NoFolder`](crate::ErrorKind::NoFolder) when the system does not know of any and
    /// the variable is not set.
    pub fn of_user() -> Result<Self> {
        // On Windows, cache and data share one system folder.
        let of_system = || {
            let folder = dirs::cache_dir()?.join("sextet");
            Some(if cfg!(windows) {
                folder.join("cache")
            } else {
                folder
            })
        };

        let cache = named(CACHE_VARIABLE).or_else(of_system);
        let data = named(DATA_VARIABLE).or_else(|| Some(dirs::data_local_dir()?.join("sextet")));

        let missing = |what, variable| Cause::NoCacheFolder { what, variable };
        Ok(Self {
            cache: cache.ok_or(missing("the stem cache", CACHE_VARIABLE))?,
            data: data.ok_or(missing("what is captured", DATA_VARIABLE))?,
        })
    }

    /// Returns folders at the given paths.
    pub fn at(cache: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            data: data.into(),
        }
    }

    /// Returns the cache folder. Its contents can be made again.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Returns the data folder. Its contents cannot be made again.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Returns the folder of the stem cache, with one folder for each entry, named after its key.
    pub fn stems(&self) -> PathBuf {
        self.cache.join("stems")
    }

    /// Returns the file that the process which is separating keeps locked.
    pub fn engine_lock(&self) -> PathBuf {
        self.cache.join("engine.lock")
    }

    /// Returns the folder of the captures: float32 WAV files, each named after the
    /// [fingerprint](crate::AudioHasher) of its audio.
    pub fn captures(&self) -> PathBuf {
        self.data.join("captures")
    }

    /// Returns the path of the capture with this audio: `captures/<fingerprint>.wav`.
    pub fn capture(&self, audio: &Fingerprint) -> PathBuf {
        self.captures().join(format!("{audio}.wav"))
    }

    /// Returns the path at which `cargo xtask install` and installers put the command for this
    /// user.
    pub fn installed_command(&self) -> PathBuf {
        self.data.join("bin").join(COMMAND_FILE)
    }
}

/// Returns the folder that `variable` names; `None` if it is unset or empty.
fn named(variable: &str) -> Option<PathBuf> {
    let value = env::var_os(variable).filter(|value| !value.is_empty())?;
    // A relative path would mean a different folder in each process.
    std::path::absolute(value).ok()
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

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

        // Windows understands both separators, but a path that is shown has one.
        each_case([folders.stems(), folders.captures()], |path| {
            let shown = path.display().to_string();
            assert!(!(shown.contains('/') && shown.contains('\\')), "{shown}");
        });
    }
}
