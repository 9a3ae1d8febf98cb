//! The Sextet plugin: captures a clip, has it separated, and plays its six stems in its place on
//! the timeline.
//!
//! Hosts load the library, which is a CLAP plugin and a VST3 plugin in one. Its Rust exports are
//! for the standalone program. `sextet.rs` takes a block from input to buses; `session/` conducts
//! an instance's clip, off the audio thread; the `sextet` command separates in a process of its
//! own, see `worker/`.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod capture;
mod captures;
mod closeup;
mod editor;
mod exports;
mod main_bus;
mod meters;
mod overview;
mod params;
mod patience;
mod placement;
mod playback;
mod saved;
mod session;
mod sextet;
mod shared_state;
mod shim;
mod spectrogram;
#[cfg(test)]
mod test_folders;
mod worker;

pub use sextet::Sextet;
