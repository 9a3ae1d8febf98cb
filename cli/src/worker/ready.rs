//! What an engine waits for before it can begin, told to the front end.

use std::time::{Duration, Instant};

use sextet_protocol::worker::Reply;
use sextet_separator::{Listener, Preparing};

use super::job::Job;
use crate::preparing::{describe, usual_s};

/// Pause between two replies about the same step.
const EVERY: Duration = Duration::from_millis(100);

/// Hears the engine and tells of each step, and of how far it is.
pub(super) struct Ready<'a> {
    job: &'a Job,
    told: Option<(String, Instant)>,
}

impl<'a> Ready<'a> {
    pub(super) fn new(job: &'a Job) -> Self {
        Self { job, told: None }
    }
}

impl Listener for Ready<'_> {
    fn preparing(&mut self, step: Preparing) {
        let what = describe(&step);
        let (done, total) = match step {
            Preparing::Building { done, total } => (u64::from(done), u64::from(total)),
            _ => (0, 0),
        };

        // A step is told when it begins and when it is complete, and between as often as anybody can see.
        let known = self.told.as_ref().filter(|(told, _)| *told == what);
        let complete = total > 0 && done == total;
        if known.is_some_and(|(_, when)| when.elapsed() < EVERY || total == 0) && !complete {
            return;
        }
        let loading = Reply::Loading { job: self.job.id(), what: what.clone(), done, total, usual_s: usual_s(&step) };
        self.job.tell(&loading);
        self.told = Some((what, Instant::now()));
    }

    fn cancelled(&self) -> bool {
        self.job.is_over()
    }
}
