//! TensorRT engine: the graph in TensorRT-RTX on an NVIDIA GPU, mostly in float16. A file uses
//! those in the rows above it.
//!
//! | file | contents |
//! |---|---|
//! | `version.rs`, `tf32.rs`, `visible.rs`, `damage.rs`, `noise.rs` | words that the others share |
//! | `error.rs` | errors |
//! | `record.rs`, `whole.rs` | check that a library's file is whole before it is loaded |
//! | `library.rs`, `log.rs` | loading of TensorRT's libraries, and their log |
//! | `capture.rs`, `gpu.rs` | driver and GPU, and whether they suffice |
//! | `target.rs` | GPU architectures that a plan can be built for |
//! | `planner.rs` | compilation of the graph into a plan; needs no GPU |
//! | `sealed.rs`, `cache.rs` | plans and compiled kernels on disk, checked when read |
//! | `precision.rs`, `batch.rs` | what options ask for, and the batch that fits |
//! | `plans.rs`, `build.rs` | plan from the cache or the planner; plans built ahead of time |
//! | `session.rs` | plan on a GPU: buffers, transfers, batches |
//! | `self_test.rs`, `opening.rs` | opening of a tested session |
//! | `accuracy.rs`, `float16.rs` | error of a model in float16, and what follows from it |
//! | `outlook.rs` | estimate of the time until a model can begin |
//! | `measure.rs` | speed of a network on the GPU |
//! | `running.rs`, `start.rs` | engine, and its start |
//! | `probe.rs`, `kind.rs` | what can be known without a start; TensorRT among other engines |

mod accuracy;
mod batch;
mod build;
mod cache;
mod capture;
mod damage;
mod error;
mod float16;
mod gpu;
mod kind;
mod library;
mod log;
mod measure;
mod noise;
mod opening;
mod outlook;
mod planner;
mod plans;
mod precision;
mod probe;
mod record;
mod running;
mod sealed;
mod self_test;
mod session;
mod start;
mod target;
mod tf32;
mod version;
mod visible;
mod whole;

pub use build::{Built, build};
pub use cache::{CacheEntry, PlanCache};
pub use damage::Damage;
pub use error::TensorRtError;
pub use gpu::{Gpu, gpus};
pub(super) use kind::TensorRtEngine;
pub use library::Library;
pub use measure::{Measurement, layers, measure};
pub use probe::{Found, probe};
pub use record::record;
pub use target::Target;
pub use tf32::TF32_VARIABLE;
pub use version::{LibraryVersion, REQUIRED_VERSION};
