//! Audio in, six stems out.
//!
//! The crate reads a song, runs Hybrid Transformer Demucs over it in chunks and hands out the stems, in memory that does
//! not grow with the length of the song. Front ends know only what this file exports.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ahead;
pub mod audio;
mod chunks;
mod engine;
mod error;
mod lanes;
#[cfg(test)]
mod long_songs;
pub mod model;
mod options;
mod output;
mod parts;
mod pipeline;
mod progress;
mod separator;
mod share;
mod sink;
mod song;
mod statistics;
pub mod timings;

#[cfg(feature = "tensorrt")]
pub use engine::tensorrt;
pub use engine::{EngineChoice, EngineError, EngineOptions, TensorRtOptions, engine_class};
pub use error::{Error, ErrorKind, Result, SeparateError};
pub use model::Model;
pub use options::{Mono, Options, Sum};
pub use parts::Part;
pub use pipeline::{PIPELINE_VERSION, Summary};
pub use progress::{Ignore, Listener, Preparing, Progress};
pub use separator::Separator;
pub use sextet_protocol::Stem;
pub use sink::{InMemory, Outputs, StemSink};
