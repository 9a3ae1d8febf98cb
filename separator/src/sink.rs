//! Where stems go, block by block.

use crate::audio::{Audio, Layout};
use crate::{Part, Result};

/// What a sink is about to receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outputs {
    /// The parts, in the order in which [`StemSink::write`] numbers them.
    pub parts: Vec<Part>,
    /// Layout of every block of every part.
    pub layout: Layout,
    /// Frames that every part will have received at the end, exactly.
    pub frames: u64,
}

/// Takes the stems of one song, in order of time. All parts receive the same frames; none is ever ahead by more than a block.
pub trait StemSink {
    /// Called once, before the first block.
    ///
    /// # Errors
    /// Ends the separation.
    fn start(&mut self, outputs: &Outputs) -> Result<()>;

    /// Takes the next block of part number `part`.
    ///
    /// # Errors
    /// Ends the separation.
    fn write(&mut self, part: usize, block: &Audio) -> Result<()>;
}

/// Keeps whole stems in memory: one [`Audio`] a part.
#[derive(Debug, Default)]
pub struct InMemory {
    parts: Vec<(Part, Layout, Vec<Vec<f32>>)>,
}

impl InMemory {
    /// The parts that were received.
    pub fn into_parts(self) -> Vec<(Part, Audio)> {
        let parts = self.parts.into_iter();
        parts.map(|(part, layout, channels)| (part, Audio::new(channels, layout.rate_hz))).collect()
    }
}

impl StemSink for InMemory {
    fn start(&mut self, outputs: &Outputs) -> Result<()> {
        let layout = outputs.layout;
        let empty = |part: &Part| (part.clone(), layout, vec![Vec::new(); layout.channels]);
        self.parts = outputs.parts.iter().map(empty).collect();
        Ok(())
    }

    fn write(&mut self, part: usize, block: &Audio) -> Result<()> {
        for (kept, samples) in self.parts[part].2.iter_mut().zip(block.channels()) {
            kept.extend_from_slice(samples);
        }
        Ok(())
    }
}
