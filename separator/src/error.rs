//! Errors of this crate: one opaque type with a kind to act on and a cause to read.

use std::error::Error as StdError;
use std::fmt;

use crate::Remedy;
use crate::Stem;
use crate::audio::RATES_HZ;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Kind of an [`Error`], for front ends that act on it (exit codes, skipping a file of a batch).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input does not exist or cannot be read.
    Input,
    /// The input exists, but it is not audio that can be decoded, or it holds samples that are not
    /// numbers.
    Audio,
    /// The model is unknown, missing, corrupt, or of a kind that is not supported.
    Model,
    /// The engine could not be started or failed while it ran.
    Engine,
    /// Stems could not be written.
    Output,
    /// The value of an option cannot be used.
    Options,
    /// The listener cancelled the separation.
    Cancelled,
}

/// Error of any type, such as one of another crate, as the source of an error of this one.
pub(crate) type BoxedError = Box<dyn StdError + Send + Sync>;

/// Error of this crate: a kind, a message that states what was expected and what was found, its
/// source, and what can be done about it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    cause: BoxedError,
    remedies: Vec<Remedy>,
}

impl Error {
    /// Wraps `cause`, whose message is shown unchanged.
    ///
    /// Front ends use it for errors in a [`StemSink`](crate::StemSink) of their own.
    pub fn new(kind: ErrorKind, cause: impl Into<BoxedError>) -> Self {
        Self {
            kind,
            cause: cause.into(),
            remedies: Vec::new(),
        }
    }

    /// Sets what can be done about the error, the best first.
    #[must_use]
    pub fn with_remedies(self, remedies: Vec<Remedy>) -> Self {
        Self { remedies, ..self }
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns what can be done about the error, the best first.
    pub fn remedies(&self) -> &[Remedy] {
        &self.remedies
    }

    /// Returns the typed cause if it is a `T`.
    pub fn cause<T: StdError + 'static>(&self) -> Option<&T> {
        self.cause.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.source()
    }
}

/// Reason why a separation failed, apart from its input, model, engine and output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum SeparateError {
    #[error("the separation was cancelled")]
    Cancelled,
    #[error("there is no audio in the input: expected at least one frame, found none")]
    Empty,
    #[error("the input holds samples that are not numbers (NaN or infinite)")]
    NotFinite,
    #[error(
        "an overlap of {found} cannot be used; expected from 0 up to, but not including, 1, such as 0.25"
    )]
    Overlap { found: f64 },
    #[error(
        "stems at {found} Hz cannot be made; expected from {} to {} Hz, such as 44100",
        RATES_HZ.start(), RATES_HZ.end()
    )]
    Rate { found: u32 },
    #[error(
        "this model does not give the stem '{stem}'; it gives {}",
        names(sources)
    )]
    NoSuchStem { stem: Stem, sources: Vec<Stem> },
}

fn names(stems: &[Stem]) -> String {
    stems
        .iter()
        .map(|stem| stem.name())
        .collect::<Vec<_>>()
        .join(", ")
}

impl SeparateError {
    /// Returns what can be done about the error, the best first.
    pub fn remedies(&self) -> Vec<Remedy> {
        match self {
            Self::NotFinite => vec![Remedy::RepairAudio, Remedy::ExportAgain],
            Self::Empty => vec![Remedy::ExportAgain],
            Self::NoSuchStem { sources, .. } => {
                let there = sources.iter().map(|stem| stem.name().to_owned()).collect();
                vec![Remedy::ChooseStem { there }, Remedy::ChooseModel]
            }
            Self::Cancelled | Self::Overlap { .. } | Self::Rate { .. } => Vec::new(),
        }
    }
}

impl From<SeparateError> for Error {
    fn from(error: SeparateError) -> Self {
        let kind = match error {
            SeparateError::Cancelled => ErrorKind::Cancelled,
            SeparateError::Empty | SeparateError::NotFinite => ErrorKind::Audio,
            SeparateError::Overlap { .. }
            | SeparateError::Rate { .. }
            | SeparateError::NoSuchStem { .. } => ErrorKind::Options,
        };
        let remedies = error.remedies();
        Error::new(kind, error).with_remedies(remedies)
    }
}
