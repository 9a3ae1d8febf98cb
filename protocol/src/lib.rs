//! The contract that all parts of Sextet share, without depending on any of them.
//!
//! - [`Stem`]: the six stems, their names and their order.
//! - [`worker`]: the conversation of a front end with the engine process `sextet worker`.
//! - [`cache`]: the stem cache, which keeps finished stems until they are used again.
//! - [`Folders`]: the folders of a user's cache, captures and commands.
//! - [`Remedy`]: what somebody can do about an error.
//! - [`AUDIO_EXTENSIONS`] and [`FFMPEG_EXTENSIONS`]: the files that can be separated.
//! - [`Fingerprint`] and [`AudioHasher`]: the names of audio and stems.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod cache;
mod error;
mod extensions;
mod fingerprint;
mod folders;
mod remedy;
mod stem;
pub mod worker;

pub use error::{Error, ErrorKind, Result};
pub use extensions::{AUDIO_EXTENSIONS, FFMPEG_EXTENSIONS};
pub use fingerprint::{AudioHasher, Fingerprint, NoFingerprint};
pub use folders::{CACHE_VARIABLE, COMMAND_FILE, COMMAND_VARIABLE, DATA_VARIABLE, Folders};
pub use remedy::Remedy;
pub use stem::{Stem, UnknownStem};
