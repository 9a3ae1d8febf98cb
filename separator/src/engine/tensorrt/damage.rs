//! Damage of a library's file.

use std::fmt;

/// Damage of a library's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The file has fewer bytes than its own tables or its record say.
    Cut {
        /// Actual length in bytes.
        found: u64,
        /// Smallest expected length in bytes.
        expected: u64,
    },
    /// The file has more bytes than its record says.
    Longer {
        /// Actual length in bytes.
        found: u64,
        /// Expected length in bytes.
        expected: u64,
    },
    /// The length is right, but the SHA-256 differs from the recorded one.
    Changed,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { found, expected } => {
                write!(f, "it has {found} bytes and needs at least {expected}")
            }
            Self::Longer { found, expected } => {
                write!(f, "it has {found} bytes instead of {expected}")
            }
            Self::Changed => f.write_str("its contents are not what was set up"),
        }
    }
}
