//! Options for encoding a file.

use super::codec::{BitRate, Codec};
use super::stem_file::StemTrack;
use crate::audio::Tags;
use crate::audio::write_options::Bits;
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
