//! An entry's manifest: what is in it, and what it was made of.

use serde::{Deserialize, Serialize};

use super::Recipe;
use crate::Stem;

/// File name of the manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Version of the entries' layout; another one is not read.
pub const MANIFEST_FORMAT: u32 = 1;

/// What is in an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_FORMAT`].
    pub format: u32,
    /// Version of the command that made it.
    pub sextet: String,
    /// When it was complete, in seconds since 1970.
    pub created_s: u64,
    /// File name of the clip, for people.
    pub song: String,
    /// Name of the model, for people.
    pub model: String,
    /// Name of the engine, for people.
    pub engine: String,
    /// What the stems were made of.
    pub recipe: Recipe,
    /// Rate of the stems, which is the clip's.
    pub rate_hz: u32,
    /// Channels of every stem.
    pub channels: u32,
    /// Frames of every stem, which are the clip's.
    pub frames: u64,
    /// The stems in canonical order.
    pub stems: Vec<StemFile>,
}

/// One stem's file, `<stem>.wav` in the entry's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StemFile {
    /// The stem.
    pub stem: Stem,
    /// Size of its file.
    pub bytes: u64,
    /// SHA-256 of its file, in hexadecimal.
    pub sha256: String,
}

impl StemFile {
    /// Name of a stem's file in an entry's folder.
    pub fn name(stem: Stem) -> String {
        format!("{stem}.wav")
    }
}

impl Manifest {
    /// Bytes of all stems.
    pub fn bytes(&self) -> u64 {
        self.stems.iter().map(|file| file.bytes).sum()
    }

    /// Length of the clip in seconds.
    pub fn seconds(&self) -> f64 {
        self.frames as f64 / f64::from(self.rate_hz.max(1))
    }
}
