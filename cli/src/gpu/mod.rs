//! The NVIDIA GPU of this machine: what was found of it, and whether a separation can use it.

mod found;
mod state;

pub(crate) use found::{Found, look};
pub(crate) use state::inspect;
