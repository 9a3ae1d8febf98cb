//! The fingerprint and the overview of a take that was captured without a gap or a jump, computed
//! while it grows, so that nothing is left to do when it is over.

use sextet_protocol::{AudioHasher, Fingerprint};

use crate::overview::Overview;

/// A take without gaps or jumps. It grows with every block.
pub(super) struct ContiguousTake {
    start: i64,
    frames: u64,
    hasher: AudioHasher,
    overview: Overview,
    sides: [Vec<f32>; 2],
}

impl ContiguousTake {
    /// Creates a take that begins at a frame of the timeline.
    pub(super) fn new(start: i64, rate_hz: u32) -> Self {
        let (hasher, overview) = (AudioHasher::new(2, rate_hz), Overview::default());
        Self {
            start,
            frames: 0,
            hasher,
            overview,
            sides: Default::default(),
        }
    }

    /// Adds interleaved frames; `None` if they do not follow the last ones.
    pub(super) fn extended(mut self, position: i64, interleaved: &[f32]) -> Option<Self> {
        if position != self.start + self.frames.cast_signed() {
            return None;
        }

        let first = self.frames;
        self.frames += interleaved.len() as u64 / 2;
        self.overview.grow(self.frames);

        for (side, samples) in self.sides.iter_mut().enumerate() {
            samples.clear();
            samples.extend(interleaved.iter().skip(side).step_by(2));
            self.overview.add(first, samples.iter().copied());
        }

        self.hasher.push(&self.sides);
        Some(self)
    }

    /// Returns the take's fingerprint and overview.
    pub(super) fn finish(self) -> (Fingerprint, Overview) {
        (self.hasher.finish(), self.overview)
    }
}
