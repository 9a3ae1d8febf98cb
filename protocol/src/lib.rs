//! What every part of Sextet agrees on, without linking any other part.
//!
//! - [`Stem`]: the six stems, their names and their order.
//! - [`worker`]: what a front end and the engine process `sextet worker` say to each other.
//! - [`cache`]: the stem cache, where finished stems lie until they are used again.
//! - [`Folders`]: where a user's cache, captures and commands lie.
//! - [`Fingerprint`] and [`AudioHasher`]: the names that audio and stems go by.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod cache;
mod error;
mod fingerprint;
mod folders;
mod stem;
pub mod worker;

pub use error::{Error, ErrorKind, Result};
pub use fingerprint::{AudioHasher, Fingerprint, NoFingerprint};
pub use folders::{CACHE_VARIABLE, COMMAND_FILE, COMMAND_VARIABLE, DATA_VARIABLE, Folders};
pub use stem::{Stem, UnknownStem};
