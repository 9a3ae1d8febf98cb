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
    /// AIFF.
    Aiff,
    /// MP3, which ffmpeg encodes.
    Mp3,
    /// AAC in MP4, which ffmpeg encodes.
    M4a,
    /// Opus, which ffmpeg encodes.
    Opus,
    /// ALAC, which ffmpeg encodes and which has no floating point.
    Alac,
    /// One file with the mix and four tracks of stems, which ffmpeg encodes.
    #[serde(rename = "stem.mp4")]
    StemMp4,
}

impl RenderFormat {
    /// All formats, in the order in which they are offered.
    pub const ALL: [Self; 8] = [
        Self::Wav,
        Self::Flac,
        Self::Aiff,
        Self::Mp3,
        Self::M4a,
        Self::Opus,
        Self::Alac,
        Self::StemMp4,
    ];

    /// Returns the name by which the command knows the format: `wav`, `stem.mp4` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Flac => "flac",
            Self::Aiff => "aiff",
            Self::Mp3 => "mp3",
            Self::M4a => "m4a",
            Self::Opus => "opus",
            Self::Alac => "alac",
            Self::StemMp4 => "stem.mp4",
        }
    }

    /// Returns the bits that a sample may have. None for a format that loses something.
    pub fn bits(self) -> &'static [RenderBits] {
        match self {
            Self::Wav | Self::Aiff => &[RenderBits::Int16, RenderBits::Int24, RenderBits::Float32],
            Self::Flac | Self::Alac => &[RenderBits::Int16, RenderBits::Int24],
            Self::Mp3 | Self::M4a | Self::Opus | Self::StemMp4 => &[],
        }
    }

    /// Returns whether ffmpeg has to be on the machine.
    pub fn needs_ffmpeg(self) -> bool {
        !matches!(self, Self::Wav | Self::Flac | Self::Aiff)
    }

    /// Returns whether one file holds the mix and the stems, so that none of them can be chosen.
    pub fn is_joined(self) -> bool {
        self == Self::StemMp4
    }
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
