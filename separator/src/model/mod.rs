//! Models: checkpoints in demucs' layout, and the graphs built from them.

mod bag;
mod checkpoint;
mod config;
mod error;
mod htdemucs;
mod network;
mod onnx;
pub(crate) mod program;
pub(crate) mod weights;

pub use bag::Model;
pub use config::MODEL_RATE_HZ;
pub(crate) use config::{CHANNELS, FFT_SIZE, HOP};
pub use error::ModelError;
pub use htdemucs::GRAPH_VERSION;
pub(crate) use htdemucs::{MARGIN, OverRows, inverse_envelope, window};
pub(crate) use network::Network;
pub use network::{ExportOptions, Precision};
