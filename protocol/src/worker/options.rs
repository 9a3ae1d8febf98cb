//! Options of a separation.

use serde::{Deserialize, Serialize};

/// The engine that computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineName {
    /// The fastest engine that works on this machine.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// CUDA kernels on an NVIDIA GPU.
    Cuda,
    /// TensorRT on an NVIDIA GPU.
    Tensorrt,
}

/// Whether the stems add up to the clip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sum {
    /// The sum matches the clip within rounding: below -120 dBFS.
    #[default]
    Exact,
    /// The stems are as the model gives them; their sum matches the clip nearly.
    Model,
}

/// Choices that change the stems' samples. The default is what the plugin asks for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeparationOptions {
    /// Part of a chunk that is shared with the next: 0 up to, but not including, 1.
    pub overlap: f64,
    /// Number of passes over shifted copies that are averaged; 0: one pass over the clip as it is.
    pub shifts: u32,
    /// Whether the stems add up to the clip.
    pub sum: Sum,
}

impl Default for SeparationOptions {
    fn default() -> Self {
        Self {
            overlap: 0.25,
            shifts: 0,
            sum: Sum::default(),
        }
    }
}

/// Kind of files that stems are rendered to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenderFormat {
    /// WAV.
    #[default]
    Wav,
    /// FLAC, which has no floating point.
    Flac,
}

/// Bits of a sample of files that stems are rendered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RenderBits {
    /// 16-bit integers.
    #[serde(rename = "16")]
    Int16,
    /// 24-bit integers.
    #[serde(rename = "24")]
    Int24,
    /// 32-bit floating point.
    #[serde(rename = "32f")]
    Float32,
}
