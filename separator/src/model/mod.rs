//! Models: checkpoints in demucs' layouts, and the graphs built from them.

mod checkpoint;
mod config;
mod error;
mod htdemucs;
#[expect(clippy::module_inception, reason = "`Model` is where one looks for it")]
mod model;
mod network;
mod onnx;
mod pickle;
pub(crate) mod program;
mod roformer;
pub(crate) mod weights;

pub use config::MODEL_RATE_HZ;
pub(crate) use config::{CHANNELS, FFT_SIZE, HOP};
pub use error::ModelError;
pub use htdemucs::GRAPH_VERSION;
pub(crate) use htdemucs::{MARGIN, OverRows, inverse_envelope, window};
pub use model::Model;
pub(crate) use network::Network;
pub use network::{ExportOptions, Precision};
