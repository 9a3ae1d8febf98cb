//! Encoder delay and padding: the range of decoded frames that is the song.

/// Range of decoded frames that were in the encoder's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trim {
    /// Number of frames to drop at the start.
    pub(super) delay: u64,
    /// Number of frames in the song, if known.
    pub(super) frames: Option<u64>,
    /// Number of frames to drop after the song. Frames after them are kept: the header then
    /// understates the length.
    pub(super) padding: u64,
}

impl Trim {
    /// Returns the ranges to keep of a block that begins at decoded frame `start` and has `frames`
    /// frames: at most one range before the padding and one after it.
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

    /// Checks every frame of a run of blocks by itself, for several block lengths.
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
