//! Passes over a song that run side by side, each by one network and one shift, and the average of
//! what they give.

use rayon::prelude::*;

use crate::chunks::{Chunk, OverlapAdd, Plan};

/// One pass: one network over the song, shifted by some frames or not at all.
pub(crate) struct Lane {
    /// Which of the model's networks.
    pub(crate) member: usize,
    plan: Plan,
    /// The chunk that is handed out next, and the first frame that it adds to.
    next: u64,
    next_from: i64,
    /// First frame of the song that has not come out of this pass; negative while a shifted pass
    /// has not reached the song.
    frontier: i64,
    overlap_add: OverlapAdd,
    /// How much this pass counts, for each source.
    gains: Vec<f32>,
}

impl Lane {
    /// A pass of network `member` by `plan`, each source counting as much as `gains` say.
    pub(crate) fn new(
        member: usize,
        plan: Plan,
        segment_frames: usize,
        channels: usize,
        gains: Vec<f32>,
    ) -> Self {
        let overlap_add = OverlapAdd::new(gains.len() * channels, segment_frames);
        let origin = plan.origin();
        Self {
            member,
            plan,
            next: 0,
            next_from: origin,
            frontier: origin,
            overlap_add,
            gains,
        }
    }

    /// Chunks of this pass in all.
    pub(crate) fn chunks(&self) -> u64 {
        self.plan.chunks()
    }

    /// The chunk that comes next; `None` when the pass is over.
    pub(crate) fn chunk(&self) -> Option<Chunk> {
        self.plan.chunk(self.next)
    }

    /// First frame of the song that has not come out of this pass.
    pub(crate) fn frontier(&self) -> i64 {
        self.frontier
    }

    fn advance(&mut self, chunk: &Chunk) {
        self.next += 1;
        self.next_from += chunk.stride as i64;
    }
}

/// The weighted sum of all passes, from the first frame on that one of them has not finished.
pub(crate) struct Blend {
    lanes: Vec<Lane>,
    channels: usize,
    start: u64,
    /// One plane for each channel of each source.
    planes: Vec<Vec<f32>>,
}

impl Blend {
    /// Of `lanes`, all with the same sources of `channels` channels.
    pub(crate) fn new(lanes: Vec<Lane>, channels: usize) -> Self {
        let planes = lanes.first().map_or(0, |lane| lane.gains.len() * channels);
        Self {
            lanes,
            channels,
            start: 0,
            planes: vec![Vec::new(); planes],
        }
    }

    /// Chunks of all passes.
    pub(crate) fn chunks(&self) -> u64 {
        self.lanes.iter().map(Lane::chunks).sum()
    }

    /// The pass that is furthest behind, and the chunk it needs next; `None` when all are over.
    pub(crate) fn next(&self) -> Option<(usize, Chunk)> {
        let open = self
            .lanes
            .iter()
            .enumerate()
            .filter_map(|(index, lane)| Some((index, lane.chunk()?)));
        open.min_by_key(|&(index, _)| (self.lanes[index].next_from, index))
    }

    /// Marks the next chunk of pass `lane` as heard: its output will come, in order.
    pub(crate) fn heard(&mut self, lane: usize, chunk: &Chunk) {
        self.lanes[lane].advance(chunk);
    }

    /// Which network pass number `lane` runs.
    pub(crate) fn member(&self, lane: usize) -> usize {
        self.lanes[lane].member
    }

    /// First frame of the song that any chunk still to come has to hear.
    pub(crate) fn needed_from(&self) -> i64 {
        self.lanes
            .iter()
            .filter_map(|lane| lane.chunk().map(|chunk| chunk.window))
            .min()
            .unwrap_or(i64::MAX)
    }

    /// Takes the output of a chunk of pass `lane` and hands out the planes' frames that are
    /// finished in all passes, put through `restore`.
    pub(crate) fn add(
        &mut self,
        lane: usize,
        chunk: &Chunk,
        output: &[f32],
        restore: impl Fn(f32) -> f32 + Copy + Sync,
    ) -> Vec<Vec<f32>> {
        let plain = self.is_plain();
        let lane = &mut self.lanes[lane];
        let from = lane.frontier;

        lane.frontier += chunk.stride as i64;
        if plain {
            return lane.overlap_add.add(chunk, output, restore);
        }

        let finished = lane.overlap_add.add(chunk, output, |sample| sample);

        // What a shifted pass gives before the song begins is dropped.
        let early = (-from).clamp(0, chunk.stride as i64) as usize;
        let at = (from.max(0) as u64).saturating_sub(self.start) as usize;
        let (gains, channels) = (&lane.gains, self.channels);

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

    /// Whether one pass that begins with the song is all there is: what it has finished is
    /// finished.
    fn is_plain(&self) -> bool {
        matches!(self.lanes.as_slice(), [only] if only.plan.origin() == 0 && only.gains.iter().all(|&gain| gain == 1.0))
    }

    fn take_finished(&mut self, restore: impl Fn(f32) -> f32 + Copy + Sync) -> Vec<Vec<f32>> {
        let frontier = self
            .lanes
            .iter()
            .map(Lane::frontier)
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
