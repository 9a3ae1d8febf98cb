//! What can go wrong with a file that is written.

use std::path::PathBuf;

use super::Layout;
use super::read_error::MAX_CHANNELS;
use crate::{Error, ErrorKind};

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Nothing can be created in the folder.
    #[error("{}: cannot be created; check that its folder exists and may be written", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The disk is full.
    #[error("{}: the disk is full; free some space or choose another folder", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Writing failed.
    #[error("{}: cannot be written; check the disk", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// FLAC has no floating point.
    #[error("{}: expected 16 or 24 bits for FLAC, found 32-bit floating point; choose 24 bits, or WAV", path.display())]
    FloatFlac {
        /// The file.
        path: PathBuf,
    },
    /// A layout that the format cannot hold.
    #[error("{}: expected 1 to {MAX_CHANNELS} channels at 1 to {max_rate_hz} Hz, found {channels} at {rate_hz} Hz",
        path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// Channels asked for.
        channels: usize,
        /// Rate asked for.
        rate_hz: u32,
        /// The highest rate that the format holds.
        max_rate_hz: u32,
    },
    /// A block of another layout than the file's.
    #[error("{}: expected blocks of {expected:?}, found {found:?}", path.display())]
    Block {
        /// The file.
        path: PathBuf,
        /// The file's layout.
        expected: Layout,
        /// The block's.
        found: Layout,
    },
    /// Another number of frames than was announced.
    #[error("{}: expected {expected} frames, found {found}", path.display())]
    Frames {
        /// The file.
        path: PathBuf,
        /// Frames announced.
        expected: u64,
        /// Frames written.
        found: u64,
    },
    /// The FLAC encoder refused, among others a file without a single frame.
    #[error("{}: the FLAC encoder failed", path.display())]
    Flac {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: flac_codec::Error,
    },
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        let kind = match error {
            WriteError::FloatFlac { .. } => ErrorKind::Options,
            _ => ErrorKind::Output,
        };
        Self::new(kind, error)
    }
}
