//! The worker's account of its machine: the GPU and what it lacks, and the models.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::options::EngineName;
use crate::Stem;

/// The GPU and the models that were found on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The GPU and its driver, and what they lack.
    pub gpu: Gpu,
    /// Models that have a name, the bundled one first.
    pub models: Vec<ModelInfo>,
}

/// The NVIDIA GPU, described for people, and whether a separation can use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Whether a separation can use the GPU.
    pub state: GpuState,
    /// Name and memory of each GPU: `NVIDIA H200, 141 GB`.
    pub devices: Vec<String>,
    /// Version of the driver: `580.159.04`.
    pub driver: Option<String>,
    /// The engine that computes on the GPU, or would once it is set up; `None` where none can.
    #[serde(default)]
    pub engine: Option<EngineName>,
    /// The library in use, where the engine needs one: `TensorRT-RTX 1.6.1`.
    pub library: Option<String>,
    /// One sentence: the engine that a separation would run on, or the reason why the GPU is not
    /// used.
    pub message: String,
    /// One sentence: the remedy. Empty where there is nothing to do.
    pub remedy: String,
    /// The download that [`Request::SetUpGpu`](super::Request::SetUpGpu) would make; `None` where
    /// it would not help.
    pub setup: Option<GpuSetup>,
}

/// Whether the GPU can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GpuState {
    /// The machine has no NVIDIA GPU.
    NoGpu,
    /// The GPU cannot be used and setting up would not help: it or its driver is too old, or the
    /// driver does not work.
    Unusable,
    /// The GPU and its driver are sufficient; the library that its engine needs is missing or
    /// damaged.
    ToBeSetUp,
    /// Separations run on it.
    Ready,
}

/// The download that setting up the GPU makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuSetup {
    /// Name of the library: `TensorRT-RTX 1.6.1`.
    pub what: String,
    /// Size of the download in bytes.
    pub bytes: u64,
    /// The library's licence and its owner, in a sentence or two.
    pub licence: String,
    /// The folder that the library is put into.
    pub folder: PathBuf,
}

/// A model of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The name by which a job refers to the model.
    pub name: String,
    /// A description in a few words.
    pub about: String,
    /// The stems that it gives, in canonical order.
    pub stems: Vec<Stem>,
    /// Whether the model is on this machine.
    pub state: ModelState,
}

impl ModelInfo {
    /// Returns whether a job can use the model right now.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, ModelState::Bundled | ModelState::Fetched)
    }
}

/// Whether a model of the catalogue is on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelState {
    /// The model is part of the command.
    Bundled,
    /// The model was fetched.
    Fetched,
    /// The model was fetched in part; fetching resumes from there.
    Incomplete,
    /// The model can be fetched.
    NotFetched,
}

/// The size, source and licence of a model that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The model.
    pub model: String,
    /// Host that the model comes from: `huggingface.co`.
    pub from: String,
    /// Size of all its files in bytes, where the hub tells it.
    pub bytes: Option<u64>,
    /// The licence's terms, in words for people, to be read before fetching.
    pub licence: String,
}

/// A checkpoint or bag that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The name by which a job refers to the model: its absolute path, or its name in the
    /// catalogue.
    pub model: String,
    /// The stems that it gives, in canonical order.
    pub stems: Vec<Stem>,
    /// Number of weights.
    pub parameters: u64,
}
