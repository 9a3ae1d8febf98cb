//! Overviews: the reduced data that waveforms are drawn from.

use std::collections::BTreeMap;

/// Number of frames of a bin.
pub(crate) const BIN_FRAMES: usize = 512;

/// The lowest and the highest sample of every [`BIN_FRAMES`] frames, over both channels.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Overview {
    /// Lowest and highest sample of each bin; 0 where nothing was captured.
    pub(crate) bins: Vec<[f32; 2]>,
}

impl Overview {
    /// Returns silent bins for a number of frames.
    pub(crate) fn silent(frames: u64) -> Self {
        Self {
            bins: vec![[0.0; 2]; frames.div_ceil(BIN_FRAMES as u64) as usize],
        }
    }

    /// Makes room for a number of frames, which are silent so far.
    pub(crate) fn grow(&mut self, frames: u64) {
        self.bins
            .resize(frames.div_ceil(BIN_FRAMES as u64) as usize, [0.0; 2]);
    }

    /// Adds samples of one channel that begin at frame `first`.
    pub(crate) fn add(&mut self, first: u64, samples: impl Iterator<Item = f32>) {
        for (at, sample) in (first..).zip(samples) {
            if let Some(bin) = self.bins.get_mut((at / BIN_FRAMES as u64) as usize) {
                widen(bin, sample);
            }
        }
    }

    /// Returns the lowest and highest sample between two positions, given as parts of the whole.
    pub(crate) fn between(&self, from: f64, to: f64) -> [f32; 2] {
        let count = self.bins.len() as f64;
        let start = ((from * count) as usize).min(self.bins.len());
        let end = ((to * count).ceil() as usize).clamp(start, self.bins.len());
        self.bins[start..end].iter().fold([0.0; 2], |sum, bin| {
            [sum[0].min(bin[0]), sum[1].max(bin[1])]
        })
    }
}

fn widen(bin: &mut [f32; 2], sample: f32) {
    *bin = [bin[0].min(sample), bin[1].max(sample)];
}

/// An overview of a take, which may grow on both sides.
#[derive(Clone, Debug, Default)]
pub(crate) struct GrowingOverview {
    bins: BTreeMap<i64, [f32; 2]>,
}

impl GrowingOverview {
    /// Adds interleaved frames that begin at a frame of the timeline. Frames that were added there
    /// before no longer count.
    pub(crate) fn add(&mut self, position: i64, interleaved: &[f32]) {
        let bin_frames = BIN_FRAMES as i64;
        let mut at = position;

        let mut rest = interleaved;
        while !rest.is_empty() {
            let offset = at.rem_euclid(bin_frames);
            let (run, next) = rest.split_at(rest.len().min(2 * (bin_frames - offset) as usize));
            let bin = self.bins.entry(at.div_euclid(bin_frames)).or_default();
            if offset == 0 {
                *bin = [0.0; 2];
            }
            run.iter().for_each(|&sample| widen(bin, sample));
            at += run.len() as i64 / 2;
            rest = next;
        }
    }

    /// Returns the whole overview, and the timeline's frame where it begins.
    pub(crate) fn snapshot(&self) -> (i64, Overview) {
        let (Some((&first, _)), Some((&last, _))) =
            (self.bins.first_key_value(), self.bins.last_key_value())
        else {
            return (0, Overview::default());
        };

        let mut bins = vec![[0.0; 2]; (last - first + 1) as usize];
        for (&at, &bin) in &self.bins {
            bins[(at - first) as usize] = bin;
        }

        (first * BIN_FRAMES as i64, Overview { bins })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_found_where_they_are() {
        let mut overview = Overview::silent(10 * BIN_FRAMES as u64);
        overview.add(3 * BIN_FRAMES as u64 + 7, [0.25, -0.5].into_iter());
        assert_eq!(overview.between(0.0, 0.3), [0.0, 0.0]);
        assert_eq!(overview.between(0.3, 0.4), [-0.5, 0.25]);
        assert_eq!(overview.between(0.0, 1.0), [-0.5, 0.25]);
        assert_eq!(overview.between(2.0, 3.0), [0.0, 0.0]);
    }

    #[test]
    fn a_take_grows_on_both_sides() {
        let mut growing = GrowingOverview::default();
        growing.add(0, &[0.5; 2 * BIN_FRAMES]);
        growing.add(-2 * BIN_FRAMES as i64, &[-0.25; 2 * BIN_FRAMES]);
        let (start, overview) = growing.snapshot();
        assert_eq!(start, -1024);
        assert_eq!(overview.bins, [[-0.25, 0.0], [0.0, 0.0], [0.0, 0.5]]);
        growing.add(0, &[0.125; 2 * BIN_FRAMES]);
        assert_eq!(growing.snapshot().1.bins[2], [0.0, 0.125]);
    }
}
