//! Close-ups: a stretch of the clip and its stems in columns, read when the editor shows it.

use std::ops::Range;

use sextet_protocol::Stem;

use crate::overview::Overview;
use crate::spectrogram::Spectrogram;

/// Number of lanes: the clip's, and one for each stem.
pub(crate) const LANES: usize = 1 + Stem::ALL.len();

/// A stretch of the clip, divided into columns of equal length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Frames of the clip, from its beginning on.
    pub(crate) frames: Range<u64>,
    pub(crate) columns: usize,
}

impl Stretch {
    /// Returns the length of a column.
    pub(crate) fn column_frames(&self) -> f64 {
        (self.frames.end - self.frames.start) as f64 / self.columns.max(1) as f64
    }

    /// Returns the frames of a column, which are at least one.
    pub(crate) fn column(&self, column: usize) -> Range<i64> {
        let edge = |column: usize| {
            self.frames.start.cast_signed() + (column as f64 * self.column_frames()) as i64
        };
        edge(column)..edge(column + 1).max(edge(column) + 1)
    }

    /// Returns whether all of `frames` is within the stretch.
    pub(crate) fn covers(&self, frames: &Range<u64>) -> bool {
        self.frames.start <= frames.start && frames.end <= self.frames.end
    }
}

/// Pictures that the editor shows and that overviews are too coarse for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CloserLook {
    /// The stretch that is shown, if overviews are too coarse for it.
    pub(crate) near: Option<Stretch>,
    /// Whether spectrograms are shown.
    pub(crate) spectrograms: bool,
}

/// A lane's part of a close-up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LaneCloseUp {
    /// Lowest and highest sample of each column. `None` where the overview is as fine.
    pub(crate) waveform: Option<Overview>,
    /// `None` while waveforms are shown.
    pub(crate) spectrogram: Option<Spectrogram>,
}

/// A stretch of the clip as all lanes show it.
#[derive(Clone, Debug)]
pub(crate) struct CloseUp {
    pub(crate) stretch: Stretch,
    /// The clip, then the stems in canonical order, which are `None` where there are none.
    pub(crate) lanes: [Option<LaneCloseUp>; LANES],
    /// Whether all of the stretch was read.
    pub(crate) is_complete: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_join_without_gaps() {
        for (frames, columns) in [(0..1000, 10), (17..1017, 7), (5..9, 16)] {
            let stretch = Stretch { frames, columns };
            let all: Vec<_> = (0..columns).map(|column| stretch.column(column)).collect();
            assert_eq!(all[0].start, stretch.frames.start.cast_signed());
            assert!(all.iter().all(|column| column.start < column.end));
            assert!(all.windows(2).all(|pair| pair[1].start <= pair[0].end));
            assert!(all[columns - 1].end >= stretch.frames.end.cast_signed());
        }
    }
}
