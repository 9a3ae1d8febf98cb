//! The Sextet plugin.
mod shim;
mod sextet;
pub use sextet::Sextet;
