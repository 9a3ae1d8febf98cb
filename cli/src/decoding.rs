//! Songs, read by Sextet's own decoders or else by ffmpeg: once for every command and the worker.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sextet_separator::Result;
use sextet_separator::audio::{AudioFile, Ffmpeg};

use crate::config;

/// Environment variable that names ffmpeg, or `none` for no ffmpeg at all.
pub(crate) const VARIABLE: &str = "SEXTET_FFMPEG";

/// Value of the variable and of the configuration by which ffmpeg is not used.
const NONE: &str = "none";

/// Opens the song under `path`.
///
/// # Errors
/// When it cannot be read, or neither Sextet nor ffmpeg decodes it.
pub(crate) fn open(path: &Path) -> Result<AudioFile> {
    AudioFile::open_with(path, ffmpeg())
}

/// Returns the ffmpeg that the environment or the configuration names, or else the one on the
/// `PATH`; `None` where there is none, or none is wanted.
pub(crate) fn ffmpeg() -> Option<&'static Ffmpeg> {
    static FOUND: OnceLock<Option<Ffmpeg>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            // A configuration that cannot be read is reported by whoever needs it.
            let configured = || config::read().ok().and_then(|config| config.ffmpeg);
            let variable = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
            choose(variable.map(PathBuf::from).or_else(configured))
        })
        .as_ref()
}

fn choose(named: Option<PathBuf>) -> Option<Ffmpeg> {
    match named {
        Some(named) if named.as_os_str() == OsStr::new(NONE) => None,
        Some(named) => Some(Ffmpeg::new(named)),
        None => Ffmpeg::on_path(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_program_is_taken_and_none_is_none() {
        assert_eq!(choose(Some("none".into())), None);
        let named = choose(Some("/opt/ffmpeg".into()));
        assert_eq!(named, Some(Ffmpeg::new("/opt/ffmpeg")));
        assert_eq!(choose(None), Ffmpeg::on_path());
    }
}
