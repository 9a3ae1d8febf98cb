//! A job, shared by the thread that does it and the one that hears of its cancelling.
//!
//! Invariant: a job ends once, and nothing is told of it afterwards. What ends it (`end`, `cancel`)
//! decides under the lock, and deletes or publishes what was made under the same lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Result;
use sextet_protocol::worker::{FailKind, JobId, Reply};

use super::outbox::Outbox;
use crate::fault::{Fault, Kind, Report};
use crate::mishap;
use crate::unfinished::Scratch;

/// One request that takes its time.
pub(super) struct Job {
    id: JobId,
    outbox: Outbox,
    began: Instant,
    state: Mutex<State>,
    /// As in the state, to be asked without waiting.
    over: AtomicBool,
    /// Whether it waits for the engine or has it. One that was cancelled may have it until its
    /// chunk is through.
    engine: AtomicBool,
}

#[derive(Default)]
struct State {
    over: bool,
    /// What goes when it is cancelled.
    scratch: Option<Scratch>,
}

impl Job {
    pub(super) fn new(id: JobId, outbox: Outbox) -> Self {
        let (state, over, engine) = (
            Mutex::default(),
            AtomicBool::default(),
            AtomicBool::default(),
        );
        Self {
            id,
            outbox,
            began: Instant::now(),
            state,
            over,
            engine,
        }
    }

    pub(super) fn id(&self) -> JobId {
        self.id
    }

    /// Seconds since it was asked for.
    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Whether it is done, failed or cancelled.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(super) fn hold_engine(&self) {
        self.engine.store(true, Ordering::Release);
    }

    pub(super) fn release_engine(&self) {
        self.engine.store(false, Ordering::Release);
    }

    pub(super) fn holds_engine(&self) -> bool {
        self.engine.load(Ordering::Acquire)
    }

    /// Tells what is loaded, where it has no steps to count.
    pub(super) fn tell_loading(&self, what: impl Into<String>) {
        self.tell(&Reply::Loading {
            job: self.id,
            what: what.into(),
            done: 0,
            total: 0,
            usual_s: None,
        });
    }

    /// Tells how it goes, unless it is over.
    pub(super) fn tell(&self, reply: &Reply) {
        let state = self.state();
        if !state.over {
            self.outbox.send(reply);
        }
    }

    /// Has `scratch` go when the job is cancelled; at once, when it is cancelled already.
    pub(super) fn entrust(&self, scratch: Scratch) {
        let mut state = self.state();
        if state.over {
            scratch.discard();
        } else {
            state.scratch = Some(scratch);
        }
    }

    /// Fails when the job is cancelled.
    ///
    /// # Errors
    /// A fault that nobody hears of: the job is over.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_over() {
            return Err(Fault::new(Kind::Interrupted, "stopped when asked to").into());
        }
        Ok(())
    }

    /// Ends it well: `publish` gives what was made its place and says what is told.
    ///
    /// # Errors
    /// Those of `publish`, which is not called when the job has been cancelled.
    pub(super) fn end(&self, publish: impl FnOnce() -> Result<Reply>) -> Result<()> {
        let mut state = self.state();
        if state.over {
            return Ok(());
        }
        let reply = publish()?;
        self.close(&mut state, &reply);
        Ok(())
    }

    /// Ends it, and deletes what it has made.
    pub(super) fn cancel(&self) {
        let mut state = self.state();
        if state.over {
            return;
        }
        self.over.store(true, Ordering::Release);
        if let Some(scratch) = state.scratch.take() {
            scratch.discard();
        }
        self.close(&mut state, &Reply::Cancelled { job: self.id });
    }

    /// Does `work`, whose failure, or panic, ends the job.
    pub(super) fn run(&self, work: impl FnOnce() -> Result<()>) {
        let result = self.check().and_then(|()| mishap::caught(work));
        if let Err(error) = result {
            self.fail(Report::of(&error));
        }
    }

    fn fail(&self, report: Report) {
        let mut state = self.state();
        if !state.over {
            let Report {
                kind,
                message,
                help,
            } = report;
            self.close(
                &mut state,
                &Reply::Failed {
                    job: self.id,
                    kind: fail_kind(kind),
                    message,
                    remedy: help,
                },
            );
        }
    }

    fn close(&self, state: &mut State, reply: &Reply) {
        state.over = true;
        state.scratch = None;
        self.over.store(true, Ordering::Release);
        self.outbox.send(reply);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fail_kind(kind: Kind) -> FailKind {
    match kind {
        Kind::Usage => FailKind::Request,
        Kind::Input => FailKind::Input,
        Kind::Audio => FailKind::Audio,
        Kind::Model => FailKind::Model,
        Kind::Hub => FailKind::Network,
        Kind::Engine => FailKind::Engine,
        Kind::Output => FailKind::Output,
        Kind::Interrupted | Kind::Internal => FailKind::Internal,
    }
}
