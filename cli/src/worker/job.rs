//! Jobs. A job is shared by the thread that does the work and the one that receives its
//! cancellation.
//!
//! Invariant: a job ends once, and no reply about it follows. `end` and `cancel` decide under the
//! lock, and publish or delete the job's results under the same lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Result;
use sextet_protocol::worker::{FailKind, JobId, Reply};

use super::outbox::Outbox;
use crate::fault::{Fault, Kind, Report};
use crate::panics;
use crate::unfinished::Scratch;

/// A request that takes a while.
pub(super) struct Job {
    id: JobId,
    outbox: Outbox,
    began: Instant,
    state: Mutex<State>,
    /// Copy of the flag in the state, readable without waiting.
    over: AtomicBool,
    /// Whether the job waits for the engine or has it. A cancelled job may have it until its chunk
    /// is done.
    engine: AtomicBool,
}

#[derive(Default)]
struct State {
    over: bool,
    /// Unfinished folder that is deleted when the job is cancelled.
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

    /// Returns the seconds since the request.
    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Whether the job is done, failed or cancelled.
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

    /// Sends a loading reply about `what`, without countable steps.
    pub(super) fn tell_loading(&self, what: impl Into<String>) {
        self.tell(&Reply::Loading {
            job: self.id,
            what: what.into(),
            done: 0,
            total: 0,
            usual_s: None,
        });
    }

    /// Sends a reply, unless the job is over.
    pub(super) fn tell(&self, reply: &Reply) {
        let state = self.state();
        if !state.over {
            self.outbox.send(reply);
        }
    }

    /// Makes the job discard `scratch` when it is cancelled; at once if it is over already.
    pub(super) fn attach(&self, scratch: Scratch) {
        let mut state = self.state();
        if state.over {
            scratch.discard();
        } else {
            state.scratch = Some(scratch);
        }
    }

    /// Fails when the job is over.
    ///
    /// # Errors
    /// A fault that is never sent: the job is over.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_over() {
            return Err(Fault::new(Kind::Interrupted, "stopped when asked to").into());
        }
        Ok(())
    }

    /// Ends the job successfully: `publish` puts the results in place and returns the reply.
    ///
    /// # Errors
    /// Those of `publish`, which is not called when the job is over already.
    pub(super) fn end(&self, publish: impl FnOnce() -> Result<Reply>) -> Result<()> {
        let mut state = self.state();
        if state.over {
            return Ok(());
        }
        let reply = publish()?;
        self.close(&mut state, &reply);
        Ok(())
    }

    /// Cancels the job and deletes its unfinished results.
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

    /// Runs `work`. Its failure or panic ends the job.
    pub(super) fn run(&self, work: impl FnOnce() -> Result<()>) {
        let result = self.check().and_then(|()| panics::catch(work));
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
                remedies,
            } = report;
            self.close(
                &mut state,
                &Reply::Failed {
                    job: self.id,
                    kind: fail_kind(kind),
                    message,
                    remedy: remedies.for_anybody(),
                    remedies: remedies.known().to_vec(),
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
