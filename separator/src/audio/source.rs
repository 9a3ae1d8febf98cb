//! Audio that can be read as often as needed: a file, or samples in memory.

use super::stream::BLOCK_FRAMES;
use super::{Audio, AudioStream, Layout};
use crate::Result;

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
