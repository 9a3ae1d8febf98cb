//! Audio that is read block by block, so that its length never matters.

use super::{Audio, Speaker};
use crate::Result;

/// Number of channels and sample rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Channels, at least one.
    pub channels: usize,
    /// Frames per second.
    pub rate_hz: u32,
}

/// Something worth telling the user that did not stop the work; `Display` gives the sentence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Warning(pub String);

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Audio that is read once, from its beginning to its end.
pub trait AudioStream: Send {
    /// The layout of every block.
    fn layout(&self) -> Layout;

    /// The next block, of at least one frame; `None` when the audio is over.
    ///
    /// # Errors
    /// When the audio cannot be read or decoded any further.
    fn next_block(&mut self) -> Result<Option<Audio>>;

    /// Where each channel is heard from; what is usual for so many channels where the audio does
    /// not say.
    fn speakers(&self) -> Vec<Speaker> {
        Speaker::usual(self.layout().channels)
    }

    /// What was odd about the audio; complete once [`AudioStream::next_block`] has returned `None`.
    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }
}

/// Audio that can be read as often as needed, the same each time: a file, or samples in memory.
pub trait AudioSource: Send + Sync {
    /// A new stream at the beginning of the audio.
    ///
    /// # Errors
    /// When there is nothing to read or it is not audio.
    fn open(&self) -> Result<Box<dyn AudioStream + '_>>;

    /// All that a stream would give, where it lies in memory as it is: it need not be copied to be
    /// looked at.
    fn in_memory(&self) -> Option<&Audio> {
        None
    }

    /// Frames that a stream is going to give, where that is known before; it may turn out to be
    /// wrong.
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

/// Frames that are handed on at a time where nothing else decides it, as by a stream over audio in
/// memory.
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
