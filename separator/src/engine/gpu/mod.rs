//! Parts that the engines on NVIDIA GPUs share: driver and GPUs, batches with their transfers, and
//! the checks of a start. A file uses those in the rows above it.
//!
//! | file | contents |
//! |---|---|
//! | `visible.rs`, `noise.rs`, `capture.rs` | words that the others share |
//! | `error.rs` | errors |
//! | `device.rs` | driver and GPU, and whether they suffice for an engine |
//! | `probe.rs` | GPU that an engine would run on |
//! | `batches.rs` | batches of segments on a GPU: buffers, transfers, order |
//! | `batch_size.rs` | the batch that fits |
//! | `self_test.rs` | whether a new network gives numbers |
//! | `sealed.rs` | files that are either whole or absent |
//! | `accuracy.rs` | error of a model in float16 |
//! | `measure.rs` | speed of a network on the GPU |
//! | `running.rs` | engine that computes by batches |

mod accuracy;
mod batch_size;
mod batches;
#[cfg_attr(
    not(feature = "tensorrt"),
    allow(dead_code, reason = "only TensorRT's capture needs it")
)]
mod capture;
mod device;
mod error;
mod measure;
mod noise;
mod probe;
mod running;
pub(super) mod sealed;
mod self_test;
mod visible;

pub(super) use accuracy::{Float16Record, TOLERANCE, float16_error};
#[cfg(feature = "tensorrt")]
pub(super) use batch_size::DEFAULT_BATCH;
pub(super) use batch_size::{BatchError, BatchFault, first_batch, open_largest};
pub(super) use batches::{BatchNetwork, Batches, Shape};
#[cfg(feature = "tensorrt")]
pub(super) use capture::capturing;
pub(super) use capture::uncaptured;
#[cfg(feature = "tensorrt")]
pub(super) use device::take_opened;
pub use device::{Gpu, Needs, gpus};
pub(super) use device::{begin_to_open, take_all_opened};
pub use error::GpuError;
pub use measure::Measurement;
pub(super) use measure::measured;
#[cfg(feature = "tensorrt")]
pub(super) use noise::noise;
pub(super) use probe::probe;
pub(super) use running::OnGpu;
pub(super) use self_test::is_finite;
