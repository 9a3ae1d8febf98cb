//! Plain lines on standard error, for logs and pipes.

use std::time::{Duration, Instant};

use super::summary::{Totals, result_line, table};
use super::time::{clock, speed};
use super::{Moved, Outcome, Reporter, Start, Status};
use crate::say;
use crate::separate::plan::Job;

/// Pause between two lines about the same song.
const EVERY: Duration = Duration::from_secs(10);

pub(super) struct Lines {
    songs: usize,
    verbose: bool,
    last: Instant,
    name: String,
}

impl Lines {
    pub(super) fn new(songs: usize, verbose: bool) -> Self {
        Self { songs, verbose, last: Instant::now(), name: String::new() }
    }
}

impl Reporter for Lines {
    fn start(&mut self, start: &Start) {
        start_lines(start, self.verbose).iter().for_each(|line| say::err(line));
    }

    fn song(&mut self, index: usize, job: &Job) {
        self.name = format!("[{}/{}] {}", index + 1, self.songs, job.input.display());
        self.last = Instant::now();
        say::err(&self.name);
    }

    fn moved(&mut self, _index: usize, moved: &Moved) {
        if self.last.elapsed() < EVERY {
            return;
        }
        self.last = Instant::now();
        match moved {
            Moved::Reading { frames } => say::err(&format!("{}: reading, {frames} frames", self.name)),
            Moved::Separating { share, speed: at, left_s, .. } => {
                let left = left_s.map_or_else(String::new, |left| format!(", {} left", clock(left)));
                say::err(&format!("{}: {:.0} %, {}{left}", self.name, share * 100.0, speed(*at)));
            }
        }
    }

    fn warned(&mut self, _index: Option<usize>, warning: &str) {
        say::err(&format!("warning: {warning}"));
    }

    fn ended(&mut self, index: usize, job: &Job, outcome: &Outcome) {
        match &outcome.status {
            Status::Failed(report) => say::err(&report.to_string()),
            _ => say::err(&format!("[{}/{}] {}", index + 1, self.songs, result_line(job, outcome))),
        }
    }

    fn end(&mut self, jobs: &[Job], outcomes: &[Outcome], totals: &Totals) {
        table(jobs, outcomes, totals).iter().for_each(|line| say::out(line));
    }
}

/// What is said before the first song.
pub(super) fn start_lines(start: &Start, verbose: bool) -> Vec<String> {
    let note = start.engine_note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
    let mut lines = vec![format!("{} on {}{note}", start.model, start.engine)];
    if verbose {
        lines.push(format!("model hash {}", start.model_hash));
        lines.push(format!("parts {}", start.parts.join(", ")));
        lines.push(format!("output folder {}", start.output.display()));
    }
    lines
}
