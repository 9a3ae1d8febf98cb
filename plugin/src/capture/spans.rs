//! The parts of the timeline that were captured.

use rangemap::RangeSet;

/// A set of frames as runs that neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spans(RangeSet<i64>);

impl Spans {
    /// Adds the frames from `start` up to `end`.
    pub(super) fn add(&mut self, start: i64, end: i64) {
        if start < end {
            self.0.insert(start..end);
        }
    }

    /// Removes the frames from `start` up to `end`.
    pub(super) fn remove(&mut self, start: i64, end: i64) {
        if start < end {
            self.0.remove(start..end);
        }
    }

    /// Returns the first frame and the one after the last; `None` for an empty set.
    pub(super) fn bounds(&self) -> Option<(i64, i64)> {
        Some((self.0.first()?.start, self.0.last()?.end))
    }

    /// Returns the runs within `start` to `end`, cut at both.
    pub(super) fn within(&self, start: i64, end: i64) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.0
            .overlapping(start..end)
            .map(move |run| (run.start.max(start), run.end.min(end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_set_of_frames() {
        let mut random = 12_345_u64;
        let mut next = |below: i64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as i64 % below
        };

        for _ in 0..200 {
            let (mut spans, mut set) = (Spans::default(), [false; 120]);
            for _ in 0..12 {
                let start = next(100);
                let end = start + next(20);
                spans.add(start - 50, end - 50);
                set[start as usize..end as usize].fill(true);
            }

            let (from, to) = (next(60), 60 + next(60));
            let mut found = [false; 120];
            for (start, end) in spans.within(from - 50, to - 50) {
                found[(start + 50) as usize..(end + 50) as usize].fill(true);
            }

            set[..from as usize].fill(false);
            set[to as usize..].fill(false);

            assert_eq!(found, set);
            let mut runs: Vec<_> = spans.within(-50, 70).collect();
            assert!(
                runs.windows(2).all(|pair| pair[0].1 < pair[1].0),
                "{runs:?}"
            );

            assert_eq!(
                spans.bounds(),
                runs.pop()
                    .map(|last| (runs.first().unwrap_or(&last).0, last.1))
            );
        }
    }
}
