//! Audio that is read block by block, so that memory does not depend on its length.

use super::{Audio, Speaker};
use crate::Result;

/// Number of channels and sample rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Number of channels, at least one.
    pub channels: usize,
    /// Sample rate in Hz (frames a second).
    pub rate_hz: u32,
}

/// Message for the user about a fact that did not stop the work. `Display` gives the sentence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Warning(pub String);

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Audio that is read once, from its beginning to its end.
pub trait AudioStream: Send {
    /// Returns the layout of every block.
    fn layout(&self) -> Layout;

    /// Returns the next block, of at least one frame, or `None` at the end of the audio.
    ///
    /// # Errors
    /// Fails when the audio cannot be read or decoded any further.
    fn next_block(&mut self) -> Result<Option<Audio>>;

    /// Returns the speaker of each channel, or the usual speakers for the number of channels where
    /// the audio does not state them.
    fn speakers(&self) -> Vec<Speaker> {
        Speaker::usual(self.layout().channels)
    }

    /// Returns the warnings about the audio. They are complete once [`AudioStream::next_block`] has
    /// returned `None`.
    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }
}

/// Audio that can be read as often as needed with the same result: a file, or samples in memory.
pub trait AudioSource: Send + Sync {
    /// Returns a new stream at the beginning of the audio.
    ///
    /// # Errors
    /// Fails when the audio cannot be opened or is not audio.
    fn open(&self) -> Result<Box<dyn AudioStream + '_>>;

    /// Returns all samples that a stream would give, if they are in memory in that form. The caller
    /// can then read them without a copy.
    fn in_memory(&self) -> Option<&Audio> {
        None
    }

    /// Returns the expected number of frames of a stream, if it is known beforehand. The actual
    /// number may differ.
    fn frames(&self) -> Option<u64> {
        self.in_memory().map(|audio| audio.frames() as u64)
    }
}

impl<S: AudioSource + ?Sized> AudioSource for &S {
    fn open(&self) -> Result<Box<dyn AudioStream + '_>> {
        (**self).open()
    }

    fn in_memory(&self) -> Option<&Audio> {
        (**self).in_memory()
    }

    fn frames(&self) -> Option<u64> {
        (**self).frames()
    }
}

/// Default number of frames in a block, for example in a stream over audio in memory.
pub(crate) const BLOCK_FRAMES: usize = 1 << 16;

struct MemoryStream<'a> {
    audio: &'a Audio,
    next: usize,
}

impl AudioStream for MemoryStream<'_> {
    fn layout(&self) -> Layout {
        self.audio.layout()
    }

    fn next_block(&mut self) -> Result<Option<Audio>> {
        let start = self.next;
        self.next = (start + BLOCK_FRAMES).min(self.audio.frames());
        let block = |channel: &Vec<f32>| channel[start..self.next].to_vec();
        let channels = self.audio.channels().iter().map(block).collect();
        Ok((start < self.next).then(|| Audio::new(channels, self.audio.rate_hz())))
    }
}

impl AudioSource for Audio {
    fn open(&self) -> Result<Box<dyn AudioStream + '_>> {
        Ok(Box::new(MemoryStream {
            audio: self,
            next: 0,
        }))
    }

    fn in_memory(&self) -> Option<&Audio> {
        Some(self)
    }
}
