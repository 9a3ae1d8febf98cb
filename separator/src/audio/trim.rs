//! Encoder delay, padding and edits: the ranges of decoded frames that are the song.

use std::ops::Range;

/// Ranges of decoded frames that belong to the song, in the order in which they are heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trim {
    /// Ranges in ascending order that do not overlap. The end of the last one may be open
    /// (`u64::MAX`).
    kept: Vec<Range<u64>>,
}

impl Default for Trim {
    fn default() -> Self {
        Self::from_frame(0)
    }
}

impl Trim {
    /// Keeps everything from frame `start` on.
    pub(super) fn from_frame(start: u64) -> Self {
        Self::parts(std::iter::once(start..u64::MAX))
    }

    /// Keeps a song of `frames` frames after an encoder delay, without limit where the length is
    /// not known. Frames after the padding are kept, too: the header then understates the length.
    pub(super) fn song(delay: u64, frames: Option<u64>, padding: u64) -> Self {
        let Some(end) = frames.map(|frames| delay.saturating_add(frames)) else {
            return Self::from_frame(delay);
        };
        Self::parts([delay..end, end.saturating_add(padding)..u64::MAX])
    }

    /// Keeps `parts`, which ascend and do not overlap.
    pub(super) fn parts(parts: impl IntoIterator<Item = Range<u64>>) -> Self {
        let kept = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Self { kept }
    }

    /// Returns the number of frames that are kept, if it does not depend on the length of the
    /// decoded audio.
    pub(super) fn frames(&self) -> Option<u64> {
        let mut sum = 0_u64;
        for part in &self.kept {
            if part.end == u64::MAX {
                return None;
            }
            sum = sum.saturating_add(part.end - part.start);
        }
        Some(sum)
    }

    /// Returns whether nothing is kept from frame `position` on.
    pub(super) fn is_over(&self, position: u64) -> bool {
        self.kept.last().is_none_or(|last| last.end <= position)
    }

    /// Returns the ranges to keep of a block that begins at decoded frame `start` and has `frames`
    /// frames, relative to the block.
    pub(super) fn kept(&self, start: u64, frames: usize) -> impl Iterator<Item = Range<usize>> {
        let end = start.saturating_add(frames as u64);
        let first = self.kept.partition_point(|part| part.end <= start);
        self.kept[first..]
            .iter()
            .take_while(move |part| part.start < end)
            .map(move |part| {
                let (from, to) = (part.start.max(start), part.end.min(end));
                (from - start) as usize..(to - start) as usize
            })
            .filter(|part| !part.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::Trim;

    /// Checks every frame of a run of blocks by itself, for several block lengths.
    #[test]
    #[allow(
        clippy::single_range_in_vec_init,
        reason = "a list of one range is meant"
    )]
    fn keeps_exactly_the_ranges() {
        let cases = [
            (Trim::default(), vec![0..u64::MAX], None),
            (Trim::song(5, None, 0), vec![5..u64::MAX], None),
            (Trim::song(5, Some(20), 7), vec![5..25, 32..u64::MAX], None),
            (Trim::song(5, Some(20), u64::MAX), vec![5..25], Some(20)),
            (Trim::song(0, Some(0), 3), vec![3..u64::MAX], None),
            (
                Trim::parts([2..4, 9..9, 10..30]),
                vec![2..4, 10..30],
                Some(22),
            ),
            (Trim::parts([]), vec![], Some(0)),
        ];

        each_case(cases, |(trim, ranges, frames)| {
            assert_eq!(trim.frames(), frames, "{trim:?}");
            each_case([1, 2, 3, 7, 50], |block| {
                let mut kept = Vec::new();
                for start in (0..50).step_by(block) {
                    for part in trim.kept(start as u64, block) {
                        kept.extend(part.map(|frame| (start + frame) as u64));
                    }
                }

                let last = 50_u64.next_multiple_of(block as u64);
                let expected: Vec<u64> = (0..last)
                    .filter(|frame| ranges.iter().any(|range| range.contains(frame)))
                    .collect();
                assert_eq!(kept, expected, "{trim:?} in blocks of {block}");
            });
        });
    }

    #[test]
    fn the_end_is_known_where_it_is_closed() {
        let trim = Trim::parts([2..4, 10..30]);
        assert!(!trim.is_over(29) && trim.is_over(30));
        assert!(!Trim::default().is_over(1 << 40));
    }
}
