//! A worker that is kept between separations with model and engine loaded, so that the next
//! separation does not wait for them.

use std::thread::Thread;
use std::time::{Duration, Instant};

use sextet_protocol::Folders;
use sextet_protocol::worker::{EngineName, JobId, Prepare, Reply, Request};

use super::fault::Fault;
use super::job::{Job, Loading, Task};
use super::worker::Worker;

/// Time after which an idle worker is ended. This frees its memory, the GPU's too.
const IDLE: Duration = Duration::from_secs(120);
/// Interval of the reminders to a worker that is needed soon. A worker that receives nothing for
/// two minutes unloads by itself.
const REMIND: Duration = Duration::from_secs(60);
/// Time that an engine has to stop a cancelled job. One that needs longer is ended with its
/// process. A GPU finishes a batch in this time, a CPU does not finish a chunk.
const LEAVING_OFF: Duration = Duration::from_millis(500);

/// A kept worker. Dropping it ends its process.
pub(crate) struct Kept {
    worker: Worker,
    /// The model and the engine that it has loaded, or is loading.
    loaded: (String, EngineName),
    /// Numbers of the jobs that load them.
    preparing: Vec<JobId>,
    /// Loading that they last reported.
    loading: Option<Loading>,
    idle_since: Instant,
    /// Time of the last request to load, or of the last use.
    asked_at: Instant,
    /// Time by which the cancelled job must have stopped.
    due: Option<Instant>,
}

impl Kept {
    /// Starts a worker and makes it load.
    ///
    /// # Errors
    /// When the command is not there or cannot be run.
    pub(crate) fn start(
        loaded: (String, EngineName),
        folders: &Folders,
        session: Thread,
    ) -> Result<Self, Fault> {
        let mut kept = Self::after_job(Worker::start(folders, session)?, loaded);
        kept.ask();
        Ok(kept)
    }

    /// Keeps a worker that has finished a job with a model and an engine.
    pub(super) fn after_job(worker: Worker, loaded: (String, EngineName)) -> Self {
        let now = Instant::now();
        Self {
            worker,
            loaded,
            preparing: Vec::new(),
            loading: None,
            idle_since: now,
            asked_at: now,
            due: None,
        }
    }

    /// Keeps a worker whose job was cancelled, if its engine is free soon. The worker is asked to
    /// load what it has loaded already; its answer shows that the engine is free.
    pub(super) fn after_cancel(worker: Worker, loaded: (String, EngineName)) -> Self {
        let mut kept = Self::after_job(worker, loaded);
        kept.ask();
        kept.due = Some(kept.asked_at + LEAVING_OFF);
        kept
    }

    /// Returns whether it runs the command that would be started now.
    pub(crate) fn is_current(&self, folders: &Folders) -> bool {
        self.worker.is_current(folders)
    }

    /// Returns whether it is still stopping a cancelled job, so that it has to be stepped soon.
    pub(crate) fn is_leaving_off(&self) -> bool {
        self.due.is_some()
    }

    /// Makes it load a model for an engine, or keep it loaded.
    pub(crate) fn prepare(&mut self, wanted: (String, EngineName)) {
        self.idle_since = Instant::now();
        if self.loaded != wanted {
            self.loaded = wanted;
            self.ask();
        }
    }

    fn ask(&mut self) {
        self.asked_at = Instant::now();
        let (model, engine) = self.loaded.clone();
        let job = self
            .worker
            .ask(|job| Request::Prepare(Prepare { job, model, engine }));
        self.preparing.push(job);
    }

    /// Processes its replies; returns false when it is of no use any more. The reason is not told
    /// here, because the separation that fails tells it, too. `wanted` means that it is needed
    /// soon, however long it has been idle.
    pub(crate) fn step(&mut self, now: Instant, wanted: bool) -> bool {
        loop {
            match self.worker.hear(now) {
                Ok(Some(reply)) => self.take(&reply, now),
                Ok(None) => break,
                Err(_) => return false,
            }
        }

        if self.due.is_some_and(|due| now >= due) {
            return false;
        }

        if !self.preparing.is_empty() {
            return self
                .worker
                .check_patience(now, self.loading.is_some())
                .is_ok();
        }

        if wanted {
            self.idle_since = now;
            if now.duration_since(self.asked_at) >= REMIND {
                self.ask();
            }
        }

        now.duration_since(self.idle_since) < IDLE
    }

    fn take(&mut self, reply: &Reply, now: Instant) {
        self.loading = Loading::of(reply, now).or(self.loading.take());
        if reply.is_last() {
            self.preparing.retain(|job| reply.job() != Some(*job));
            self.idle_since = now;
        }
        if self.preparing.is_empty() {
            (self.loading, self.due) = (None, None);
        }
    }

    /// Gives it a job, which waits until loading is done.
    pub(crate) fn start_job(self, task: Task) -> Job {
        Job::after(self.worker, task, self.loading)
    }

    /// Returns the process' number.
    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.worker.pid()
    }

    /// Returns whether it has loaded what it was asked for.
    #[cfg(test)]
    pub(super) fn has_loaded(&self) -> bool {
        self.preparing.is_empty()
    }

    /// Tells the process to end, and waits for nothing.
    pub(crate) fn dismiss(&mut self) {
        self.worker.dismiss();
    }
}
