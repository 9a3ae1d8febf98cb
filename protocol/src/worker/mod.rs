//! What a front end says to the engine process, `sextet worker`, and what that answers.
//!
//! One JSON object a line, UTF-8, each with a `type`: [`Request`]s on the worker's standard input,
//! [`Reply`]s on its standard output. Standard error is for people. `docs/worker.md` tells the
//! whole conversation.

mod machine;
mod options;
mod reply;
mod request;
mod wire;

pub use machine::{Checked, Gpu, GpuSetup, GpuState, Machine, ModelInfo, ModelState, Offer};
pub use options::{EngineName, RenderBits, RenderFormat, SeparationOptions, Sum};
pub use reply::{FailKind, Reply, Stage, Waiting, Welcome};
pub use request::{JobId, Prepare, Render, Request, Separate};
pub use wire::{LONGEST_LINE_BYTES, Lines, to_line};

/// Version of the conversation. Both ends have to have the same; `hello` and `refused` are the same
/// in all versions.
///
/// It is raised when a field goes or changes its meaning, or when a reader has to know a new one.
/// Readers ignore fields that they do not know.
pub const PROTOCOL: u32 = 2;

/// Name of the model that is inside the command.
pub const BUNDLED_MODEL: &str = "sextet-mini";
