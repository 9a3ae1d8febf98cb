//! The jobs of a batch: the output files of each song, known and checked before any work begins.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Display, Path, PathBuf};

use anyhow::Result;

use super::choice::Choice;
use super::inputs::Input;
use crate::fault::{Fault, Kind};
use crate::page;
use crate::stems::{Manifest, Naming, Values};

/// One song and the places of its stems.
#[derive(Debug)]
pub(crate) struct SongJob {
    /// The song.
    pub(crate) input: PathBuf,
    /// Size in bytes, or the reason why it cannot be read.
    pub(crate) found: Result<u64>,
    /// Whether the song is a copy of what standard input gave.
    pub(crate) spooled: bool,
    /// One file for each part of [`Choice::parts`], in their order, or one for all; empty for a
    /// song that cannot be read.
    pub(crate) outputs: Vec<PathBuf>,
    /// Whether there is nothing to do: existing stems are skipped, and these are all there.
    pub(crate) done: bool,
    /// The page beside them, if one is asked for.
    pub(crate) page: Option<PathBuf>,
}

impl SongJob {
    /// Returns the song as the user knows it.
    pub(crate) fn shown(&self) -> Display<'_> {
        let path = if self.spooled {
            Path::new("standard input")
        } else {
            &self.input
        };
        path.display()
    }
}

/// Whether the stems of `song` are all at `outputs` already, made as they would be made now, and so
/// is the page, if one is asked for.
fn is_done(song: &Path, outputs: &[PathBuf], page: Option<&Path>, choice: &Choice) -> bool {
    if outputs.is_empty() || !page.is_none_or(is_whole) {
        return false;
    }
    let folder = Manifest::folder(outputs);
    let manifest = Manifest::read(&folder);
    if manifest.knows(&folder, outputs) {
        return manifest.is_done(&folder, outputs, song, &choice.made);
    }

    // Without a manifest there is nothing to tell them by.
    outputs.iter().all(|path| is_whole(path))
}

/// Whether there is a file at `path` with something in it.
fn is_whole(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0)
}

/// Returns the job of each of `inputs`.
///
/// # Errors
/// When two stems would go to the same place, or one would overwrite a song.
pub(crate) fn of(inputs: Vec<Input>, choice: &Choice) -> Result<Vec<SongJob>> {
    let naming = naming(&inputs, choice);
    let mut places = Places::of(&inputs);
    let mut jobs = Vec::new();
    for input in inputs {
        let outputs = if input.found.is_ok() {
            outputs(&input, choice, naming)?
        } else {
            Vec::new()
        };

        if twice(&input, &outputs, &places.taken) {
            continue;
        }

        let page = choice.page.then(|| page::place(&outputs)).flatten();
        for output in outputs.iter().chain(&page) {
            places.take(output, &input.path)?;
        }
        if let Some(page) = &page {
            page::check_place(page)?;
        }

        jobs.push(SongJob {
            done: choice.skip_existing && is_done(&input.path, &outputs, page.as_deref(), choice),
            input: input.path,
            found: input.found,
            spooled: input.spooled,
            outputs,
            page,
        });
    }

    Ok(jobs)
}

/// Returns the rules for names. A disk is asked for its own only where they matter.
fn naming(inputs: &[Input], choice: &Choice) -> Naming {
    let odd = inputs.iter().any(|input| {
        let names = input.folder.iter().chain(input.path.file_name());
        names.into_iter().any(Naming::matter_for)
    });
    if odd || Naming::matter_for(choice.model_name.as_ref()) {
        Naming::of(&choice.output)
    } else {
        Naming::Free
    }
}

/// Places that are not free.
struct Places {
    /// Real paths of the songs, which no stem may overwrite.
    songs: HashMap<PathBuf, PathBuf>,
    /// Outputs, with the songs that they are of.
    taken: HashMap<OsString, PathBuf>,
}

impl Places {
    fn of(inputs: &[Input]) -> Self {
        let real = |input: &Input| {
            let real = fs::canonicalize(&input.path).ok()?;
            Some((real, input.path.clone()))
        };
        Self {
            songs: inputs.iter().filter_map(real).collect(),
            taken: HashMap::new(),
        }
    }

    /// Takes the place `output` for `song`.
    ///
    /// # Errors
    /// When another song lies there or has its stems there.
    fn take(&mut self, output: &Path, song: &Path) -> Result<()> {
        let real = fs::canonicalize(output).ok();
        if let Some(there) = real.and_then(|real| self.songs.get(&real)) {
            return Err(on_a_song(output, there).into());
        }
        match self.taken.insert(key(output), song.to_owned()) {
            Some(other) => Err(collision(&other, song, output).into()),
            None => Ok(()),
        }
    }
}

/// Returns the places of the stems of `input`.
fn outputs(input: &Input, choice: &Choice, naming: Naming) -> Result<Vec<PathBuf>> {
    let place = |part: &sextet_separator::Part| {
        let values = Values {
            track: input.path.file_stem().unwrap_or_default(),
            stem: &part.name,
            ext: choice.form.extension(),
            folder: &input.folder,
            source_ext: input.path.extension().unwrap_or_default(),
            model: &choice.model_name,
            naming,
        };

        let below = choice.template.expand(&values);
        below.map(|below| choice.output.join(below)).ok_or_else(|| {
            let message = format!(
                "the naming template makes no file name for '{}'",
                input.path.display()
            );
            Fault::new(Kind::Usage, message)
                .remedy("the default is --name '{track}/{stem}.{ext}'")
                .into()
        })
    };
    let files = if choice.joined { 1 } else { choice.parts.len() };
    choice.parts.iter().take(files).map(place).collect()
}

/// Whether the very same file was named before, with the same outputs. Separating it once is
/// enough.
fn twice(input: &Input, outputs: &[PathBuf], taken: &HashMap<OsString, PathBuf>) -> bool {
    let before = outputs.first().and_then(|output| taken.get(&key(output)));
    before.is_some_and(
        |before| match (fs::canonicalize(before), fs::canonicalize(&input.path)) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        },
    )
}

/// Returns a key that is equal for paths to the same place. It ignores case on the systems that do.
fn key(path: &Path) -> OsString {
    if cfg!(any(windows, target_os = "macos")) {
        path.as_os_str().to_ascii_lowercase()
    } else {
        path.into()
    }
}

fn on_a_song(output: &Path, song: &Path) -> Fault {
    let message = format!(
        "a stem would be written over the song '{}' (as '{}')",
        song.display(),
        output.display()
    );
    Fault::new(Kind::Usage, message)
        .remedy("choose another folder with -o or other names with --name")
}

fn collision(a: &Path, b: &Path, output: &Path) -> Fault {
    let output = output.display();
    if a == b {
        let message = format!(
            "every stem of '{}' would be written to '{output}'",
            a.display()
        );
        return Fault::new(Kind::Usage, message).remedy("put {stem} into --name");
    }

    let message = format!(
        "'{}' and '{}' would both be written to '{output}'",
        a.display(),
        b.display()
    );

    let apart = if a.extension() != b.extension() {
        "{track}.{source_ext}"
    } else {
        "{folder}/{track}"
    };

    Fault::new(Kind::Usage, message).remedy(format!(
        "tell them apart, as with --name '{apart}/{{stem}}.{{ext}}'"
    ))
}
