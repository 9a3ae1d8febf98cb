//! Names that a disk takes: those of Windows, and of the file systems that it made common, allow
//! less than a song's title holds.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;

/// Longest name in bytes. Most file systems allow 255 bytes, others 255 units of UTF-16.
const LONGEST: usize = 255;

/// Characters that vfat, exFAT, NTFS and SMB refuse in names, besides control characters.
const REFUSED: [char; 8] = ['<', '>', ':', '"', '\\', '|', '?', '*'];

/// Names that Windows takes for devices, whatever their extension.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// The rules for names on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// All characters but a slash.
    Free,
    /// The rules of Windows.
    Strict,
}

impl Naming {
    /// Finds out which rules the disk of `folder` has, or of the nearest folder above it that
    /// exists, by creating a file for a moment.
    pub(crate) fn of(folder: &Path) -> Self {
        if cfg!(windows) {
            return Self::Strict;
        }
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let Some(there) = absolute.ancestors().find(|folder| folder.is_dir()) else {
            return Self::Free;
        };

        // A folder that cannot be written to has other faults, which are told later.
        let create = |name: String| {
            let path = there.join(name);
            let created = File::options().write(true).create_new(true).open(&path);
            let is_there = created.is_ok();
            drop(created);
            if is_there {
                let _ = std::fs::remove_file(&path);
            }
            is_there
        };
        let number = std::process::id();
        let name = |odd: &str| format!(".sextet-{number}{odd}.part");
        if !create(name("?:")) && create(name("")) {
            Self::Strict
        } else {
            Self::Free
        }
    }

    /// Returns whether the rules make a difference for `name`.
    pub(crate) fn matter_for(name: &OsStr) -> bool {
        Self::Strict.safe(name) != name
    }

    /// Returns `name` as a name that the disk takes.
    pub(crate) fn safe(self, name: &OsStr) -> OsString {
        match self {
            Self::Free => name.to_owned(),
            Self::Strict => strict(&name.to_string_lossy()).into(),
        }
    }
}

fn strict(name: &str) -> String {
    let plain = |character: char| {
        if REFUSED.contains(&character) || character.is_control() {
            '_'
        } else {
            character
        }
    };
    let mut safe: String = name.chars().map(plain).collect();

    // Dots and spaces at the end are dropped without a word, so that the name is not found again.
    let kept = safe.trim_end_matches(['.', ' ']).len();
    if kept < safe.len() {
        safe.truncate(kept);
        safe.push('_');
    }

    let base = safe.split('.').next().unwrap_or_default();
    if DEVICES.contains(&base.trim_end().to_ascii_lowercase().as_str()) {
        safe.insert(0, '_');
    }
    safe
}

/// Returns by how many bytes the longest name in `path` is longer than file systems allow.
pub(super) fn excess(path: &Path) -> usize {
    let lengths = path.iter().map(|name| name.len().saturating_sub(LONGEST));
    lengths.max().unwrap_or(0)
}

/// Returns `name` without so many bytes at its end, or a few more, but never empty.
pub(super) fn cut(name: &OsStr, bytes: usize) -> OsString {
    let name = name.to_string_lossy();
    let first = name.chars().next().map_or(0, char::len_utf8);
    let mut end = name.len().saturating_sub(bytes).max(first);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].trim_end().into()
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn names_are_made_what_windows_allows() {
        let cases = [
            ("What: is this?", "What_ is this_"),
            ("a<b>c|d*e\"f\\g", "a_b_c_d_e_f_g"),
            ("the end...", "the end_"),
            ("the end ", "the end_"),
            ("...", "_"),
            ("con", "_con"),
            ("Aux.1", "_Aux.1"),
            ("nul .wav", "_nul .wav"),
            ("lpt9", "_lpt9"),
            ("console", "console"),
            ("com10", "com10"),
            ("a\u{7}b\n", "a_b_"),
            ("Étude 日本.live", "Étude 日本.live"),
        ];
        each_case(cases, |(name, expected)| {
            let name = OsStr::new(name);
            assert_eq!(Naming::Strict.safe(name), expected);
            assert_eq!(Naming::Free.safe(name), name);
            assert_eq!(Naming::matter_for(name), name != expected);
        });
    }

    #[test]
    fn names_are_cut_between_characters() {
        let cases = [
            ("abc", 0, "abc"),
            ("abc", 2, "a"),
            ("abc", 9, "a"),
            ("aéé", 1, "aé"),
            ("éa", 9, "é"),
            ("a song", 4, "a"),
        ];
        each_case(cases, |(name, bytes, expected)| {
            assert_eq!(cut(OsStr::new(name), bytes), expected, "{name}");
        });
        assert_eq!(excess(Path::new("a/b")), 0);
        assert_eq!(excess(&Path::new("a").join("x".repeat(260))), 5);
    }

    #[cfg(unix)]
    #[test]
    fn a_disk_of_unix_takes_all_names_and_nothing_is_left_of_the_trial() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Naming::of(folder.path()), Naming::Free);
        assert_eq!(Naming::of(&folder.path().join("not/yet")), Naming::Free);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
