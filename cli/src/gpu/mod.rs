//! The NVIDIA GPU of this machine: findings about it, and whether a separation can use it.

mod found;
mod state;
#[cfg(feature = "tensorrt")]
mod verdict;

pub(crate) use found::{Found, look};
pub(crate) use state::inspect;
