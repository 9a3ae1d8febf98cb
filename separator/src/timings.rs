//! Where the time goes: what each stage took, for whoever wants to know.
//!
//! Nothing is noted until somebody asks for it ([`enable`]). Stages run side by side on several
//! threads, so that their times add up to more than what passed; each also says when it began and
//! ended.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The moment that times are counted from, once somebody wants them.
static BEGAN: OnceLock<Instant> = OnceLock::new();
static NOTED: Mutex<Vec<Timing>> = Mutex::new(Vec::new());

/// A stage of the work, all that it did taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// What was done.
    pub stage: &'static str,
    /// How often.
    pub times: u64,
    /// When it was begun first, and when it was last over, counted from the moment given to
    /// [`enable`].
    pub from: Duration,
    /// See `from`.
    pub to: Duration,
    /// What all of its runs took together.
    pub took: Duration,
}

/// Has stages noted from now on; times are counted from `began`.
pub fn enable(began: Instant) {
    // Once is enough.
    let _ = BEGAN.set(began);
}

/// A stage that is under way. Dropping it ends it.
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

/// Notes what `work` takes as `stage`.
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

/// What was noted since it was taken last, in the order in which the stages began. Empty unless
/// [`enable`] was called.
pub fn take() -> Vec<Timing> {
    let mut noted = std::mem::take(&mut *NOTED.lock().unwrap_or_else(PoisonError::into_inner));
    noted.sort_by_key(|timing| timing.from);
    noted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only test that enables them: other tests' stages may be noted beside its own.
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
