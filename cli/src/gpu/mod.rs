//! The NVIDIA GPU of this machine: findings about it, and whether a separation can use it.

mod facts;
mod inspect;
#[cfg(feature = "tensorrt")]
mod library;
mod state;
mod verdict;

pub(crate) use facts::{GpuFacts, detect};
pub(crate) use inspect::inspect;
