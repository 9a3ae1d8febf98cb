//! Listener that passes the progress of one song on.

use std::cell::Cell;
use std::time::Instant;

use sextet_separator::audio::Warning;
use sextet_separator::{Listener, Progress};

use super::report::Shared;
use crate::progress::SongProgress;

/// Listener that passes the separator's progress to the reporter.
pub(super) struct SongListener<'a> {
    index: usize,
    seconds: &'a Cell<Option<f64>>,
    reporter: &'a Shared,
    separating_since: Option<Instant>,
}

impl<'a> SongListener<'a> {
    /// Creates a listener for song number `index`, whose length in seconds will be in `seconds`.
    pub(super) fn new(index: usize, seconds: &'a Cell<Option<f64>>, reporter: &'a Shared) -> Self {
        Self {
            index,
            seconds,
            reporter,
            separating_since: None,
        }
    }
}

impl Listener for SongListener<'_> {
    fn progress(&mut self, progress: Progress) {
        let progress = match progress {
            Progress::Reading { frames } => SongProgress::Reading { frames },
            Progress::Separating {
                chunks_done,
                chunks_total,
            } => {
                let since = *self.separating_since.get_or_insert_with(Instant::now);
                SongProgress::separating(
                    chunks_done,
                    chunks_total,
                    since.elapsed().as_secs_f64(),
                    self.seconds.get(),
                )
            }
            _ => return,
        };
        self.reporter.tell().progress(self.index, &progress);
    }

    fn warning(&mut self, warning: &Warning) {
        self.reporter
            .tell()
            .warned(Some(self.index), &warning.to_string());
    }
}
