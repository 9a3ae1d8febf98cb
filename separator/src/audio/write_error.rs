//! Errors of writing a file.

use std::io;

use super::Layout;
use super::ffmpeg_fault::FfmpegFault;
use super::limits::MAX_CHANNELS;
use crate::error::BoxedError;
use crate::{Error, ErrorKind, Remedy};

/// Reason why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The disk is full.
    #[error("the disk is full")]
    Full {
        /// Error of the operating system.
        source: io::Error,
    },
    /// Writing failed.
    #[error("the file cannot be written")]
    Write {
        /// Error of the operating system.
        source: io::Error,
    },
    /// FLAC does not support floating point.
    #[error("expected 16 or 24 bits for FLAC, found 32-bit floating point")]
    FloatFlac,
    /// The format cannot hold the layout.
    #[error(
        "expected 1 to {MAX_CHANNELS} channels at 1 to {max_rate_hz} Hz, found {channels} at {rate_hz} Hz"
    )]
    Layout {
        /// Number of channels asked for.
        channels: usize,
        /// Sample rate asked for, in Hz.
        rate_hz: u32,
        /// Highest rate that the format holds, in Hz.
        max_rate_hz: u32,
    },
    /// The format cannot hold as much.
    #[error("expected at most {max_bytes} bytes of samples for AIFF, found {bytes}")]
    TooLong {
        /// Bytes of the samples.
        bytes: u64,
        /// Most bytes that the format holds.
        max_bytes: u64,
    },
    /// A block has another layout than the file.
    #[error("expected blocks of {expected:?}, found {found:?}")]
    Block {
        /// Layout of the file.
        expected: Layout,
        /// Layout of the block.
        found: Layout,
    },
    /// The number of frames differs from the announced one.
    #[error("expected {expected} frames, found {found}")]
    Frames {
        /// Number of frames announced.
        expected: u64,
        /// Number of frames written.
        found: u64,
    },
    /// ffmpeg did not encode the file.
    #[error(transparent)]
    Ffmpeg(FfmpegFault),
    /// The FLAC encoder failed, for example on a file without any frame.
    #[error("the FLAC encoder failed")]
    Flac {
        /// Error of the encoder.
        source: BoxedError,
    },
}

impl WriteError {
    /// Returns the error of a file that the system does not write.
    pub(super) fn of(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { source },
            _ => Self::Write { source },
        }
    }

    /// Returns what can be done about the error, the best first.
    pub fn remedies(&self) -> Vec<Remedy> {
        match self {
            Self::Full { .. } => vec![Remedy::MakeRoom, Remedy::ChooseFolder],
            Self::Write { .. } => vec![Remedy::CheckPermissions],
            Self::TooLong { .. } | Self::Ffmpeg(_) => vec![Remedy::ChooseWav],
            Self::FloatFlac => vec![Remedy::ChooseBits { bits: 24 }, Remedy::ChooseWav],
            Self::Layout { .. } | Self::Block { .. } | Self::Frames { .. } | Self::Flac { .. } => {
                Vec::new()
            }
        }
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        let kind = match error {
            WriteError::FloatFlac => ErrorKind::Options,
            _ => ErrorKind::Output,
        };
        let remedies = error.remedies();
        Self::new(kind, error).with_remedies(remedies)
    }
}
