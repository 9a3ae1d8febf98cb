//! The naming template, such as `{track}/{stem}.{ext}`, and its variables.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use super::disk::{Naming, cut, excess};

/// The naming template unless the user gives another.
pub(crate) const DEFAULT: &str = "{track}/{stem}.{ext}";

/// The naming template of files that hold all stems, unless the user gives another.
pub(crate) const JOINED: &str = "{track}/{track}.{ext}";

/// The path of a stem below the output folder, with variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Track,
    Stem,
    Ext,
    Folder,
    SourceExt,
    Model,
}

/// The values of a template's variables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    /// The input's file name without its extension.
    pub(crate) track: &'a OsStr,
    /// Name of the stem or part, such as `vocals` or `no_vocals`.
    pub(crate) stem: &'a str,
    /// Extension of the stem's file.
    pub(crate) ext: &'a str,
    /// Path from the folder that was named on the command line, including its name, to the input's
    /// folder.
    pub(crate) folder: &'a Path,
    /// Extension of the input's file.
    pub(crate) source_ext: &'a OsStr,
    /// Name of the model.
    pub(crate) model: &'a str,
    /// Rules for names on the disk.
    pub(crate) naming: Naming,
}

impl Template {
    /// Returns the path relative to the output folder; `None` if the values make none that stays
    /// below it. A track's name is cut where the names would be too long for a disk.
    pub(crate) fn expand(&self, values: &Values) -> Option<PathBuf> {
        let whole = self.fill(values)?;
        match excess(&whole) {
            0 => Some(whole),
            excess => self.fill(&Values {
                track: &cut(values.track, excess),
                ..*values
            }),
        }
    }

    fn fill(&self, values: &Values) -> Option<PathBuf> {
        let safe = |name: &OsStr| values.naming.safe(name);
        let mut path = OsString::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => path.push(text),
                Piece::Track => path.push(safe(name(values.track))),
                Piece::Stem => path.push(values.stem),
                Piece::Ext => path.push(values.ext),
                Piece::Folder => {
                    let folders = values.folder.iter().map(safe);
                    path.push(folders.collect::<PathBuf>());
                }
                Piece::SourceExt => path.push(safe(values.source_ext)),
                Piece::Model => path.push(safe(name(OsStr::new(values.model)))),
            }
        }

        // An empty {folder} at the front must not make the path absolute.
        let path = PathBuf::from(path);
        let below = path
            .components()
            .skip_while(|part| matches!(part, Component::RootDir))
            .collect::<PathBuf>();
        let inside = below
            .components()
            .all(|part| matches!(part, Component::Normal(_)));

        (inside && below.file_name().is_some()).then_some(below)
    }
}

/// Returns `name` as a plain path component, because a song may be called `..`.
fn name(name: &OsStr) -> &OsStr {
    if name.is_empty() || name == "." || name == ".." {
        OsStr::new("_")
    } else {
        name
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            push_text(&mut pieces, &rest[..at]);
            let tail = &rest[at..];
            if tail.starts_with("{{") || tail.starts_with("}}") {
                push_text(&mut pieces, &tail[..1]);
                rest = &tail[2..];
                continue;
            }

            let end = tail.find('}').filter(|_| tail.starts_with('{'));
            let end = end.ok_or_else(|| {
                "a brace without its partner (write {{ or }} for a brace itself)".to_owned()
            })?;
            pieces.push(variable(&tail[1..end])?);
            rest = &tail[end + 1..];
        }

        push_text(&mut pieces, rest);
        check_path(text)?;
        Ok(Self(pieces))
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

fn variable(name: &str) -> Result<Piece, String> {
    Ok(match name {
        "track" => Piece::Track,
        "stem" => Piece::Stem,
        "ext" => Piece::Ext,
        "folder" => Piece::Folder,
        "source_ext" => Piece::SourceExt,
        "model" => Piece::Model,
        _ => {
            return Err(format!(
                "there is no {{{name}}}: expected track, stem, ext, folder, source_ext or model"
            ));
        }
    })
}

fn check_path(text: &str) -> Result<(), String> {
    let path = Path::new(text);
    if path.is_absolute()
        || path
            .components()
            .any(|part| !matches!(part, Component::Normal(_)))
    {
        return Err("it must stay below the output folder (say where that is with -o)".to_owned());
    }
    if text.is_empty() || text.ends_with(std::path::is_separator) {
        return Err("it must end with a file name".to_owned());
    }

    Ok(())
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    fn expand(template: &str, track: &str, folder: &str) -> Option<PathBuf> {
        let (track, folder, source_ext) = (OsStr::new(track), Path::new(folder), OsStr::new("mp3"));
        let values = Values {
            track,
            stem: "bass",
            ext: "wav",
            folder,
            source_ext,
            model: "m",
            naming: Naming::Free,
        };

        template.parse::<Template>().unwrap().expand(&values)
    }

    #[test]
    fn variables_are_filled_in() {
        let cases = [
            ("{track}/{stem}.{ext}", "song", "song/bass.wav"),
            (
                "{folder}/{track} ({source_ext}) {stem}.{ext}",
                "a.b",
                "disc 1/a.b (mp3) bass.wav",
            ),
            ("{{{model}}}/{track}_{stem}", "日本", "{m}/日本_bass"),
            ("{track}/{stem}.{ext}", "..", "_/bass.wav"),
            ("x{track}{stem}", "..", "x_bass"),
        ];

        each_case(cases, |(template, track, expected)| {
            assert_eq!(
                expand(template, track, "disc 1"),
                Some(PathBuf::from(expected)),
                "{template}"
            );
        });

        assert_eq!(
            expand("{folder}/{stem}", "song", ""),
            Some(PathBuf::from("bass"))
        );
    }

    #[test]
    fn a_long_name_is_cut_where_the_song_is_named() {
        let long = "é".repeat(125);
        let found = expand("{track}/{track} - the {stem}.{ext}", &long, "").unwrap();
        let cut = "é".repeat(120);
        assert_eq!(found, PathBuf::from(format!("{cut}/{cut} - the bass.wav")));
    }

    #[test]
    fn what_leaves_the_folder_or_is_unknown_is_refused() {
        let cases = [
            "",
            "/x/{stem}",
            "../{stem}",
            "a/../{stem}",
            "{stem}/",
            "{steam}",
            "{stem",
            "stem}",
            "{}",
            "a{b{c}",
        ];
        each_case(cases, |wrong| {
            assert!(wrong.parse::<Template>().is_err(), "{wrong:?}");
        });
    }
}
