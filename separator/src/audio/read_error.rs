//! Errors of reading audio.

use std::path::PathBuf;

use super::codec_name::CodecName;
use super::ffmpeg_fault::FfmpegFault;
use super::limits::{MAX_CHANNELS, RATES_HZ};
use crate::error::BoxedError;
use crate::{Error, ErrorKind, Remedy};

/// Reason why a file could not be read as audio.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No file exists under the path.
    #[error("{}: no such file", path.display())]
    NotFound {
        /// Path that was opened.
        path: PathBuf,
    },
    /// The path is a folder.
    #[error("{}: expected an audio file, found a folder", path.display())]
    Folder {
        /// Path that was opened.
        path: PathBuf,
    },
    /// The path names a pipe, a device or the like, which cannot be read twice.
    #[error("{}: expected a file, found a pipe or a device", path.display())]
    NotAFile {
        /// Path that was opened.
        path: PathBuf,
    },
    /// The file exists but cannot be read.
    #[error("{}: cannot be read", path.display())]
    Unreadable {
        /// Path that was opened.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The file is empty.
    #[error("{}: expected audio, found an empty file (0 bytes)", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The format is not recognised.
    #[error("{}: expected {FORMATS}, found none of these", path.display())]
    NotAudio {
        /// The file.
        path: PathBuf,
        /// Error of the probe, if it gave one.
        source: Option<BoxedError>,
    },
    /// The container is known, but the codec in it is not.
    #[error("{}: expected {CODECS}, found {codec}", path.display())]
    Codec {
        /// The file.
        path: PathBuf,
        /// The codec's name or identifier.
        codec: CodecName,
    },
    /// The format is known, but no sample could be decoded.
    #[error("{}: a damaged file: nothing in it can be decoded", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Error of the decoder, if it gave one.
        source: Option<BoxedError>,
    },
    /// The file is well formed but holds no samples.
    #[error("{}: expected at least one sample, found none", path.display())]
    NoSamples {
        /// The file.
        path: PathBuf,
    },
    /// The number of channels is not supported.
    #[error("{}: expected 1 to {MAX_CHANNELS} channels, found {found}", path.display())]
    Channels {
        /// The file.
        path: PathBuf,
        /// Number of channels in the header.
        found: usize,
    },
    /// The sample rate is not supported.
    #[error("{}: expected a rate of {} to {} Hz, found {found} Hz",
        path.display(), RATES_HZ.start(), RATES_HZ.end())]
    Rate {
        /// The file.
        path: PathBuf,
        /// Rate in the header, in Hz.
        found: u32,
    },
    /// The sample format is not supported.
    #[error("{}: expected samples of 8, 16, 24 or 32 bits, or floating point of 32 or 64, found {found} bits", path.display())]
    Bits {
        /// The file.
        path: PathBuf,
        /// Bits a sample in the header.
        found: u16,
    },
    /// The size of a frame and that of its samples contradict each other.
    #[error("{}: expected {channels} samples of {bits} bits in a frame, found a frame of {frame_bytes} bytes", path.display())]
    Frame {
        /// The file.
        path: PathBuf,
        /// Number of channels in the header.
        channels: u16,
        /// Bits a sample in the header.
        bits: u16,
        /// Bytes a frame in the header.
        frame_bytes: u16,
    },
    /// ffmpeg, which decodes the file in place of Sextet, failed.
    #[error("{}: {fault}", path.display())]
    Ffmpeg {
        /// The file.
        path: PathBuf,
        /// Way in which it failed.
        #[source]
        fault: FfmpegFault,
    },
    /// Neither Sextet nor ffmpeg can decode the file.
    #[error("{own}; {ffmpeg}")]
    Neither {
        /// Reason of Sextet's own decoders.
        own: Box<ReadError>,
        /// Reason of ffmpeg.
        ffmpeg: FfmpegFault,
    },
    /// A sample is NaN or infinite.
    #[error("{}: expected finite samples, found {value} in channel {channel}, frame {frame} ({time_s:.3} s)", path.display())]
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
const FORMATS: &str = "WAV, AIFF, FLAC, MP3, AAC/M4A, ALAC, Ogg Vorbis, Opus, CAF or Matroska";
const CODECS: &str = "PCM, FLAC, MP1 to MP3, AAC-LC or Vorbis of one or two channels, ALAC or Opus";

impl ReadError {
    /// Returns what can be done about the error, the best first.
    pub fn remedies(&self) -> Vec<Remedy> {
        match self {
            Self::NotFound { .. } => vec![Remedy::CheckPath],
            Self::Folder { .. } => vec![Remedy::ChooseFile],
            Self::NotAFile { .. } => vec![Remedy::SaveAsFile],
            Self::Unreadable { .. } => vec![Remedy::CheckPermissions],
            Self::NotAudio { .. } => vec![Remedy::CheckThatItPlays],
            Self::Codec { .. } | Self::Bits { .. } => {
                vec![Remedy::InstallFfmpeg, Remedy::ConvertAudio]
            }
            Self::Ffmpeg { .. } => vec![Remedy::CheckThatItPlays, Remedy::ConvertAudio],
            // ffmpeg is there already.
            Self::Neither { own, .. } => {
                let mut remedies = own.remedies();
                remedies.retain(|remedy| *remedy != Remedy::InstallFfmpeg);
                remedies
            }
            Self::Empty { .. } | Self::Damaged { .. } | Self::NoSamples { .. } => {
                vec![Remedy::ExportAgain]
            }
            Self::Frame { .. } => vec![Remedy::RepairHeader, Remedy::InstallFfmpeg],
            Self::Channels { .. } => vec![Remedy::MixDown, Remedy::RepairHeader],
            Self::Rate { .. } => vec![Remedy::Resample, Remedy::RepairHeader],
            Self::NotFinite { .. } => vec![Remedy::RepairAudio],
        }
    }
}

impl ReadError {
    /// Returns whether another decoder may read what Sextet's own decoders have refused.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NotAudio { .. }
                | Self::Codec { .. }
                | Self::Damaged { .. }
                | Self::NoSamples { .. }
                | Self::Bits { .. }
                | Self::Frame { .. }
        )
    }

    /// Returns the name of the codec or format that Sextet does not decode, if it is known.
    pub(super) fn foreign(&self) -> Option<CodecName> {
        match self {
            Self::Codec { codec, .. } => Some(*codec).filter(|codec| *codec != CodecName::Unknown),
            _ => None,
        }
    }
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
        let remedies = error.remedies();
        Self::new(kind, error).with_remedies(remedies)
    }
}
