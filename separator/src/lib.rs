//! Separation of audio into six stems.
//!
//! The crate reads a song, runs Hybrid Transformer Demucs over it in chunks and returns the stems.
//! A song of usual length is kept in memory and read once. The memory for a longer one does not
//! grow with its length. Front ends know only the exports of this file.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

/// The crate under its public name, for support that unit tests share with the tests in `tests/`.
#[cfg(test)]
extern crate self as sextet_separator;

pub mod audio;
mod chunks;
mod decoded;
mod engine;
mod error;
#[cfg(test)]
mod long_songs;
mod mixture_consistency;
pub mod model;
mod options;
mod output;
mod parts;
mod passes;
mod pipeline;
mod progress;
mod read_ahead;
mod separator;
mod sink;
mod song;
mod statistics;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
pub mod timings;

pub use decoded::{DecodeOptions, Decoded, MEMORY_BYTES};
#[cfg(feature = "tensorrt")]
pub use engine::tensorrt;
pub use engine::{
    Backend, EngineChoice, EngineClass, EngineError, EngineOptions, GpuOptions, Sooner, Successor,
    UnknownEngineClass, Work, cpu_threads, engine_class, exit_at_once, settle, successor, warm_up,
};
pub use engine::{cuda, gpu};
pub use error::{Error, ErrorKind, Result, SeparateError};
pub use model::Model;
pub use options::{Mono, Options, Sum};
pub use parts::Part;
pub use pipeline::{PIPELINE_VERSION, Summary};
pub use progress::{Ignore, Listener, Preparing, Progress};
pub use separator::Separator;
pub use sextet_protocol::{Remedy, Stem};
pub use sink::{InMemory, Outputs, StemSink};
