//! Planar float32 audio and its rate.

use super::Layout;

/// Planar audio: one equally long run of samples a channel, nominally within -1 to 1, and a sample
/// rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    channels: Vec<Vec<f32>>,
    rate_hz: u32,
}

impl Audio {
    /// Audio from `channels`, each of the same number of samples.
    ///
    /// # Panics
    /// When there is no channel or the channels differ in length: both are mistakes of the caller,
    /// never of its input.
    pub fn new(channels: Vec<Vec<f32>>, rate_hz: u32) -> Self {
        assert!(!channels.is_empty(), "audio has at least one channel");
        assert!(
            channels.iter().all(|c| c.len() == channels[0].len()),
            "channels are equally long"
        );
        Self { channels, rate_hz }
    }

    /// `frames` frames of silence.
    pub fn silent(layout: Layout, frames: usize) -> Self {
        Self::new(vec![vec![0.0; frames]; layout.channels], layout.rate_hz)
    }

    /// Samples per channel.
    pub fn frames(&self) -> usize {
        self.channels[0].len()
    }

    /// Number of channels and sample rate.
    pub fn layout(&self) -> Layout {
        Layout {
            channels: self.channels.len(),
            rate_hz: self.rate_hz,
        }
    }

    /// Frames per second.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// All channels, each of [`Audio::frames`] samples.
    pub fn channels(&self) -> &[Vec<f32>] {
        &self.channels
    }

    /// All channels, to change samples in place.
    pub fn channels_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.channels.iter_mut().map(Vec::as_mut_slice)
    }

    /// The channels themselves.
    pub fn into_channels(self) -> Vec<Vec<f32>> {
        self.channels
    }
}
