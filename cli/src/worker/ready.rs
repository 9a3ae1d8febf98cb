//! Replies about the preparation of an engine.

use std::time::{Duration, Instant};

use sextet_protocol::worker::Reply;
use sextet_separator::{Listener, Preparing};

use super::job::Job;
use crate::engine::{describe, usual_s};

/// Pause between two replies about the same step.
const EVERY: Duration = Duration::from_millis(100);

/// Listener that reports each step of the preparation and its progress.
pub(super) struct Ready<'a> {
    job: &'a Job,
    told: Option<Told>,
}

/// The latest reply and its time.
struct Told {
    what: String,
    done: u64,
    at: Instant,
}

impl<'a> Ready<'a> {
    pub(super) fn new(job: &'a Job) -> Self {
        Self { job, told: None }
    }

    /// Whether a reply is due: when a step begins, when it is complete, and in between as often as
    /// people can perceive.
    fn is_news(&self, what: &str, done: u64, total: u64) -> bool {
        let Some(told) = self.told.as_ref().filter(|told| told.what == what) else {
            return true;
        };
        told.done != done && (done == total || told.at.elapsed() >= EVERY)
    }
}

impl Listener for Ready<'_> {
    fn preparing(&mut self, step: Preparing) {
        let (job, what) = (self.job.id(), describe(&step));
        let (done, total) = match step {
            Preparing::Building { done, total } => (u64::from(done), u64::from(total)),
            // A warning rather than a step: the next step would hide it.
            Preparing::NotKept { .. } => {
                return self.job.tell(&Reply::Warning { job, message: what });
            }
            _ => (0, 0),
        };

        if self.is_news(&what, done, total) {
            self.told = Some(Told {
                what: what.clone(),
                done,
                at: Instant::now(),
            });
            self.job.tell(&Reply::Loading {
                job,
                what,
                done,
                total,
                usual_s: usual_s(&step),
            });
        }
    }

    fn cancelled(&self) -> bool {
        self.job.is_over()
    }
}

#[cfg(test)]
mod tests {
    use sextet_protocol::worker::JobId;

    use super::*;
    use crate::worker::outbox::Outbox;

    #[test]
    fn each_step_is_told_when_it_begins_and_ends_and_not_every_time() {
        let (outbox, lines) = Outbox::kept();
        let job = Job::new(JobId(1), outbox);
        let mut ready = Ready::new(&job);

        let told = || -> Vec<Reply> {
            lines()
                .iter()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        };

        (0..=500)
            .chain([500, 500])
            .for_each(|done| ready.preparing(Preparing::Building { done, total: 500 }));
        let step = |reply| match reply {
            Reply::Loading {
                done,
                total: 500,
                usual_s: None,
                ..
            } => done,
            other => panic!("{other:?}"),
        };

        let steps: Vec<_> = told().into_iter().map(step).collect();
        assert_eq!((steps.first(), steps.last()), (Some(&0), Some(&500)));
        assert!(
            steps.is_sorted_by(|a, b| a < b) && steps.len() < 100,
            "{steps:?}"
        );

        for _ in 0..3 {
            ready.preparing(Preparing::Compiling);
        }

        let [
            Reply::Loading {
                what,
                total: 0,
                usual_s: Some(20.0),
                ..
            },
        ] = &told()[..]
        else {
            panic!()
        };

        assert!(what.starts_with("the GPU compiles the engine"), "{what}");

        ready.preparing(Preparing::NotKept {
            reason: "the disk is full".into(),
        });
        let [Reply::Warning { message, .. }] = &told()[..] else {
            panic!()
        };

        assert_eq!(message, "the engine cannot be kept: the disk is full");

        job.cancel();
        assert!(ready.cancelled());
        told();
        ready.preparing(Preparing::Comparing);

        assert!(told().is_empty(), "the job is over");
    }
}
