//! The songs that the inputs on the command line name.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sextet_fs::AtomicDir;
use sextet_protocol::{AUDIO_EXTENSIONS, FFMPEG_EXTENSIONS};
use sextet_separator::Stem;
use sextet_separator::audio::Tags;
use walkdir::{DirEntry, WalkDir};

use crate::fault::{Fault, Kind};
use crate::stems::{MANIFEST_NAME, Manifest};
use crate::unfinished::Unfinished;

/// Name of standard input on the command line.
const STANDARD_INPUT: &str = "-";

/// Everything that was found below the named paths.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The songs, in the order in which they were named and, within a folder, in natural order.
    pub(crate) inputs: Vec<Input>,
    /// Files in the folders that are no songs by their extensions.
    pub(crate) left_out: Vec<PathBuf>,
    /// Number of files in the folders that are stems which Sextet has written.
    pub(crate) own_stems: usize,
}

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
    /// Whether it is a copy of what standard input gave.
    pub(crate) spooled: bool,
}

/// Search below the named paths.
struct Search<'a> {
    /// The output folder, which is left out: it holds Sextet's own files.
    output: Option<&'a Path>,
    /// Whether there is an ffmpeg.
    ffmpeg: bool,
    /// Manifests of the folders so far.
    manifests: HashMap<PathBuf, Manifest>,
    found: Found,
}

/// Finds all songs below `named`. Standard input, named `-`, is copied to a file of `unfinished`,
/// which is deleted when the process ends.
pub(crate) fn gather(
    named: &[PathBuf],
    output: &Path,
    ffmpeg: bool,
    unfinished: &Unfinished,
) -> Found {
    let output = fs::canonicalize(output).ok();
    let mut search = Search {
        output: output.as_deref(),
        ffmpeg,
        manifests: HashMap::new(),
        found: Found::default(),
    };

    for path in named {
        if path.as_os_str() == STANDARD_INPUT {
            search.found.inputs.push(standard_input(unfinished));
            continue;
        }
        let inputs = &mut search.found.inputs;
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => search.folder(path),
            Ok(found) if found.is_file() => inputs.push(single(path, Ok(found.len()))),
            Ok(_) => {
                let fault = Fault::new(
                    Kind::Input,
                    format!("'{}' is no regular file", path.display()),
                );
                let remedy = "a song may be read twice: pass what a pipe gives to `-`, or save it \
                              to a file first";
                inputs.push(single(path, Err(fault.remedy(remedy).into())));
            }
            Err(error) => inputs.push(single(path, Err(unreadable(path, error)))),
        }
    }

    search.found
}

/// Copies standard input to a file: a song may be read twice.
fn standard_input(unfinished: &Unfinished) -> Input {
    let copied = copy_standard_input(unfinished);
    let (path, found) = match copied {
        Ok((path, bytes)) => (path, Ok(bytes)),
        Err(error) => (PathBuf::from(STANDARD_INPUT), Err(error)),
    };
    Input {
        path,
        folder: PathBuf::new(),
        found,
        spooled: true,
    }
}

fn copy_standard_input(unfinished: &Unfinished) -> Result<(PathBuf, u64)> {
    let mut input = std::io::stdin().lock();
    if input.is_terminal() {
        let fault = Fault::new(
            Kind::Usage,
            "expected a song on standard input, found a terminal",
        );
        return Err(fault
            .remedy("pass a song to it, as in `sextet separate - < song.mp3`")
            .into());
    }

    let fault = |error: std::io::Error| {
        let message = format!("standard input cannot be copied to a temporary file: {error}");
        Fault::new(Kind::Input, message)
            .remedy("make room in the folder for temporary files, or name another with TMPDIR")
    };
    let folder = unfinished
        .scratch(|| AtomicDir::new_in(&std::env::temp_dir()))
        .map_err(fault)?;
    let path = folder.path().join("stdin");
    let Some(file) = folder.create(|| File::create(&path)) else {
        // The process is about to end.
        return Err(fault(std::io::ErrorKind::Interrupted.into()).into());
    };
    let bytes = std::io::copy(&mut input, &mut file.map_err(fault)?).map_err(fault)?;
    Ok((path, bytes))
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
        spooled: false,
    }
}

impl Search<'_> {
    /// Adds all audio files below `root`. Symbolic links are followed, but never in a circle.
    fn folder(&mut self, root: &Path) {
        let before = self.found.inputs.len();
        let own_before = self.found.own_stems;
        let output = self.output;
        let walk = WalkDir::new(root).follow_links(true).sort_by(natural);
        let wanted = |entry: &DirEntry| {
            entry.depth() == 0 || !(hidden(entry.file_name()) || ours(entry, output))
        };

        for entry in walk.into_iter().filter_entry(wanted) {
            match entry {
                Ok(entry) if entry.file_type().is_file() => self.file(root, entry),
                Ok(_) => {}
                Err(error) if error.loop_ancestor().is_some() => {}
                Err(error) => {
                    let path = error.path().unwrap_or(root).to_owned();
                    let fault =
                        Fault::new(Kind::Input, format!("cannot read '{}'", path.display()));
                    self.add(
                        path,
                        PathBuf::new(),
                        Err(anyhow::Error::new(error).context(fault)),
                    );
                }
            }
        }

        let is_empty = self.found.inputs.len() == before && self.found.own_stems == own_before;
        if is_empty {
            let fault = Fault::new(
                Kind::Input,
                format!("there is no audio in the folder '{}'", root.display()),
            );
            let remedy = format!(
                "files are looked for by extension: {}",
                self.extensions().collect::<Vec<_>>().join(", ")
            );
            let found = Err(fault.remedy(remedy).into());
            self.add(root.to_owned(), PathBuf::new(), found);
        }
    }

    fn file(&mut self, root: &Path, entry: DirEntry) {
        if entry.file_name() == MANIFEST_NAME {
            return;
        }
        if !self.is_audio(entry.path()) {
            self.found.left_out.push(entry.into_path());
            return;
        }
        let found = entry.metadata().map(|found| found.len());
        let bytes = found.as_ref().copied().unwrap_or(0);
        if self.is_listed(root, entry.path(), bytes) || is_own_stem(entry.path()) {
            self.found.own_stems += 1;
            return;
        }

        let folder = folder_of(root, entry.path());
        self.add(entry.into_path(), folder, found.context("cannot read it"));
    }

    /// Returns whether a manifest has the file under `path`, of this size: one in its folder, or in
    /// a folder between that and `root`.
    fn is_listed(&mut self, root: &Path, path: &Path, bytes: u64) -> bool {
        let folders = path.ancestors().skip(1);
        let mut folders = folders.take_while(|folder| folder.starts_with(root));
        let manifests = &mut self.manifests;
        folders.any(|folder| {
            let manifest = manifests
                .entry(folder.to_owned())
                .or_insert_with(|| Manifest::read(folder));
            manifest.has(folder, path, bytes)
        })
    }

    fn add(&mut self, path: PathBuf, folder: PathBuf, found: Result<u64>) {
        self.found.inputs.push(Input {
            path,
            folder,
            found,
            spooled: false,
        });
    }

    fn extensions(&self) -> impl Iterator<Item = &'static str> {
        let by_ffmpeg = FFMPEG_EXTENSIONS.iter().filter(|_| self.ffmpeg);
        AUDIO_EXTENSIONS.iter().chain(by_ffmpeg).copied()
    }

    fn is_audio(&self, path: &Path) -> bool {
        let extension = path
            .extension()
            .and_then(OsStr::to_str)
            .unwrap_or_default()
            .to_ascii_lowercase();
        self.extensions().any(|known| known == extension)
    }
}

/// Returns whether the file is a stem that Sextet has written: its name names one, and its tags say
/// so.
fn is_own_stem(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let named = Stem::ALL.iter().any(|stem| name.contains(stem.name())) || name.ends_with(".stem");
    named && Tags::read(path).is_stem()
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

/// Compares names in natural order: `2` before `10`. Equal names are compared by their bytes.
fn natural(a: &DirEntry, b: &DirEntry) -> Ordering {
    let (a, b) = (a.file_name(), b.file_name());
    natord::compare_ignore_case(&a.to_string_lossy(), &b.to_string_lossy()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    fn touch(folder: &Path, names: &[&str]) {
        for name in names {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
    }

    fn gather(named: &[PathBuf], output: &Path) -> Vec<Input> {
        super::gather(named, output, false, &Unfinished::default()).inputs
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

    #[test]
    fn what_is_left_out_is_known_and_ffmpeg_leaves_out_less() {
        let folder = tempfile::tempdir().unwrap();
        touch(
            folder.path(),
            &["a.wav", "b.WMA", "c.txt", "d.mkv", ".hidden"],
        );
        let cases = [
            (false, vec!["a.wav", "d.mkv"], vec!["b.WMA", "c.txt"]),
            (true, vec!["a.wav", "b.WMA", "d.mkv"], vec!["c.txt"]),
        ];
        each_case(cases, |(ffmpeg, songs, left_out)| {
            let named = [folder.path().to_owned()];
            let found = super::gather(&named, Path::new("x"), ffmpeg, &Unfinished::default());
            let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
            let inputs = found.inputs.iter().map(|input| name(&input.path));
            assert_eq!(inputs.collect::<Vec<_>>(), songs);
            assert_eq!(
                found.left_out.iter().map(name).collect::<Vec<_>>(),
                left_out
            );
        });
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
