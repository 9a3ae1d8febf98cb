//! What a worker tells of its machine: the GPU and what it lacks, and the models.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Stem;

/// What was found on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The GPU and its driver, and what they lack.
    pub gpu: Gpu,
    /// Models that have a name, the bundled one first.
    pub models: Vec<ModelInfo>,
}

/// The NVIDIA GPU, in words for people, and whether a separation can use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Whether it can be used.
    pub state: GpuState,
    /// Name and memory of each GPU: `NVIDIA H200, 141 GB`.
    pub devices: Vec<String>,
    /// Version of the driver: `580.159.04`.
    pub driver: Option<String>,
    /// The library in use: `TensorRT-RTX 1.6.1`.
    pub library: Option<String>,
    /// One sentence: what a separation would run on, or why the GPU is not used.
    pub message: String,
    /// One sentence: what to do about it. Empty where there is nothing to do.
    pub remedy: String,
    /// What [`Request::SetUpGpu`](super::Request::SetUpGpu) would fetch; `None` where it would not
    /// help.
    pub setup: Option<GpuSetup>,
}

/// Whether the GPU can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GpuState {
    /// The command was built for the CPU alone.
    NotBuiltIn,
    /// There is no NVIDIA GPU.
    NoGpu,
    /// There is a GPU, and setting up would not help: it or its driver is too old, or the driver
    /// does not work.
    Unusable,
    /// GPU and driver will do; the library is missing or damaged.
    ToBeSetUp,
    /// Separations run on it.
    Ready,
}

/// What setting up the GPU fetches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuSetup {
    /// What: `TensorRT-RTX 1.6.1`.
    pub what: String,
    /// Bytes to be fetched in all.
    pub bytes: u64,
    /// Whose licence it is under, in a sentence or two.
    pub licence: String,
    /// Where it is put.
    pub folder: PathBuf,
}

/// A model of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// What a job names it by.
    pub name: String,
    /// What it is, in a few words.
    pub about: String,
    /// The stems that it gives, in canonical order.
    pub stems: Vec<Stem>,
    /// Whether it is on this machine.
    pub state: ModelState,
}

impl ModelInfo {
    /// Whether a job can use it right now.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, ModelState::Bundled | ModelState::Fetched)
    }
}

/// Whether a model of the catalogue is on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelState {
    /// It is part of the command.
    Bundled,
    /// It was fetched.
    Fetched,
    /// A part of it was fetched; fetching goes on from there.
    Incomplete,
    /// It can be fetched.
    NotFetched,
}

/// What fetching a model takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The model.
    pub model: String,
    /// Where it comes from: `huggingface.co`.
    pub from: String,
    /// Bytes of all its files, where the hub says so.
    pub bytes: Option<u64>,
    /// What to know about its licence before it is fetched.
    pub licence: String,
}

/// A checkpoint or bag that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// What a job names it by: its absolute path, or its name in the catalogue.
    pub model: String,
    /// The stems that it gives, in canonical order.
    pub stems: Vec<Stem>,
    /// How many weights it has.
    pub parameters: u64,
}
