//! Options for writing a file, and the summary of one that was written.

use super::Tags;
use crate::setters::setters;

/// Format of an output file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFormat {
    /// RIFF WAVE; RF64 above 4 GiB.
    #[default]
    Wav,
    /// FLAC.
    Flac,
    /// AIFF; AIFF-C for floating point.
    Aiff,
}

impl FileFormat {
    /// Returns the usual file extension: `wav`, `flac` or `aiff`.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Flac => "flac",
            Self::Aiff => "aiff",
        }
    }
}

/// Storage format of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bits {
    /// 16-bit integers.
    B16,
    /// 24-bit integers.
    B24,
    /// 32-bit floating point, unchanged.
    #[default]
    Float32,
}

impl Bits {
    /// Returns the number of bits of a sample.
    pub fn count(self) -> u32 {
        match self {
            Self::B16 => 16,
            Self::B24 => 24,
            Self::Float32 => 32,
        }
    }
}

/// Options for writing a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteOptions {
    /// Format of the file.
    pub format: FileFormat,
    /// Storage format of samples. FLAC holds integers only.
    pub bits: Bits,
    /// Tags of the song. They are written before the samples, so they must be known at the start.
    pub tags: Tags,
}

setters!(WriteOptions {
    format: FileFormat,
    bits: Bits,
    tags: Tags,
});

/// Summary of a file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenFile {
    /// Number of frames.
    pub frames: u64,
    /// Number of samples, over all channels, that were beyond full scale and clipped to it. Always
    /// 0 for floating point.
    pub clipped_samples: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file in hexadecimal, for a file that was begun by
    /// [`AudioWriter::with_hash`](super::AudioWriter::with_hash).
    pub sha256: Option<String>,
}
