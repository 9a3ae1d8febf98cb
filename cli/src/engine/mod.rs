//! Engines: which one computes, on which GPU, with which files; and the commands about them.
//!
//! | file | contents |
//! |---|---|
//! | `choice.rs` | the engine that is asked for, its start, and the takeover by the CPU |
//! | `work.rs` | the amount of work, by which an open choice is made |
//! | `gpus.rs` | the GPUs that are named |
//! | `paths.rs` | the files of TensorRT |
//! | `waiting.rs` | display of an engine's preparation |
//! | `status.rs` | the engines, and whether each can run |
//! | `commands/` | `sextet engine` |

mod choice;
mod commands;
mod gpus;
mod paths;
mod status;
mod waiting;
mod work;

pub(crate) use choice::{note, options, options_of_all, running, start, takeover, warm_up, weigh};
pub(crate) use commands::run;
pub(crate) use gpus::{gpu_options, name_gpu, name_gpus};
pub(crate) use paths::{engine_cache, library_folders};
#[cfg(feature = "tensorrt")]
pub(crate) use paths::{named_libraries, own_libraries};
#[cfg(not(feature = "tensorrt"))]
pub(crate) use status::not_built_in;
pub(crate) use status::{EngineStatus, all};
pub(crate) use waiting::{Waiting, describe, usual_s};
pub(crate) use work::work_of_song;
