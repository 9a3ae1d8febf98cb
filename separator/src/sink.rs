//! Receivers of stems, block by block.

use rayon::prelude::*;

use crate::audio::{Audio, Layout};
use crate::{Part, Result};

/// Description of the output that a sink is about to receive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outputs {
    /// Parts, in the order in which [`StemSink::write`] numbers them.
    pub parts: Vec<Part>,
    /// Layout of every block of every part.
    pub layout: Layout,
    /// Exact number of frames that every part will have received at the end.
    pub frames: u64,
}

impl Outputs {
    /// Describes `frames` frames of each of `parts` in `layout`.
    pub fn new(parts: Vec<Part>, layout: Layout, frames: u64) -> Self {
        Self {
            parts,
            layout,
            frames,
        }
    }
}

/// Receiver of the stems of one song, in order of time. All parts receive the same frames, and none
/// is ever ahead by more than a block.
pub trait StemSink {
    /// Prepares for the output. It is called once, before the first block.
    ///
    /// # Errors
    /// Ends the separation with the returned error.
    fn start(&mut self, outputs: &Outputs) -> Result<()>;

    /// Takes the next block of part number `part`.
    ///
    /// # Errors
    /// Ends the separation with the returned error.
    fn write(&mut self, part: usize, block: &Audio) -> Result<()>;

    /// Takes the next block of every part. By default the blocks are written one after the other. A
    /// sink that can take them in parallel, or has threads of its own for them, overrides this
    /// method.
    ///
    /// # Errors
    /// Ends the separation with the returned error.
    fn write_all(&mut self, blocks: Vec<Audio>) -> Result<()> {
        blocks
            .iter()
            .enumerate()
            .try_for_each(|(part, block)| self.write(part, block))
    }
}

/// Sink that keeps whole stems in memory, one [`Audio`] for each part.
#[derive(Debug, Default)]
pub struct InMemory {
    parts: Vec<(Part, Layout, Vec<Vec<f32>>)>,
}

impl InMemory {
    /// Returns the parts that were received.
    pub fn into_parts(self) -> Vec<(Part, Audio)> {
        let parts = self.parts.into_iter();
        parts
            .map(|(part, layout, channels)| (part, Audio::new(channels, layout.rate_hz)))
            .collect()
    }
}

impl StemSink for InMemory {
    fn start(&mut self, outputs: &Outputs) -> Result<()> {
        let (layout, frames) = (outputs.layout, usize::try_from(outputs.frames).unwrap_or(0));
        let channels = || {
            (0..layout.channels)
                .map(|_| Vec::with_capacity(frames))
                .collect()
        };
        let empty = |part: &Part| (part.clone(), layout, channels());
        self.parts = outputs.parts.iter().map(empty).collect();
        Ok(())
    }

    fn write(&mut self, part: usize, block: &Audio) -> Result<()> {
        for (kept, samples) in self.parts[part].2.iter_mut().zip(block.channels()) {
            kept.extend_from_slice(samples);
        }
        Ok(())
    }

    fn write_all(&mut self, blocks: Vec<Audio>) -> Result<()> {
        let planes = self
            .parts
            .iter_mut()
            .zip(&blocks)
            .flat_map(|(kept, block)| kept.2.iter_mut().zip(block.channels()));

        let planes: Vec<_> = planes.collect();
        planes
            .into_par_iter()
            .for_each(|(kept, samples)| kept.extend_from_slice(samples));
        Ok(())
    }
}
