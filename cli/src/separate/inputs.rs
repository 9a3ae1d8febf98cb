//! The songs that the inputs on the command line name.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use walkdir::{DirEntry, WalkDir};

use crate::fault::{Fault, Kind};

/// Extensions of the files that are taken from a folder. A file that is named itself is taken
/// whatever its extension.
const EXTENSIONS: [&str; 18] = [
    "wav", "wave", "rf64", "bwf", "aif", "aiff", "aifc", "flac", "mp3", "mp4", "m4a", "m4b", "aac",
    "alac", "ogg", "oga", "opus", "caf",
];

/// One input to separate, or the reason why it cannot be separated.
#[derive(Debug)]
pub(crate) struct Input {
    /// The file as it was named or found.
    pub(crate) path: PathBuf,
    /// The path from the named folder, including that folder's name, to the folder of the file. For
    /// a file that was named itself, the name of its folder.
    pub(crate) folder: PathBuf,
    /// Size in bytes.
    pub(crate) found: Result<u64>,
}

/// Finds all songs below `named`, in the order in which they were named and, within a folder, in
/// natural order. The `output` folder is left out: it holds Sextet's own files.
pub(crate) fn gather(named: &[PathBuf], output: &Path) -> Vec<Input> {
    let output = fs::canonicalize(output).ok();
    let mut inputs = Vec::new();
    for path in named {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => search(path, output.as_deref(), &mut inputs),
            Ok(found) if found.is_file() => inputs.push(single(path, Ok(found.len()))),
            Ok(_) => {
                let fault = Fault::new(
                    Kind::Input,
                    format!("'{}' is no regular file", path.display()),
                );
                let remedy =
                    "a song may be read twice: save what the pipe or device gives to a file first";
                inputs.push(single(path, Err(fault.remedy(remedy).into())));
            }
            Err(error) => inputs.push(single(path, Err(unreadable(path, error)))),
        }
    }

    inputs
}

fn unreadable(path: &Path, error: std::io::Error) -> anyhow::Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        let fault = Fault::new(
            Kind::Input,
            format!("there is no file '{}'", path.display()),
        );
        return fault
            .remedy("check the spelling; put quotes around names with spaces")
            .into();
    }
    anyhow::Error::new(error).context(Fault::new(
        Kind::Input,
        format!("cannot read '{}'", path.display()),
    ))
}

fn single(path: &Path, found: Result<u64>) -> Input {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute
        .parent()
        .and_then(Path::file_name)
        .unwrap_or_default();
    Input {
        path: path.to_owned(),
        folder: folder.into(),
        found,
    }
}

/// Adds all audio files below `root` to `inputs`. Symbolic links are followed, but never in a
/// circle.
fn search(root: &Path, output: Option<&Path>, inputs: &mut Vec<Input>) {
    let before = inputs.len();
    let walk = WalkDir::new(root).follow_links(true).sort_by(natural);
    let wanted = |entry: &DirEntry| {
        entry.depth() == 0 || !(hidden(entry.file_name()) || ours(entry, output))
    };

    for entry in walk.into_iter().filter_entry(wanted) {
        match entry {
            Ok(entry) if entry.file_type().is_file() && audio(entry.path()) => {
                let found = entry
                    .metadata()
                    .map(|found| found.len())
                    .context("cannot read it");
                let folder = folder_of(root, entry.path());
                inputs.push(Input {
                    path: entry.into_path(),
                    folder,
                    found,
                });
            }
            Ok(_) => {}
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) => {
                let path = error.path().unwrap_or(root).to_owned();
                let fault = Fault::new(Kind::Input, format!("cannot read '{}'", path.display()));
                inputs.push(Input {
                    path,
                    folder: PathBuf::new(),
                    found: Err(anyhow::Error::new(error).context(fault)),
                });
            }
        }
    }

    if inputs.len() == before {
        let fault = Fault::new(
            Kind::Input,
            format!("there is no audio in the folder '{}'", root.display()),
        );
        let remedy = format!(
            "files are looked for by extension: {}",
            EXTENSIONS.join(", ")
        );
        inputs.push(Input {
            path: root.to_owned(),
            folder: PathBuf::new(),
            found: Err(fault.remedy(remedy).into()),
        });
    }
}

/// Returns the name of the named folder, joined with the path from there to the song's folder.
fn folder_of(root: &Path, song: &Path) -> PathBuf {
    let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let named = absolute.file_name().unwrap_or_default();
    let between = song
        .strip_prefix(root)
        .ok()
        .and_then(Path::parent)
        .unwrap_or(Path::new(""));
    Path::new(named).join(between)
}

fn hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn ours(entry: &DirEntry, output: Option<&Path>) -> bool {
    entry.file_type().is_dir()
        && output
            .is_some_and(|output| fs::canonicalize(entry.path()).is_ok_and(|path| path == output))
}

fn audio(path: &Path) -> bool {
    let extension = path
        .extension()
        .and_then(OsStr::to_str)
        .unwrap_or_default()
        .to_ascii_lowercase();
    EXTENSIONS.contains(&extension.as_str())
}

/// Compares names in natural order: `2` before `10`. Equal names are compared by their bytes.
fn natural(a: &DirEntry, b: &DirEntry) -> Ordering {
    let (a, b) = (a.file_name(), b.file_name());
    natord::compare_ignore_case(&a.to_string_lossy(), &b.to_string_lossy()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(folder: &Path, names: &[&str]) {
        for name in names {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
    }

    fn found(named: &[PathBuf], output: &Path) -> Vec<String> {
        let inputs = gather(named, output);
        inputs
            .iter()
            .map(|input| {
                input
                    .path
                    .file_name()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    }

    #[test]
    fn folders_are_searched_in_natural_order_without_hidden_files_and_our_own_output() {
        let folder = tempfile::tempdir().unwrap();
        touch(
            folder.path(),
            &[
                "10.wav",
                "9.FLAC",
                "b/1.mp3",
                ".hidden.wav",
                ".git/x.wav",
                "notes.txt",
                "stems/9/bass.wav",
            ],
        );

        let named = [folder.path().to_owned()];
        assert_eq!(
            found(&named, &folder.path().join("stems")),
            ["9.FLAC", "10.wav", "1.mp3"]
        );
        let inputs = gather(&named, &folder.path().join("stems"));

        let top = folder.path().file_name().unwrap();
        assert_eq!(inputs[2].folder, Path::new(top).join("b"));
    }

    #[cfg(unix)]
    #[test]
    fn links_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), &["a/1.wav"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/up")).unwrap();
        assert_eq!(
            found(&[folder.path().to_owned()], Path::new("nowhere")),
            ["1.wav"]
        );
    }

    #[test]
    fn what_is_not_there_is_a_fault_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let named = [folder.path().to_owned(), folder.path().join("missing.wav")];
        let inputs = gather(&named, Path::new("stems"));
        assert_eq!(
            inputs.iter().filter(|input| input.found.is_err()).count(),
            2
        );
    }
}
