//! Planar float32 audio and its rate.

use super::Layout;

/// Planar audio: equally long channels of samples, nominally within -1 to 1, and a sample rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    channels: Vec<Vec<f32>>,
    rate_hz: u32,
}

impl Audio {
    /// Creates audio from `channels`, each with the same number of samples.
    ///
    /// # Panics
    /// Panics when there is no channel or the channels differ in length. Both are mistakes of the
    /// caller, never of its input.
    pub fn new(channels: Vec<Vec<f32>>, rate_hz: u32) -> Self {
        assert!(!channels.is_empty(), "audio has at least one channel");
        assert!(
            channels.iter().all(|c| c.len() == channels[0].len()),
            "channels are equally long"
        );
        Self { channels, rate_hz }
    }

    /// Creates `frames` frames of silence.
    pub fn silent(layout: Layout, frames: usize) -> Self {
        Self::new(vec![vec![0.0; frames]; layout.channels], layout.rate_hz)
    }

    /// Returns the number of samples in each channel.
    pub fn frames(&self) -> usize {
        self.channels[0].len()
    }

    /// Returns the number of channels and the sample rate.
    pub fn layout(&self) -> Layout {
        Layout {
            channels: self.channels.len(),
            rate_hz: self.rate_hz,
        }
    }

    /// Returns the sample rate in Hz (frames a second).
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Returns all channels, each with [`Audio::frames`] samples.
    pub fn channels(&self) -> &[Vec<f32>] {
        &self.channels
    }

    /// Returns all channels for changing samples in place.
    pub fn channels_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.channels.iter_mut().map(Vec::as_mut_slice)
    }

    /// Returns the channels and drops the rest.
    pub fn into_channels(self) -> Vec<Vec<f32>> {
        self.channels
    }
}
