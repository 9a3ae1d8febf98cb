//! Reasons why a pickle cannot be read.

use super::super::error::{ModelError, shown};

/// Result of reading a part of a pickle.
pub(super) type Result<T> = std::result::Result<T, ModelError>;

/// Damage of a pickle, or of the file around it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error("it ends at byte {at} of its pickle, in the middle")]
    Ended { at: usize },
    #[error("its pickle takes {found} bytes; expected {expected} at most")]
    TooLarge { found: usize, expected: usize },
    #[error("its pickle uses a value that it has not made, before byte {at}")]
    NoValue { at: usize },
    #[error("its pickle has a {found} at byte {at}; expected {expected}")]
    Kind {
        at: usize,
        found: &'static str,
        expected: &'static str,
    },
    #[error("its pickle has a text at byte {at} that is not UTF-8")]
    Text { at: usize },
    #[error("its archive cannot be read: {0}")]
    Archive(#[source] zip::result::ZipError),
    #[error("its archive has no entry '{name}'")]
    NoEntry { name: String },
    #[error("the entry '{name}' of its archive is compressed; expected it as it is")]
    Compressed { name: String },
    #[error("the entry '{name}' of its archive is damaged: {source}")]
    Entry {
        name: String,
        source: std::io::Error,
    },
    #[error("its numbers are in the order of big-endian machines; expected little-endian ones")]
    BigEndian,
    #[error("the bytes of its storage '{key}' are not there: it has {found}; expected {expected}")]
    Storage {
        key: String,
        found: usize,
        expected: u64,
    },
    #[error("the tensor '{name}' reaches beyond its storage of {found} elements")]
    OutOfStorage { name: String, found: usize },
    #[error("its tensors repeat the same numbers more often than the file justifies")]
    Repeated,
    #[error("its values lie deeper or are more than the file justifies")]
    Depth,
}

impl From<Damage> for ModelError {
    fn from(damage: Damage) -> Self {
        Self::NotPyTorch {
            source: damage.into(),
        }
    }
}

/// Returns the error of something that a pickle asks for and Sextet does not know.
pub(super) fn unknown(what: impl ToString) -> ModelError {
    ModelError::UnknownObject { name: shown(what) }
}
