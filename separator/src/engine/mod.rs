//! Engines, which run networks. `choice.rs` decides which one is used.

mod choice;
mod class;
mod contract;
pub mod cpu;
pub mod cuda;
mod error;
mod exit;
pub mod gpu;
mod lazy;
mod options;
mod sharing;
#[cfg(feature = "tensorrt")]
pub mod tensorrt;
/// Replacement for the TensorRT engine in a build without it. This is the only place where the two
/// builds differ in a choice.
#[cfg(not(feature = "tensorrt"))]
#[path = "no_tensorrt.rs"]
mod tensorrt;

#[cfg(all(feature = "tensorrt", windows, target_env = "gnu"))]
compile_error!(
    "NVIDIA's library for Windows is C++ of Microsoft's compiler, and MinGW's look for its virtual functions in other \
     places: calls go to wrong ones. Build for x86_64-pc-windows-msvc, or without the feature `tensorrt`"
);

pub use choice::{Backend, Sooner, Successor, Work, engine_class, settle, successor, warm_up};
pub(crate) use choice::{check, start};
pub use class::{EngineClass, UnknownEngineClass};
pub(crate) use contract::Engine;
pub use error::EngineError;
pub use exit::exit_at_once;
pub(crate) use lazy::LazyEngine;
pub use options::{EngineChoice, EngineOptions, GpuOptions};
