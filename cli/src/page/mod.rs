//! The page of `--page`: a mixer of a song's stems in one HTML file that opens from the disk.
//!
//! While the song is separated its stems are also encoded into a temporary folder
//! ([`recording`]). When they are complete, the page is put together from them ([`assemble`]) and
//! from what lies in `web/`: markup, style, and one script for each of the page's tasks.

mod assemble;
mod budget;
mod encode;
mod facts;
mod mark;
mod recording;

pub(crate) use facts::{About, Codec, WrittenPage};
pub(crate) use recording::{Recording, WithPage};

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Kind};

/// Name of the page, beside the stems.
const NAME: &str = "index.html";

/// Beginning of the value by which a page names the program that made it; a version follows.
const GENERATOR: &str = "Sextet ";

/// Number of bytes in which a page names its program.
const HEAD_BYTES: u64 = 1 << 12;

/// Returns the place of the page of the stems at `stems`.
pub(crate) fn place(stems: &[PathBuf]) -> Option<PathBuf> {
    stems.first().map(|stem| stem.with_file_name(NAME))
}

/// Refuses a page at `place` where a file lies that is none of Sextet's pages.
///
/// # Errors
/// When it is somebody else's.
pub(crate) fn check_place(place: &Path) -> Result<(), Fault> {
    let Ok(file) = File::open(place) else {
        return Ok(());
    };
    let mut head = Vec::new();
    let read = file.take(HEAD_BYTES).read_to_end(&mut head);
    let named = format!("<meta name=\"generator\" content=\"{GENERATOR}");
    if read.is_ok() && String::from_utf8_lossy(&head).contains(&named) {
        return Ok(());
    }

    let message = format!(
        "the page would be written over '{}', which Sextet has not made",
        place.display()
    );
    Err(Fault::new(Kind::Usage, message)
        .remedy("move that file, or choose another folder with -o or --name"))
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn only_pages_of_our_own_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&[folder.path().join("drums.wav")]).unwrap();
        assert_eq!(place, folder.path().join("index.html"));

        let cases: [(Option<&str>, bool); 5] = [
            (None, true),
            (
                Some("<html><meta name=\"generator\" content=\"Sextet 0.0.9\">"),
                true,
            ),
            (Some(""), false),
            (Some("<h1>My songs, made with Sextet 1.0</h1>"), false),
            (
                Some("<meta name=\"generator\" content=\"Hugo 0.1\">"),
                false,
            ),
        ];
        each_case(cases, |(text, expected)| {
            if let Some(text) = text {
                std::fs::write(&place, text).unwrap();
            }
            assert_eq!(check_place(&place).is_ok(), expected, "{text:?}");
        });
    }
}
