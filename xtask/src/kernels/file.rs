//! The file of the compiled kernels, which `separator/src/engine/cuda/images.rs` reads: a line of
//! JSON with the index, then the images of each target, compressed together. The same images give
//! the same bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, ensure};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};

/// The images for one target, with the kernels' names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) images: Vec<(String, Vec<u8>)>,
}

#[derive(Deserialize, Serialize)]
struct Index {
    targets: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
struct Entry {
    name: String,
    /// Place of the compressed images behind the index, and their length.
    offset: usize,
    bytes: usize,
    /// Name and length of each image.
    kernels: Vec<(String, usize)>,
}

/// Returns the file that holds `targets`.
///
/// # Errors
/// None in practice: everything is written to memory.
pub(super) fn packed(targets: &[Target]) -> Result<Vec<u8>> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for target in targets {
        let offset = data.len();
        let mut encoder = DeflateEncoder::new(&mut data, Compression::best());
        for (_, image) in &target.images {
            encoder.write_all(image)?;
        }
        encoder.finish()?;

        let images = target.images.iter();
        entries.push(Entry {
            name: target.name.clone(),
            offset,
            bytes: data.len() - offset,
            kernels: images
                .map(|(name, image)| (name.clone(), image.len()))
                .collect(),
        });
    }

    let mut file = serde_json::to_vec(&Index { targets: entries })?;
    file.push(b'\n');
    file.append(&mut data);
    Ok(file)
}

/// Reads a file.
///
/// # Errors
/// When it is damaged.
pub(super) fn unpacked(file: &[u8]) -> Result<Vec<Target>> {
    let end = file
        .iter()
        .position(|&byte| byte == b'\n')
        .context("it has no index")?;
    let (index, data) = file.split_at(end + 1);
    let index: Index = serde_json::from_slice(index).context("its index is damaged")?;

    index
        .targets
        .into_iter()
        .map(|entry| {
            let packed = data
                .get(entry.offset..)
                .and_then(|data| data.get(..entry.bytes));
            let mut bytes = Vec::new();
            DeflateDecoder::new(packed.context("a target lies outside of it")?)
                .read_to_end(&mut bytes)
                .context("a target cannot be unpacked")?;

            let mut rest = bytes.as_slice();
            let mut images = Vec::new();
            for (name, length) in entry.kernels {
                let (image, after) = rest.split_at_checked(length).context("a kernel is cut")?;
                images.push((name, image.to_vec()));
                rest = after;
            }
            ensure!(rest.is_empty(), "a target has bytes of no kernel");
            Ok(Target {
                name: entry.name,
                images,
            })
        })
        .collect()
}

/// A kernel that the committed file does not have as it is compiled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    kernel: String,
    targets: Vec<String>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Changed,
    Missing,
    LeftOver,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Changed => "differs from the committed one",
            Kind::Missing => "is not in the committed file",
            Kind::LeftOver => "is only in the committed file",
        };
        write!(f, "{} {kind} for {}", self.kernel, self.targets.join(" "))
    }
}

/// Compares the images of a committed file with those that were just compiled. The order of targets
/// and kernels is of no matter.
pub(super) fn differences(committed: &[Target], compiled: &[Target]) -> Vec<Difference> {
    let (old, new) = (by_name(committed), by_name(compiled));
    let changed = new.iter().filter_map(|(key, image)| match old.get(key) {
        None => Some((key, Kind::Missing)),
        Some(before) if before != image => Some((key, Kind::Changed)),
        Some(_) => None,
    });
    let left_over = old.keys().filter(|key| !new.contains_key(*key));

    let mut targets: BTreeMap<(&str, Kind), Vec<String>> = BTreeMap::new();
    for ((target, kernel), kind) in changed.chain(left_over.map(|key| (key, Kind::LeftOver))) {
        targets
            .entry((kernel, kind))
            .or_default()
            .push((*target).to_owned());
    }
    targets
        .into_iter()
        .map(|((kernel, kind), targets)| Difference {
            kernel: kernel.to_owned(),
            targets,
            kind,
        })
        .collect()
}

/// The images of all targets, by the names of target and kernel.
fn by_name(targets: &[Target]) -> BTreeMap<(&str, &str), &[u8]> {
    targets
        .iter()
        .flat_map(|target| {
            let images = target.images.iter();
            images.map(|(name, image)| ((target.name.as_str(), name.as_str()), image.as_slice()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, images: &[(&str, &[u8])]) -> Target {
        Target {
            name: name.to_owned(),
            images: images
                .iter()
                .map(|(name, image)| ((*name).to_owned(), image.to_vec()))
                .collect(),
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let targets = [
            target("sm_80", &[("a", &[1; 1000]), ("b", &[]), ("c", b"\n\n")]),
            target("compute_80", &[("a", b"ptx\0")]),
        ];
        let file = packed(&targets).unwrap();
        assert_eq!(unpacked(&file).unwrap(), targets);
        assert_eq!(packed(&targets).unwrap(), file);

        let index = file.split(|&byte| byte == b'\n').next().unwrap();
        let beginning = br#"{"targets":[{"name":"sm_80","offset":0,"bytes":"#;
        assert!(
            index.starts_with(beginning),
            "{}",
            String::from_utf8_lossy(index)
        );
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let file = packed(&[target("sm_80", &[("a", b"image")])]).unwrap();
        let cases: [(&[u8], &str); 4] = [
            (b"", "no index"),
            (b"{}\n", "index is damaged"),
            (&file[..file.len() - 1], "outside"),
            (
                b"{\"targets\":[{\"name\":\"a\",\"offset\":9,\"bytes\":1,\"kernels\":[]}]}\n",
                "outside",
            ),
        ];
        for (bytes, expected) in cases {
            let error = format!("{:#}", unpacked(bytes).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn differences_name_kernels_and_targets() {
        let committed = [
            target("sm_80", &[("a", b"1"), ("b", b"2"), ("old", b"3")]),
            target("sm_86", &[("b", b"2"), ("a", b"1")]),
        ];
        let compiled = [
            target("sm_86", &[("a", b"1"), ("b", b"9")]),
            target("sm_80", &[("a", b"1"), ("b", b"9"), ("new", b"4")]),
        ];
        let found: Vec<String> = differences(&committed, &compiled)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "b differs from the committed one for sm_80 sm_86",
                "new is not in the committed file for sm_80",
                "old is only in the committed file for sm_80",
            ]
        );
        assert_eq!(differences(&committed, &committed), []);
    }
}
