//! Errors of reading audio.

use std::path::PathBuf;

use crate::{Error, ErrorKind};

/// Sample rates that are accepted, in Hz.
pub const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// Largest number of channels that is accepted.
pub const MAX_CHANNELS: usize = 8;

/// Reason why a file could not be read as audio.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No file exists under the path.
    #[error("{}: no such file; check the name and the folder", path.display())]
    NotFound {
        /// Path that was opened.
        path: PathBuf,
    },
    /// The path is a folder.
    #[error("{}: expected an audio file, found a folder; name a file in it", path.display())]
    Folder {
        /// Path that was opened.
        path: PathBuf,
    },
    /// The path names a pipe, a device or the like, which cannot be read twice.
    #[error("{}: expected a file, found a pipe or a device; save what it gives in a file first", path.display())]
    NotAFile {
        /// Path that was opened.
        path: PathBuf,
    },
    /// The file exists but cannot be read.
    #[error("{}: cannot be read; check its permissions and the disk", path.display())]
    Unreadable {
        /// Path that was opened.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The file is empty.
    #[error("{}: expected audio, found an empty file (0 bytes); copy or export it again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The format is not recognised.
    #[error("{}: expected {FORMATS}, found none of these; is it an audio file?", path.display())]
    NotAudio {
        /// The file.
        path: PathBuf,
        /// Error of the probe, if it gave one.
        source: Option<Fault>,
    },
    /// The container is known, but the codec in it is not.
    #[error("{}: expected {CODECS}, found {codec}; convert it to WAV or FLAC first", path.display())]
    Codec {
        /// The file.
        path: PathBuf,
        /// The codec's name or identifier.
        codec: CodecName,
    },
    /// The format is known, but no sample could be decoded.
    #[error("{}: a damaged file: nothing in it can be decoded; copy or export it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Error of the decoder, if it gave one.
        source: Option<Fault>,
    },
    /// The file is well formed but holds no samples.
    #[error("{}: expected at least one sample, found none; export it again", path.display())]
    NoSamples {
        /// The file.
        path: PathBuf,
    },
    /// The number of channels is not supported.
    #[error("{}: expected 1 to {MAX_CHANNELS} channels, found {found}; mix it down or repair its header", path.display())]
    Channels {
        /// The file.
        path: PathBuf,
        /// Number of channels in the header.
        found: usize,
    },
    /// The sample rate is not supported.
    #[error("{}: expected a rate of {} to {} Hz, found {found} Hz; resample it or repair its header",
        path.display(), RATES_HZ.start(), RATES_HZ.end())]
    Rate {
        /// The file.
        path: PathBuf,
        /// Rate in the header, in Hz.
        found: u32,
    },
    /// The sample format is not supported.
    #[error("{}: expected samples of 8, 16, 24 or 32 bits, or floating point of 32 or 64, found {found} bits; \
        convert it first", path.display())]
    Bits {
        /// The file.
        path: PathBuf,
        /// Bits a sample in the header.
        found: u16,
    },
    /// A sample is NaN or infinite.
    #[error("{}: expected finite samples, found {value} in channel {channel}, frame {frame} ({time_s:.3} s); \
        repair it in an audio editor", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Channel, counted from 1.
        channel: usize,
        /// Frame, counted from 0.
        frame: u64,
        /// Time of the frame in seconds.
        time_s: f64,
        /// Value of the sample: NaN or an infinity.
        value: f32,
    },
}

/// Supported formats and codecs, as the messages name them.
const FORMATS: &str = "WAV, AIFF, FLAC, MP3, AAC/M4A, ALAC, Ogg Vorbis, Opus or CAF";
const CODECS: &str = "PCM, FLAC, MP3, AAC-LC or Vorbis of one or two channels, ALAC or Opus";

/// Name of a codec that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecName {
    /// Codec that is known by name.
    Named(&'static str),
    /// Tag of a WAVE format.
    WaveTag(u16),
    /// Identifier that the container gives.
    Id(u32),
    /// Codec that the container does not name.
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

/// Failure inside a decoder.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The decoder rejected the data.
    #[error(transparent)]
    Decoder(#[from] symphonia::core::errors::Error),
    /// The decoder panicked: a defect in it, triggered by damaged data.
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
