//! The sources of the kernels, and `kernels.txt`, the list of the kernels that are made of them.

use std::ffi::CString;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

const LIST: &str = "kernels.txt";

/// A kernel: one source with definitions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    pub(super) name: String,
    /// Name of its file.
    pub(super) source: String,
    /// Definitions for the preprocessor, such as `WIDTH=24`.
    pub(super) definitions: Vec<String>,
    pub(super) targets: Targets,
}

/// Targets that a kernel is compiled for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Targets {
    #[default]
    All,
    Only(String),
    AllBut(String),
}

impl Targets {
    pub(super) fn contain(&self, target: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(only) => only == target,
            Self::AllBut(not) => not != target,
        }
    }
}

/// A file, with its name in `#include`.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: CString,
    pub(super) text: CString,
}

/// Sources and kernels to compile.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) kernels: Vec<Kernel>,
    /// Sources, in the order of their names.
    pub(super) files: Vec<Source>,
    /// Headers, likewise.
    pub(super) headers: Vec<Source>,
}

impl Sources {
    /// Reads the list and the sources in `folder`.
    ///
    /// # Errors
    /// When a file cannot be read, the list is malformed, or it and the sources do not match.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let list = folder.join(LIST);
        let text = fs::read_to_string(&list)
            .with_context(|| format!("cannot read '{}'", list.display()))?;
        let kernels = parse(&text)?;

        let files = files(folder, "cu")?;
        let has = |name: &str| {
            files
                .iter()
                .any(|file| file.name.as_bytes() == name.as_bytes())
        };
        for kernel in &kernels {
            ensure!(
                has(&kernel.source),
                "{LIST} names '{}', which is not there",
                kernel.source
            );
        }
        for file in &files {
            let name = file.name.to_string_lossy();
            ensure!(
                kernels.iter().any(|kernel| kernel.source == name),
                "{LIST} has no kernel of '{name}'"
            );
        }

        Ok(Self {
            kernels,
            files,
            headers: self::files(folder, "cuh")?,
        })
    }
}

/// Reads all files of `folder` that end with `extension`, in the order of their names.
fn files(folder: &Path, extension: &str) -> Result<Vec<Source>> {
    let mut paths = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read '{}'", folder.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == extension) {
            paths.push(path);
        }
    }
    paths.sort();

    paths
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let read = || -> Result<Source> {
                Ok(Source {
                    name: CString::new(name.as_bytes())?,
                    text: CString::new(fs::read(path)?)?,
                })
            };
            read().with_context(|| format!("cannot read '{}'", path.display()))
        })
        .collect()
}

/// Parses the list: a kernel a line, with its name, its source, its definitions, and its targets.
fn parse(text: &str) -> Result<Vec<Kernel>> {
    let mut kernels: Vec<Kernel> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let at = format!("{LIST}:{}", number + 1);
        let mut words = line.split_whitespace().map(str::to_owned);
        let Some(name) = words.next().filter(|name| !name.starts_with('#')) else {
            continue;
        };

        let Some(source) = words.next() else {
            bail!(
                "{at}: expected a name and a source, found '{}'",
                line.trim()
            );
        };
        ensure!(
            source.ends_with(".cu"),
            "{at}: expected a source that ends with .cu, found '{source}'"
        );
        let (mut definitions, mut targets) = (Vec::new(), Targets::All);
        for word in words {
            match word.split_once(':') {
                Some(("only", target)) => targets = Targets::Only(target.to_owned()),
                Some(("not", target)) => targets = Targets::AllBut(target.to_owned()),
                _ => {
                    ensure!(
                        word.contains('=') && !word.starts_with('='),
                        "{at}: expected NAME=VALUE, only:TARGET or not:TARGET, found '{word}'"
                    );
                    definitions.push(word);
                }
            }
        }

        let same = |kernel: &Kernel| kernel.source == source && kernel.definitions == definitions;
        if let Some(kernel) = kernels
            .iter()
            .find(|kernel| kernel.name == name || same(kernel))
        {
            bail!("{at}: '{name}' is '{}' once more", kernel.name);
        }
        kernels.push(Kernel {
            name,
            source,
            definitions,
            targets,
        });
    }

    ensure!(!kernels.is_empty(), "{LIST} names no kernels");
    Ok(kernels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_parsed_or_its_line_is_named() {
        let kernel = |name: &str, source: &str, definitions: &[&str]| Kernel {
            name: name.to_owned(),
            source: source.to_owned(),
            definitions: definitions.iter().map(|&text| text.to_owned()).collect(),
            targets: Targets::All,
        };
        let cases = [
            ("a b.cu\n", Ok(vec![kernel("a", "b.cu", &[])])),
            (
                "# A list.\n\n  a   b.cu  C=1 D=2\nb b.cu C=2\n",
                Ok(vec![
                    kernel("a", "b.cu", &["C=1", "D=2"]),
                    kernel("b", "b.cu", &["C=2"]),
                ]),
            ),
            (
                "# A list.\na b.cu C=2 # no comment\n",
                Err("kernels.txt:2: expected NAME=VALUE, only:TARGET or not:TARGET, found '#'"),
            ),
            ("# Nothing.\n", Err("names no kernels")),
            ("a\n", Err("kernels.txt:1: expected a name and a source")),
            ("a b.cuh\n", Err("ends with .cu, found 'b.cuh'")),
            ("a b.cu =1\n", Err("found '=1'")),
            (
                "a b.cu\na c.cu\n",
                Err("kernels.txt:2: 'a' is 'a' once more"),
            ),
            ("a b.cu C=1\nc b.cu C=1\n", Err("'c' is 'a' once more")),
            (
                "a b.cu only:sm_90a\nb b.cu C=1 not:sm_90a\n",
                Ok(vec![
                    Kernel {
                        targets: Targets::Only("sm_90a".to_owned()),
                        ..kernel("a", "b.cu", &[])
                    },
                    Kernel {
                        targets: Targets::AllBut("sm_90a".to_owned()),
                        ..kernel("b", "b.cu", &["C=1"])
                    },
                ]),
            ),
        ];

        for (text, expected) in cases {
            match (parse(text), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(found), Err(expected)) => {
                    assert!(found.to_string().contains(expected), "{found} for {text}");
                }
                (found, expected) => panic!("{found:?} and not {expected:?} for {text}"),
            }
        }
    }

    #[test]
    fn targets_contain_what_they_name() {
        let (only, but) = (
            Targets::Only("sm_80".to_owned()),
            Targets::AllBut("sm_80".to_owned()),
        );
        for (targets, sm_80, sm_90a) in [
            (Targets::All, true, true),
            (only, true, false),
            (but, false, true),
        ] {
            let found = (targets.contain("sm_80"), targets.contain("sm_90a"));
            assert_eq!(found, (sm_80, sm_90a), "{targets:?}");
        }
    }

    #[test]
    fn the_list_and_the_sources_match() {
        let folder = crate::step::root().join(crate::kernels::FOLDER);
        let sources = Sources::read(&folder).unwrap();
        assert!(!sources.headers.is_empty());
    }
}
