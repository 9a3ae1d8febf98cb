//! Audio that is read block by block, so that memory does not depend on its length.

use super::{Audio, Layout, Speaker};
use crate::Result;

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

/// Default number of frames in a block, for example in a stream over audio in memory.
pub(crate) const BLOCK_FRAMES: usize = 1 << 16;
