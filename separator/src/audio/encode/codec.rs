//! Codecs of the files that ffmpeg encodes, and how much they keep.

use crate::audio::{Ffmpeg, FfmpegFault};

/// Rates of MP3 and of AAC, in Hz.
const MP3_RATES_HZ: [u32; 9] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000,
];
const AAC_RATES_HZ: [u32; 12] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000,
];
/// Rates of Opus, in Hz. Decoders give 48 kHz whatever was encoded.
const OPUS_RATES_HZ: [u32; 1] = [48_000];

/// Codec of a file that ffmpeg encodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// MP3, by LAME.
    #[default]
    Mp3,
    /// AAC-LC in MP4.
    Aac,
    /// Opus in Ogg.
    Opus,
    /// ALAC in MP4, without loss.
    Alac,
}

/// How much a lossy codec keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BitRate {
    /// Kilobits a second.
    Kilobits(u32),
    /// LAME's quality of variable bit rate, from 0, the best, to 9.
    Quality(u8),
}

impl Codec {
    /// Returns the usual file extension.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Aac | Self::Alac => "m4a",
            Self::Opus => "opus",
        }
    }

    /// Returns the rate at which audio of `rate_hz` is encoded: the same, or else the next higher
    /// one of the codec's, or its highest.
    pub fn rate_hz(self, rate_hz: u32) -> u32 {
        let rates: &[u32] = match self {
            Self::Mp3 => &MP3_RATES_HZ,
            Self::Aac => &AAC_RATES_HZ,
            Self::Opus => &OPUS_RATES_HZ,
            Self::Alac => return rate_hz,
        };
        let next = rates.iter().find(|&&rate| rate >= rate_hz);
        *next.unwrap_or(&rates[rates.len() - 1])
    }

    /// Returns ffmpeg's name of the encoder.
    pub fn encoder(self) -> &'static str {
        match self {
            Self::Mp3 => "libmp3lame",
            Self::Aac => "aac",
            Self::Opus => "libopus",
            Self::Alac => "alac",
        }
    }

    /// Returns whether `ffmpeg` has the encoder.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn is_in(self, ffmpeg: &Ffmpeg) -> Result<bool, FfmpegFault> {
        ffmpeg.has_encoder(self.encoder())
    }
}
