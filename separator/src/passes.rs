//! Passes over a song that run side by side, each with one network and one shift, and the average
//! of their outputs.

use rayon::prelude::*;

use crate::chunks::{Chunk, ChunkGrid, OverlapAdd};

/// Pass of one network over the song, shifted by some frames or not at all.
pub(crate) struct Pass {
    /// Number of the engine that runs the network.
    pub(crate) engine: usize,
    grid: ChunkGrid,
    /// Number of the next chunk, and the first frame that it adds to.
    next: u64,
    next_from: i64,
    /// First frame of the song that this pass has not finished. Negative while a shifted pass has
    /// not reached the song.
    frontier: i64,
    overlap_add: OverlapAdd,
    /// Weight of this pass for each source.
    gains: Vec<f32>,
}

impl Pass {
    /// Creates a pass on engine `engine` over `grid`, with the weight of each source in `gains`.
    pub(crate) fn new(
        engine: usize,
        grid: ChunkGrid,
        segment_frames: usize,
        channels: usize,
        gains: Vec<f32>,
    ) -> Self {
        let overlap_add = OverlapAdd::new(gains.len() * channels, segment_frames);
        let origin = grid.origin();
        Self {
            engine,
            grid,
            next: 0,
            next_from: origin,
            frontier: origin,
            overlap_add,
            gains,
        }
    }

    /// Returns the number of chunks in this pass.
    pub(crate) fn chunks(&self) -> u64 {
        self.grid.chunks()
    }

    /// Returns the next chunk, or `None` when the pass has ended.
    pub(crate) fn chunk(&self) -> Option<Chunk> {
        self.grid.chunk(self.next)
    }

    /// Returns the first frame of the song that this pass has not finished.
    pub(crate) fn frontier(&self) -> i64 {
        self.frontier
    }

    fn advance(&mut self, chunk: &Chunk) {
        self.next += 1;
        self.next_from += chunk.stride as i64;
    }
}

/// Weighted sum of all passes, from the first frame that one of them has not finished.
pub(crate) struct Ensemble {
    passes: Vec<Pass>,
    channels: usize,
    start: u64,
    /// Planes, one for each channel of each source.
    planes: Vec<Vec<f32>>,
}

impl Ensemble {
    /// Creates the sum of `passes`, all with the same sources of `channels` channels.
    pub(crate) fn new(passes: Vec<Pass>, channels: usize) -> Self {
        let planes = passes.first().map_or(0, |pass| pass.gains.len() * channels);
        Self {
            passes,
            channels,
            start: 0,
            planes: vec![Vec::new(); planes],
        }
    }

    /// Returns the number of chunks in all passes.
    pub(crate) fn chunks(&self) -> u64 {
        self.passes.iter().map(Pass::chunks).sum()
    }

    /// Returns the pass that is furthest behind and its next chunk, or `None` when all passes have
    /// ended.
    pub(crate) fn next(&self) -> Option<(usize, Chunk)> {
        let open = self
            .passes
            .iter()
            .enumerate()
            .filter_map(|(index, pass)| Some((index, pass.chunk()?)));
        open.min_by_key(|&(index, _)| (self.passes[index].next_from, index))
    }

    /// Marks the next chunk of pass `pass` as submitted. Outputs arrive in the order of submission.
    pub(crate) fn heard(&mut self, pass: usize, chunk: &Chunk) {
        self.passes[pass].advance(chunk);
    }

    /// Returns the number of the engine that runs pass `pass`.
    pub(crate) fn engine(&self, pass: usize) -> usize {
        self.passes[pass].engine
    }

    /// Returns the first frame of the song that any further chunk needs.
    pub(crate) fn needed_from(&self) -> i64 {
        self.passes
            .iter()
            .filter_map(|pass| pass.chunk().map(|chunk| chunk.window))
            .min()
            .unwrap_or(i64::MAX)
    }

    /// Adds the output of a chunk of pass `pass`. Returns the planes' frames that are finished in
    /// all passes, put through `restore`.
    pub(crate) fn add(
        &mut self,
        pass: usize,
        chunk: &Chunk,
        output: &[f32],
        restore: impl Fn(f32) -> f32 + Copy + Sync,
    ) -> Vec<Vec<f32>> {
        let plain = self.is_plain();
        let pass = &mut self.passes[pass];
        let from = pass.frontier;

        pass.frontier += chunk.stride as i64;
        if plain {
            return pass.overlap_add.add(chunk, output, restore);
        }

        let finished = pass.overlap_add.add(chunk, output, |sample| sample);

        // Drop the output of a shifted pass before the song begins.
        let early = (-from).clamp(0, chunk.stride as i64) as usize;
        let at = (from.max(0) as u64).saturating_sub(self.start) as usize;
        let (gains, channels) = (&pass.gains, self.channels);

        self.planes
            .par_iter_mut()
            .zip(&finished)
            .enumerate()
            .for_each(|(index, (plane, finished))| {
                let gain = gains[index / channels];
                let heard = &finished[early..];
                plane.resize(plane.len().max(at + heard.len()), 0.0);
                plane[at..]
                    .iter_mut()
                    .zip(heard)
                    .for_each(|(sum, sample)| *sum += gain * sample);
            });

        self.take_finished(restore)
    }

    /// Returns whether there is only one pass, which begins with the song. Its finished frames need
    /// no further sum.
    fn is_plain(&self) -> bool {
        matches!(self.passes.as_slice(), [only] if only.grid.origin() == 0 && only.gains.iter().all(|&gain| gain == 1.0))
    }

    fn take_finished(&mut self, restore: impl Fn(f32) -> f32 + Copy + Sync) -> Vec<Vec<f32>> {
        let frontier = self
            .passes
            .iter()
            .map(Pass::frontier)
            .min()
            .unwrap_or(0)
            .max(0) as u64;

        let count = frontier.saturating_sub(self.start) as usize;
        self.start += count as u64;

        let planes = self.planes.par_iter_mut();
        planes
            .map(|plane| plane.drain(..count.min(plane.len())).map(restore).collect())
            .collect()
    }
}
