//! Separates songs into stems by Hybrid Transformer Demucs.
//!
#![doc = include_str!("../README.md")]
//!
//! # Map of the crate
//!
//! [`Separator`] puts a [`Model`] on an engine. It reads an [`audio::AudioSource`], hands stems to
//! a [`StemSink`] block by block, and tells a [`Listener`] of it. [`audio`] has files of all
//! formats, [`model`] checkpoints and ONNX, [`gpu`] and [`cuda`] NVIDIA's GPUs. Errors are one
//! opaque [`Error`] with a kind to act on, a cause to read, and what can be done about it as a
//! [`Remedy`].

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod audio;
mod builder;
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
mod setters;
mod sink;
mod song;
mod statistics;
pub mod timings;

pub use builder::SeparatorBuilder;
pub use decoded::{DecodeOptions, Decoded, MEMORY_BYTES};
#[cfg(feature = "tensorrt")]
pub use engine::tensorrt;
pub use engine::{
    Backend, EngineChoice, EngineClass, EngineError, EngineOptions, GpuOptions, Sooner, Successor,
    UnknownEngineClass, Work, engine_class, exit_at_once, settle, successor, warm_up,
};
pub use engine::{cpu, cuda, gpu};
pub use error::{Error, ErrorKind, Result, SeparateError};
pub use model::Model;
pub use options::{Mono, Options, Sum};
pub use parts::Part;
pub use pipeline::{PIPELINE_VERSION, Summary};
pub use progress::{Ignore, Listener, Preparing, Progress};
pub use separator::Separator;
pub use sextet_protocol::{Remedy, Stem};
pub use sink::{InMemory, Outputs, StemSink};
