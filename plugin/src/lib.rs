//! The Sextet plugin.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod capture;
mod editor;
mod engine;
mod link;
mod overview;
mod params;
mod playback;
mod saved;
mod session;
mod shim;
mod sextet;
mod wav;
pub use sextet::Sextet;
