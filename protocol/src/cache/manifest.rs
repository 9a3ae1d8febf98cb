//! The manifest of a cache entry: its files and what they were made from.

use serde::{Deserialize, Serialize};

use super::Recipe;
use crate::Stem;

/// File name of the manifest.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Version of the entries' layout. Entries of another version are not read.
pub const MANIFEST_FORMAT: u32 = 1;

/// The contents and the origin of a cache entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the layout: [`MANIFEST_FORMAT`].
    pub format: u32,
    /// Version of the command that made the entry.
    pub sextet: String,
    /// Time at which the entry was complete, in seconds since 1970.
    pub created_s: u64,
    /// File name of the clip, shown to people.
    pub song: String,
    /// Name of the model, shown to people.
    pub model: String,
    /// Name of the engine, shown to people.
    pub engine: String,
    /// The recipe that the stems were made by.
    pub recipe: Recipe,
    /// Sample rate of the stems in Hz, which is the clip's.
    pub rate_hz: u32,
    /// Number of channels of every stem.
    pub channels: u32,
    /// Length of every stem in frames, which is the clip's.
    pub frames: u64,
    /// The stems in canonical order.
    pub stems: Vec<StemFile>,
}

/// One stem's file, `<stem>.wav` in the entry's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StemFile {
    /// The stem.
    pub stem: Stem,
    /// Size of its file in bytes.
    pub bytes: u64,
    /// SHA-256 of its file, in hexadecimal.
    pub sha256: String,
}

impl StemFile {
    /// Returns the name of a stem's file in an entry's folder.
    pub fn name(stem: Stem) -> String {
        format!("{stem}.wav")
    }
}

impl Manifest {
    /// Returns the size of all stems in bytes.
    pub fn bytes(&self) -> u64 {
        self.stems.iter().map(|file| file.bytes).sum()
    }

    /// Returns the length of the clip in seconds.
    pub fn seconds(&self) -> f64 {
        self.frames as f64 / f64::from(self.rate_hz.max(1))
    }
}
