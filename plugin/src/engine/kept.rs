//! A worker that is kept between separations, with model and engine loaded, so that the next one
//! does not wait for them.

use std::thread::Thread;
use std::time::{Duration, Instant};

use sextet_protocol::Folders;
use sextet_protocol::worker::{EngineName, JobId, Prepare, Reply, Request};

use super::fault::Fault;
use super::job::{Job, Loading, Task};
use super::worker::Worker;

/// A worker that had nothing to do for so long is ended, and with it its memory, the GPU's too, is
/// free.
const IDLE: Duration = Duration::from_secs(120);
/// While it is needed soon, it is told so this often: a worker that hears nothing for two minutes
/// unloads by itself.
const REMIND: Duration = Duration::from_secs(60);
/// An engine that needs longer to leave off what was cancelled is ended with its process. A GPU is
/// through with a batch in this time, a CPU with a chunk is not.
const LEAVING_OFF: Duration = Duration::from_millis(500);

/// See the module. Dropping it ends its process.
pub(crate) struct Kept {
    worker: Worker,
    /// The model and the engine that it has loaded, or is loading.
    loaded: (String, EngineName),
    /// The jobs that load them.
    preparing: Vec<JobId>,
    /// What they last said.
    loading: Option<Loading>,
    idle_since: Instant,
    /// When it was last asked to load something, or has used it.
    asked_at: Instant,
    /// By when it has to have left off what was cancelled.
    due: Option<Instant>,
}

impl Kept {
    /// Starts a worker and lets it load.
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

    /// Keeps a worker that has done a job with a model and an engine.
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

    /// Keeps a worker whose job was cancelled, if its engine is soon free. That it is shows when it
    /// has loaded what it has loaded already.
    pub(super) fn after_cancel(worker: Worker, loaded: (String, EngineName)) -> Self {
        let mut kept = Self::after_job(worker, loaded);
        kept.ask();
        kept.due = Some(kept.asked_at + LEAVING_OFF);
        kept
    }

    /// Whether it runs the command that would be started now.
    pub(crate) fn is_current(&self, folders: &Folders) -> bool {
        self.worker.is_current(folders)
    }

    /// Whether it has to be looked at soon.
    pub(crate) fn is_leaving_off(&self) -> bool {
        self.due.is_some()
    }

    /// Lets it load a model for an engine, or keep it loaded.
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

    /// Takes in what it has said; false when it is of no use any more. Why is told by the
    /// separation that goes wrong, too. `wanted`: it is needed soon, however long it has had
    /// nothing to do.
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

    /// Gives it a job, which waits until it has loaded.
    pub(crate) fn start_job(self, task: Task) -> Job {
        Job::after(self.worker, task, self.loading)
    }

    /// The process' number.
    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.worker.pid()
    }

    /// Whether it has loaded what it was asked for.
    #[cfg(test)]
    pub(super) fn has_loaded(&self) -> bool {
        self.preparing.is_empty()
    }

    /// Tells the process to end, and waits for nothing.
    pub(crate) fn dismiss(&mut self) {
        self.worker.dismiss();
    }
}
