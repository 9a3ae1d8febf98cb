//! CUDA engine: kernels of our own on an NVIDIA GPU, in float16 with sums and statistics in
//! float32. It needs nothing but the driver.
//!
//! | file | contents |
//! |---|---|
//! | `images.rs` | the compiled kernels for each GPU |
//! | `kernel.rs`, `parameters.rs` | the kernels and what they are given |
//! | `sources.rs` | the constants of the kernels' sources, for a test |
//! | `pointer.rs` | pointers of the GPU |
//! | `boxes.rs` | boxes of tensors, which Hopper copies by itself |
//! | `lower/`, `weights.rs`, `memory.rs` | a program as launches, its weights and its memory |
//! | `runner.rs` | launches as one graph on a GPU |
//! | `batches.rs`, `start.rs` | tested batches, and the engine's start |
//! | `compare.rs`, `each.rs` | comparison with the interpreter: the whole network, every step by itself |

mod batches;
mod boxes;
mod compare;
mod each;
mod error;
mod images;
mod kernel;
mod lower;
mod memory;
mod parameters;
mod pointer;
mod runner;
#[cfg(test)]
mod sources;
mod start;
#[cfg(test)]
mod tests;
mod weights;

pub use compare::{KernelTime, Profile, StepError, compare, profile};
pub use each::compare_each;
pub use error::{CudaError, Unsupported};
pub use runner::Restrictions;
pub(super) use start::CudaEngine;
pub use start::{NEEDS, measure, probe};
