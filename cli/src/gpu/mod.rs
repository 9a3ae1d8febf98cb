//! The NVIDIA GPU of this machine: findings about it, and whether a separation can use it.

mod found;
#[cfg(feature = "tensorrt")]
mod library;
mod state;
mod verdict;

pub(crate) use found::{Found, look};
pub(crate) use state::inspect;
