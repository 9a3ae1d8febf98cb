//! A worker that is kept between separations with model and engine loaded, so that the next
//! separation does not wait for them.

use std::thread::Thread;
use std::time::{Duration, Instant};

use sextet_protocol::worker::{EngineName, JobId, Prepare, Reply, Request};

use super::command::Launcher;
use super::connection::Connection;
use super::fault::Fault;
use super::loading::Loading;

/// Time after which an idle worker is ended. This frees its memory, the GPU's too.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Interval at which a worker that is needed soon is asked to prepare. A worker that receives
/// nothing for two minutes unloads by itself.
const PREPARE_INTERVAL: Duration = Duration::from_secs(60);
/// Time that an engine has to stop a cancelled job. One that needs longer is ended with its
/// process. A GPU finishes a batch in this time, a CPU does not finish a chunk.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(500);

/// A worker without a job, kept for the next separation. Dropping it ends its process.
pub(crate) struct IdleWorker {
    connection: Connection,
    /// The model and the engine that it has loaded, or is loading.
    loaded: (String, EngineName),
    /// Numbers of the jobs that load them.
    preparing: Vec<JobId>,
    /// Loading that they last reported.
    loading: Option<Loading>,
    idle_since: Instant,
    /// Time of the last request to load, or of the last use.
    requested_at: Instant,
    /// Time by which the cancelled job must have stopped.
    cancel_deadline: Option<Instant>,
}

impl IdleWorker {
    /// Starts a worker and makes it load.
    ///
    /// # Errors
    /// When the command is not there or cannot be run.
    pub(crate) fn start(
        loaded: (String, EngineName),
        launcher: &Launcher,
        session: Thread,
    ) -> Result<Self, Fault> {
        let mut idle = Self::after_job(Connection::start(launcher, session)?, loaded);
        idle.request_loading();
        Ok(idle)
    }

    /// Keeps a worker that has finished a job with a model and an engine.
    pub(super) fn after_job(connection: Connection, loaded: (String, EngineName)) -> Self {
        let now = Instant::now();
        Self {
            connection,
            loaded,
            preparing: Vec::new(),
            loading: None,
            idle_since: now,
            requested_at: now,
            cancel_deadline: None,
        }
    }

    /// Keeps a worker whose job was cancelled, if its engine is free soon. The worker is asked to
    /// load what it has loaded already; its answer shows that the engine is free.
    pub(super) fn after_cancel(connection: Connection, loaded: (String, EngineName)) -> Self {
        let mut idle = Self::after_job(connection, loaded);
        idle.request_loading();
        idle.cancel_deadline = Some(idle.requested_at + CANCEL_TIMEOUT);
        idle
    }

    /// Returns whether it runs the command that would be started now.
    pub(crate) fn is_current(&self, launcher: &Launcher) -> bool {
        self.connection.is_current(launcher)
    }

    /// Returns whether it is still stopping a cancelled job, so that it has to be stepped soon.
    pub(crate) fn is_cancelling(&self) -> bool {
        self.cancel_deadline.is_some()
    }

    /// Makes it load a model for an engine, or keep it loaded.
    pub(crate) fn prepare(&mut self, wanted: (String, EngineName)) {
        self.idle_since = Instant::now();
        if self.loaded != wanted {
            self.loaded = wanted;
            self.request_loading();
        }
    }

    fn request_loading(&mut self) {
        self.requested_at = Instant::now();
        let (model, engine) = self.loaded.clone();
        let job = self
            .connection
            .send_request(|job| Request::Prepare(Prepare { job, model, engine }));
        self.preparing.push(job);
    }

    /// Processes its replies; returns false when it is of no use any more. The reason is not told
    /// here, because the separation that fails tells it, too. `wanted` means that it is needed
    /// soon, however long it has been idle.
    pub(crate) fn step(&mut self, now: Instant, wanted: bool) -> bool {
        loop {
            match self.connection.next_reply(now) {
                Ok(Some(reply)) => self.handle_reply(&reply, now),
                Ok(None) => break,
                Err(_) => return false,
            }
        }

        if self.cancel_deadline.is_some_and(|deadline| now >= deadline) {
            return false;
        }

        if !self.preparing.is_empty() {
            return self
                .connection
                .check_timeout(now, self.loading.is_some())
                .is_ok();
        }

        if wanted {
            self.idle_since = now;
            if now.duration_since(self.requested_at) >= PREPARE_INTERVAL {
                self.request_loading();
            }
        }

        now.duration_since(self.idle_since) < IDLE_TIMEOUT
    }

    fn handle_reply(&mut self, reply: &Reply, now: Instant) {
        self.loading = Loading::of(reply, now).or(self.loading.take());
        if reply.is_last() {
            self.preparing.retain(|job| reply.job() != Some(*job));
            self.idle_since = now;
        }
        if self.preparing.is_empty() {
            (self.loading, self.cancel_deadline) = (None, None);
        }
    }

    /// Gives its process away for a job, with the loading that the job has to wait for.
    pub(super) fn into_parts(self) -> (Connection, Option<Loading>) {
        (self.connection, self.loading)
    }

    /// Returns the process' number.
    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.connection.pid()
    }

    /// Returns whether it has loaded what it was asked for.
    #[cfg(test)]
    pub(super) fn has_loaded(&self) -> bool {
        self.preparing.is_empty()
    }

    /// Tells the process to end, and waits for nothing.
    pub(crate) fn shut_down(&mut self) {
        self.connection.shut_down();
    }
}
