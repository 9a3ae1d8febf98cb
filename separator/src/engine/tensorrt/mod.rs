//! TensorRT engine: the graph in TensorRT-RTX on an NVIDIA GPU, mostly in float16. A file uses
//! those in the rows above it.
//!
//! | file | contents |
//! |---|---|
//! | `version.rs`, `tf32.rs`, `damage.rs` | words that the others share |
//! | `error.rs` | errors |
//! | `record.rs`, `whole.rs` | check that a library's file is whole before it is loaded |
//! | `library.rs`, `log.rs` | loading of TensorRT's libraries, and their log |
//! | `target.rs` | GPU architectures that a plan can be built for |
//! | `planner.rs` | compilation of the graph into a plan; needs no GPU |
//! | `cache.rs` | plans and compiled kernels on disk, checked when read |
//! | `precision.rs` | what options ask for |
//! | `plans.rs`, `build.rs` | plan from the cache or the planner; plans built ahead of time |
//! | `session.rs` | plan on a GPU |
//! | `self_test.rs`, `opening.rs` | opening of a tested session |
//! | `float16.rs` | start in float16, where that is exact enough |
//! | `outlook.rs` | estimate of the time until a model can begin |
//! | `measure.rs` | speed of a network on the GPU |
//! | `start.rs` | start of an engine |
//! | `probe.rs`, `kind.rs` | what can be known without a start; TensorRT among other engines |

mod build;
mod cache;
mod damage;
mod error;
mod float16;
mod kind;
mod library;
mod log;
mod measure;
mod opening;
mod outlook;
mod planner;
mod plans;
mod precision;
mod probe;
mod record;
mod self_test;
mod session;
mod start;
mod target;
mod tf32;
mod version;
mod whole;

pub use build::{BuiltPlan, build};
pub use cache::{CacheEntry, PlanCache};
pub use damage::Damage;
pub use error::TensorRtError;
pub(super) use kind::TensorRtEngine;
pub use library::Library;
pub use measure::{layers, measure};
pub use probe::{Probe, probe};
pub use record::record;
pub use start::NEEDS;
pub use target::Target;
pub use tf32::TF32_VARIABLE;
pub use version::{LibraryVersion, REQUIRED_VERSION};
