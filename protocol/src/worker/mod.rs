//! The conversation of a front end with the engine process, `sextet worker`.
//!
//! Each message is one JSON object on a line of its own, in UTF-8, with a `type`: [`Request`]s on
//! the worker's standard input, [`Reply`]s on its standard output. Standard error is for people.
//! `docs/worker.md` describes the whole conversation.

mod machine;
mod options;
mod reply;
mod request;
mod wire;

pub use machine::{Checked, Gpu, GpuSetup, GpuState, Machine, ModelInfo, ModelState, Offer};
pub use options::{EngineName, RenderBits, RenderFormat, SeparationOptions, Sum};
pub use reply::{FailKind, Reply, Stage, Waiting, Welcome};
pub use request::{JobId, Prepare, Render, RenderMix, Request, Separate};
pub use wire::{LONGEST_LINE_BYTES, Lines, to_line};

/// Version of the conversation. Both ends must have the same; `hello` and `refused` are the same in
/// all versions.
///
/// The version is raised when a field goes or changes its meaning, or when a reader has to know a
/// new one. Readers ignore fields that they do not know.
pub const PROTOCOL: u32 = 4;

/// Name of the model that is built into the command.
pub const BUNDLED_MODEL: &str = "sextet-mini";
