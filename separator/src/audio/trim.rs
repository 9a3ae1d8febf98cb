//! Encoder delay and padding: which of the decoded frames are the song.

/// Cuts decoded audio down to the frames that were encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trim {
    /// Frames to drop at the start.
    pub(super) delay: u64,
    /// Frames of the song, where known.
    pub(super) frames: Option<u64>,
    /// Frames to drop after the song. What follows them is kept: then the header said too little.
    pub(super) padding: u64,
}

impl Trim {
    /// The parts of a block to keep, which begins at decoded frame `start` and has `frames` frames:
    /// at most one before the padding and one after it.
    pub(super) fn kept(&self, start: u64, frames: usize) -> [std::ops::Range<usize>; 2] {
        let end = start.saturating_add(frames as u64);
        let song_end = self
            .frames
            .map_or(u64::MAX, |frames| self.delay.saturating_add(frames));
        let padding_end = song_end.saturating_add(self.padding);
        let inside = |from: u64, to: u64| {
            let (from, to) = (from.clamp(start, end), to.clamp(start, end));
            (from - start) as usize..(to.max(from) - start) as usize
        };

        [inside(self.delay, song_end), inside(padding_end, u64::MAX)]
    }
}

#[cfg(test)]
mod tests {
    use super::Trim;

    /// Every frame of a run of blocks is looked at by itself, for blocks of several lengths.
    #[test]
    fn keeps_the_song_and_what_follows_the_padding() {
        let mut cases = 0;
        for (delay, frames, padding) in [
            (0, None, 0),
            (5, None, 0),
            (5, Some(20), 7),
            (0, Some(0), 3),
            (40, Some(9), 2),
        ] {
            let trim = Trim {
                delay,
                frames,
                padding,
            };
            for block in [1, 2, 3, 7, 50] {
                let mut kept = Vec::new();
                for start in (0..50).step_by(block) {
                    for part in trim.kept(start as u64, block) {
                        kept.extend(part.map(|frame| (start + frame) as u64));
                    }
                }

                let end = frames.map_or(u64::MAX, |frames| delay + frames);
                let last = 50_u64.next_multiple_of(block as u64);
                let is_kept =
                    |&n: &u64| (n >= delay && n < end) || n >= end.saturating_add(padding);

                assert_eq!(
                    kept,
                    (0..last).filter(is_kept).collect::<Vec<_>>(),
                    "{trim:?} in blocks of {block}"
                );

                cases += 1;
            }
        }

        assert_eq!(cases, 25);
    }
}
