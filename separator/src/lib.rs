//! Audio in, six stems out.
//!
//! The crate reads a song, runs Hybrid Transformer Demucs over it in chunks and hands out the stems, in memory that does
//! not grow with the length of the song. Front ends know only what this file exports.

pub mod audio;
mod error;
mod engine;
pub mod model;
mod options;
mod parts;
mod progress;
mod sink;

pub use error::{Error, ErrorKind, Result};
pub use options::{Mono, Options, Sum};
pub use parts::Part;
pub use progress::{Ignore, Listener, Progress};
pub use sextet_protocol::Stem;
pub use sink::{InMemory, Outputs, StemSink};
