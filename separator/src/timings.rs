//! Timings of the stages of the work.
//!
//! Nothing is recorded until [`enable`] is called. Stages run side by side on several threads, so
//! their times add up to more than the elapsed time. Each stage therefore also records when it
//! began and ended.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Moment from which times are counted. Unset until [`enable`] is called.
static BEGAN: OnceLock<Instant> = OnceLock::new();
static NOTED: Mutex<Vec<Timing>> = Mutex::new(Vec::new());

/// Timing of a stage, summed over all its runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Name of the stage.
    pub stage: &'static str,
    /// Number of runs.
    pub times: u64,
    /// Beginning of the first run, counted from the moment given to [`enable`].
    pub from: Duration,
    /// End of the last run, counted from the same moment.
    pub to: Duration,
    /// Total time of all runs.
    pub took: Duration,
}

/// Enables the recording of stages. Times are counted from `began`.
pub fn enable(began: Instant) {
    // Ignore a second call: the first one stays in force.
    let _ = BEGAN.set(began);
}

/// Stage that is under way. Dropping it ends the stage.
#[must_use]
#[derive(Debug)]
pub struct Running {
    stage: &'static str,
    since: Option<Instant>,
}

/// Begins a stage.
pub fn stage(stage: &'static str) -> Running {
    Running {
        stage,
        since: BEGAN.get().map(|_| Instant::now()),
    }
}

/// Records the time of `work` as `stage`.
pub fn timed<T>(stage: &'static str, work: impl FnOnce() -> T) -> T {
    let _running = self::stage(stage);
    work()
}

impl Drop for Running {
    fn drop(&mut self) {
        let (Some(since), Some(&began)) = (self.since, BEGAN.get()) else {
            return;
        };

        let now = Instant::now();
        let (from, to, took) = (
            since.saturating_duration_since(began),
            now.saturating_duration_since(began),
            now - since,
        );

        let mut noted = NOTED.lock().unwrap_or_else(PoisonError::into_inner);
        match noted.iter_mut().find(|timing| timing.stage == self.stage) {
            Some(timing) => {
                timing.times += 1;
                timing.from = timing.from.min(from);
                timing.to = timing.to.max(to);
                timing.took += took;
            }
            None => noted.push(Timing {
                stage: self.stage,
                times: 1,
                from,
                to,
                took,
            }),
        }
    }
}

/// Returns and clears the timings recorded so far, in the order in which the stages began. Empty
/// unless [`enable`] was called.
pub fn take() -> Vec<Timing> {
    let mut noted = std::mem::take(&mut *NOTED.lock().unwrap_or_else(PoisonError::into_inner));
    noted.sort_by_key(|timing| timing.from);
    noted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enables the timings, as no other test does. Stages of other tests may be recorded beside its
    /// own.
    #[test]
    fn a_stage_is_noted_with_all_its_runs() {
        let own = || take().into_iter().find(|timing| timing.stage == "a test");
        timed("a test", || ());

        assert_eq!(own(), None, "nobody has asked yet");
        enable(Instant::now());
        timed("a test", || std::thread::sleep(Duration::from_millis(3)));
        timed("a test", || std::thread::sleep(Duration::from_millis(3)));

        let found = own().unwrap();
        assert_eq!(found.times, 2);
        assert!(
            found.took >= Duration::from_millis(6) && found.to >= found.from + found.took,
            "{found:?}"
        );

        assert_eq!(own(), None, "it has been taken");
    }
}
