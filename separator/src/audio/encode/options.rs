//! Options for encoding a file.

use super::{BitRate, Codec};
use crate::audio::{Bits, Tags};
use crate::setters::setters;

/// Options for encoding a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodeOptions {
    /// Codec of the file.
    pub codec: Codec,
    /// How much a lossy codec keeps; `None` for what is usually not told from the original.
    pub bit_rate: Option<BitRate>,
    /// Rate of the file, in Hz; `None` for that of the samples. ffmpeg resamples.
    pub rate_hz: Option<u32>,
    /// Storage format of the samples of ALAC, which holds integers only.
    pub bits: Bits,
    /// Tags of the song.
    pub tags: Tags,
    /// Tracks of a file of stems, which has a pair of channels for the mix and for each of them;
    /// none for an ordinary file.
    pub stems: Vec<StemTrack>,
}

setters!(EncodeOptions {
    codec: Codec,
    bit_rate: Option<BitRate>,
    rate_hz: Option<u32>,
    bits: Bits,
    tags: Tags,
    stems: Vec<StemTrack>,
});

impl EncodeOptions {
    /// Returns the storage format of the samples that ffmpeg is given.
    pub(super) fn sample_bits(&self) -> Bits {
        match (self.codec, self.bits) {
            (Codec::Alac, Bits::B16) => Bits::B16,
            (Codec::Alac, _) => Bits::B24,
            _ => Bits::Float32,
        }
    }
}

/// Track of a file of stems, beside the mix.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StemTrack {
    /// Name that players show.
    pub name: String,
    /// Colour that players show, such as `#009E73`.
    pub color: String,
}

impl StemTrack {
    /// Describes a track.
    pub fn new(name: impl Into<String>, color: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            color: color.into(),
        }
    }
}
