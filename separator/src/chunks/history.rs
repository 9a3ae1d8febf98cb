//! Part of the song that further chunks still need.

use rayon::prelude::*;

use crate::model::CHANNELS;

/// Sliding stretch of stereo samples. Frames are counted from the beginning of the song. Frames
/// before it, and frames not yet pushed, are silent.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Frame of the song at `sides[..][0]`.
    start: u64,
    sides: [Vec<f32>; CHANNELS],
}

impl History {
    /// Returns the number of frames of the song that have been pushed.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.sides[0].len() as u64
    }

    /// Appends the next frames.
    pub(crate) fn push(&mut self, channels: &[Vec<f32>]) {
        for (side, samples) in self.sides.iter_mut().zip(channels) {
            side.extend_from_slice(samples);
        }
    }

    /// Copies `out.len() / 2` frames from frame `from` on, side after side.
    pub(crate) fn copy_into(&self, from: i64, out: &mut [f32]) {
        debug_assert!(
            from.max(0) as u64 >= self.start,
            "frame {from} has been forgotten"
        );
        copy_stretch(&self.sides, self.start, from, out, |sample| sample);
    }

    /// Drops the frames before `frame`, which no further chunk needs.
    pub(crate) fn forget_before(&mut self, frame: i64) {
        let count = (frame.max(0) as u64)
            .saturating_sub(self.start)
            .min(self.sides[0].len() as u64);
        // Moving the remaining frames costs as much as their number, so wait until as many frames
        // can be dropped.
        if count as usize * 2 >= self.sides[0].len() && count > 0 {
            self.sides
                .iter_mut()
                .for_each(|side| drop(side.drain(..count as usize)));
            self.start += count;
        }
    }
}

/// Number of frames that one thread copies at a time.
const PART_FRAMES: usize = 1 << 15;

/// Copies `out.len() / 2` frames from frame `from` on, side after side, and applies `prepare` to
/// each sample. `sides` begin with frame `start`. Frames outside them are silent.
pub(crate) fn copy_stretch(
    sides: &[Vec<f32>],
    start: u64,
    from: i64,
    out: &mut [f32],
    prepare: impl Fn(f32) -> f32 + Sync,
) {
    let frames = out.len() / CHANNELS;
    let end = start as i64 + sides.first().map_or(0, Vec::len) as i64;
    let first = from.max(start as i64).min(from + frames as i64);
    let last = (from + frames as i64).min(end).max(first);
    let (write, count) = ((first - from) as usize, (last - first) as usize);

    let read = (first - start as i64) as usize;
    sides
        .par_iter()
        .zip(out.par_chunks_mut(frames))
        .for_each(|(side, out)| {
            out[..write].fill(0.0);
            if count > 0 {
                let (out, side) = (&mut out[write..write + count], &side[read..read + count]);
                out.par_chunks_mut(PART_FRAMES)
                    .zip(side.par_chunks(PART_FRAMES))
                    .for_each(|(out, side)| {
                        out.iter_mut()
                            .zip(side)
                            .for_each(|(out, &sample)| *out = prepare(sample));
                    });
            }

            out[write + count..].fill(0.0);
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_is_silent_and_what_is_forgotten_stays_counted() {
        let mut history = History::default();
        let ramp = |range: std::ops::Range<i32>| range.map(|n| n as f32 + 1.0).collect::<Vec<_>>();
        history.push(&[ramp(0..6), ramp(100..106)]);

        let mut out = [9.0; 8];
        history.copy_into(-2, &mut out);

        assert_eq!(out, [0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 101.0, 102.0]);
        history.forget_before(4);
        history.push(&[ramp(6..8), ramp(106..108)]);
        history.copy_into(5, &mut out);

        assert_eq!(out, [6.0, 7.0, 8.0, 0.0, 106.0, 107.0, 108.0, 0.0]);
        assert_eq!(history.end(), 8);
        history.copy_into(4, &mut out);

        assert_eq!(out, [5.0, 6.0, 7.0, 8.0, 105.0, 106.0, 107.0, 108.0]);
        for nothing_is_left in [8, 20] {
            out.fill(9.0);
            history.copy_into(nothing_is_left, &mut out);
            assert_eq!(out, [0.0; 8]);
        }
    }
}
