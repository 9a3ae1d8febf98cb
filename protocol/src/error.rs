//! The crate's error: one opaque type with a kind to act on.

use std::io;
use std::path::PathBuf;

use crate::{Remedy, Stem};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The sort of failure of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The cache has no such entry. Separating the clip makes one.
    Missing,
    /// The entry differs from its manifest, or has no manifest that can be read. It has to be made
    /// again.
    Damaged,
    /// A line is no message of this protocol. The next line may be one.
    Message,
    /// The system does not tell the folder for a user's files.
    NoFolder,
    /// The system failed to read or write.
    Io,
    /// The caller cancelled the operation.
    Cancelled,
}

/// An error of this crate. Its message says what was expected and what was found; its
/// [remedies](Error::remedies) say what to do.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] Cause);

impl Error {
    /// Returns the sort of failure.
    pub fn kind(&self) -> ErrorKind {
        match &self.0 {
            Cause::NoEntry { .. } => ErrorKind::Missing,
            Cause::NoManifest { .. }
            | Cause::Format { .. }
            | Cause::Key { .. }
            | Cause::NoFile { .. }
            | Cause::Size { .. }
            | Cause::Hash { .. } => ErrorKind::Damaged,
            Cause::NotUnderstood { .. }
            | Cause::TooLong { .. }
            | Cause::NotUtf8
            | Cause::Unspeakable { .. } => ErrorKind::Message,
            Cause::NoCacheFolder { .. } => ErrorKind::NoFolder,
            Cause::Read { .. } | Cause::Stream { .. } => ErrorKind::Io,
            Cause::Cancelled => ErrorKind::Cancelled,
        }
    }

    /// Returns what can be done about the error, the best first.
    pub fn remedies(&self) -> Vec<Remedy> {
        match &self.0 {
            Cause::NoEntry { .. }
            | Cause::NoManifest { .. }
            | Cause::Format { .. }
            | Cause::Key { .. }
            | Cause::NoFile { .. }
            | Cause::Size { .. }
            | Cause::Hash { .. } => vec![Remedy::SeparateAgain],
            Cause::NoCacheFolder { variable, .. } => vec![Remedy::SetFolder {
                variable: (*variable).to_owned(),
            }],
            Cause::Read { .. } => vec![Remedy::CheckPermissions],
            Cause::NotUnderstood { .. }
            | Cause::TooLong { .. }
            | Cause::NotUtf8
            | Cause::Unspeakable { .. }
            | Cause::Stream { .. }
            | Cause::Cancelled => Vec::new(),
        }
    }
}

/// The failure in detail, with its message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("the stem cache has no entry {key}")]
    NoEntry { key: String },
    #[error("the manifest '{}' cannot be understood ({source})", path.display())]
    NoManifest {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("'{}' has format {found}, expected {expected}", path.display())]
    Format {
        path: PathBuf,
        expected: u32,
        found: u32,
    },
    #[error("'{}' describes the stems {found}, expected {expected}", path.display())]
    Key {
        path: PathBuf,
        expected: String,
        found: String,
    },
    #[error("the entry lacks its {stem} file '{}'", path.display())]
    NoFile { stem: Stem, path: PathBuf },
    #[error("'{}' has {found} bytes, expected {expected}", path.display())]
    Size {
        path: PathBuf,
        expected: u64,
        found: u64,
    },
    #[error("'{}' was changed: SHA-256 {found}, expected {expected}", path.display())]
    Hash {
        path: PathBuf,
        expected: String,
        found: String,
    },
    #[error("a line is no message of this protocol ({source}): '{start}'")]
    NotUnderstood {
        start: String,
        source: serde_json::Error,
    },
    #[error("a line is longer than {limit} bytes, which no message is")]
    TooLong { limit: usize },
    #[error("a line is not UTF-8, which every message is")]
    NotUtf8,
    #[error("a message cannot be written as JSON ({source}); its paths may not be valid Unicode")]
    Unspeakable { source: serde_json::Error },
    #[error("this system does not say where {what} goes")]
    NoCacheFolder {
        what: &'static str,
        variable: &'static str,
    },
    #[error("cannot read '{}': {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the other side cannot be heard: {source}")]
    Stream { source: io::Error },
    #[error("stopped when asked to")]
    Cancelled,
}
