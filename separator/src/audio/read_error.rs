//! What can be wrong with audio that is read.

use std::path::PathBuf;

use crate::{Error, ErrorKind};

/// Rates that are read, in Hz.
pub const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// The most channels that are read.
pub const MAX_CHANNELS: usize = 8;

/// Why a file could not be read as audio.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is nothing under the path.
    #[error("{}: no such file; check the name and the folder", path.display())]
    NotFound {
        /// What was to be opened.
        path: PathBuf,
    },
    /// The path is a folder.
    #[error("{}: expected an audio file, found a folder; name a file in it", path.display())]
    Folder {
        /// What was to be opened.
        path: PathBuf,
    },
    /// A pipe, a device or the like, which cannot be read twice.
    #[error("{}: expected a file, found a pipe or a device; save what it gives in a file first", path.display())]
    NotAFile {
        /// What was to be opened.
        path: PathBuf,
    },
    /// The file is there but cannot be read.
    #[error("{}: cannot be read; check its permissions and the disk", path.display())]
    Unreadable {
        /// What was to be opened.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds nothing.
    #[error("{}: expected audio, found an empty file (0 bytes); copy or export it again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// No known format is recognised.
    #[error("{}: expected {FORMATS}, found none of these; is it an audio file?", path.display())]
    NotAudio {
        /// The file.
        path: PathBuf,
        /// What the probe said, where it said anything.
        source: Option<Fault>,
    },
    /// The container is known, what it holds is not.
    #[error("{}: expected {CODECS}, found {codec}; convert it to WAV or FLAC first", path.display())]
    Codec {
        /// The file.
        path: PathBuf,
        /// The codec's name or identifier.
        codec: CodecName,
    },
    /// The file is of a known format, but not one sample could be decoded.
    #[error("{}: a damaged file: nothing in it can be decoded; copy or export it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: Option<Fault>,
    },
    /// A well-formed file without a single sample.
    #[error("{}: expected at least one sample, found none; export it again", path.display())]
    NoSamples {
        /// The file.
        path: PathBuf,
    },
    /// A number of channels that is not read.
    #[error("{}: expected 1 to {MAX_CHANNELS} channels, found {found}; mix it down or repair its header", path.display())]
    Channels {
        /// The file.
        path: PathBuf,
        /// What the header says.
        found: usize,
    },
    /// A sample rate that is not read.
    #[error("{}: expected a rate of {} to {} Hz, found {found} Hz; resample it or repair its header",
        path.display(), RATES_HZ.start(), RATES_HZ.end())]
    Rate {
        /// The file.
        path: PathBuf,
        /// What the header says.
        found: u32,
    },
    /// A sample format that is not read.
    #[error("{}: expected samples of 8, 16, 24 or 32 bits, or floating point of 32 or 64, found {found} bits; \
        convert it first", path.display())]
    Bits {
        /// The file.
        path: PathBuf,
        /// What the header says.
        found: u16,
    },
    /// A sample that is not a finite number.
    #[error("{}: expected finite samples, found {value} in channel {channel}, frame {frame} ({time_s:.3} s); \
        repair it in an audio editor", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Channel, counted from 1.
        channel: usize,
        /// Frame, counted from 0.
        frame: u64,
        /// The frame's time in seconds.
        time_s: f64,
        /// The sample: NaN or an infinity.
        value: f32,
    },
}

/// What is read, in words.
const FORMATS: &str = "WAV, AIFF, FLAC, MP3, AAC/M4A, ALAC, Ogg Vorbis, Opus or CAF";
const CODECS: &str = "PCM, FLAC, MP3, AAC-LC or Vorbis of one or two channels, ALAC or Opus";

/// The name of a codec that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecName {
    /// A codec that is known by name.
    Named(&'static str),
    /// A WAVE format tag.
    WaveTag(u16),
    /// An identifier of the container.
    Id(u32),
    /// The container does not say.
    Unknown,
}

impl std::fmt::Display for CodecName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::WaveTag(tag) => write!(f, "WAVE format {tag:#06x}"),
            Self::Id(id) => write!(f, "codec {id:#x}"),
            Self::Unknown => f.write_str("a codec that is not known"),
        }
    }
}

/// What went wrong inside a decoder.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The decoder refused the data.
    #[error(transparent)]
    Decoder(#[from] symphonia::core::errors::Error),
    /// The decoder itself failed (a defect in it, met on damaged data).
    #[error("the decoder failed on damaged data")]
    Crashed,
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        let kind = match error {
            ReadError::NotFound { .. }
            | ReadError::Folder { .. }
            | ReadError::NotAFile { .. }
            | ReadError::Unreadable { .. } => ErrorKind::Input,
            _ => ErrorKind::Audio,
        };
        Self::new(kind, error)
    }
}
