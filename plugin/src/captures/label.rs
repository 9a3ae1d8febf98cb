//! Labels: the names of captures for people. A capture's file is named after its audio.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The contents of the file beside a capture.
#[derive(Serialize, Deserialize)]
struct Label {
    name: String,
}

/// Returns the path of the label of a capture.
pub(super) fn path_of(capture: &Path) -> PathBuf {
    capture.with_extension("json")
}

/// Returns what a capture is called; `None` if nobody has said.
pub(super) fn read(capture: &Path) -> Option<String> {
    let text = std::fs::read(path_of(capture)).ok()?;
    let label: Label = serde_json::from_slice(&text).ok()?;
    Some(label.name).filter(|name| !name.is_empty())
}

/// Writes what a capture is called.
///
/// # Errors
/// The system's error. A capture without a label is as good.
pub(crate) fn write(capture: &Path, name: &str) -> io::Result<()> {
    let label = Label {
        name: name.to_owned(),
    };
    sextet_fs::write(&path_of(capture), serde_json::to_vec(&label)?)
}
