//! The Sextet plugin: capture a clip, have it separated, play its six stems in its place on the
//! timeline.
//!
//! The library is what hosts load: a CLAP plugin and a VST3 plugin in one. What it exports to Rust
//! is for the standalone program. A block goes from input to buses in `sextet.rs`; an instance's
//! clip is conducted by `session/`, off the audio thread; the separating is done by the `sextet`
//! command in a process of its own, see `engine/`.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod capture;
#[cfg(test)]
#[allow(unreachable_pub, reason = "the hosts' tests use it too")]
#[path = "../tests/support/command.rs"]
mod command_under_test;
mod editor;
mod engine;
#[cfg(test)]
#[allow(unreachable_pub, reason = "the hosts' tests use it too")]
#[path = "../tests/support/entry.rs"]
mod entry;
mod link;
mod overview;
mod params;
mod playback;
mod saved;
mod session;
mod sextet;
mod shim;
#[cfg(test)]
mod test_folders;
mod wav;

pub use sextet::Sextet;
