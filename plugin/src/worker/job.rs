//! A job from the first line to the last: a state machine that is stepped by the session thread.
//!
//! A job has a worker of its own until it ends. Dropping the job ends the process and frees all its
//! memory, the GPU's too. A separation hands its worker on to the next one.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::Thread;
use std::time::Instant;

use sextet_protocol::Fingerprint;
use sextet_protocol::worker::{
    self, Checked, EngineName, Gpu, JobId, Machine, ModelInfo, Offer, Render, Reply, Request,
    Separate, Waiting,
};

use super::command::Launcher;
use super::connection::Connection;
use super::fault::{self, Fault, sentence};
use super::idle::IdleWorker;
use super::loading::Loading;

/// The work of a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Task {
    /// Makes stems of a capture.
    Separate {
        song: PathBuf,
        model: String,
        engine: EngineName,
    },
    /// Makes a capture of a file.
    Import { song: PathBuf },
    /// Writes stems as files.
    Render(Box<Render>),
    /// Reports the GPU and the models of this machine.
    Inspect,
    /// Fetches the library that the GPU needs.
    SetUpGpu,
    /// Reports the terms of fetching a model.
    Offer { model: String },
    /// Fetches a model.
    Fetch { model: String },
    /// Checks whether a checkpoint can be used.
    Check { model: String },
}

/// The stage of a job. The worker may skip any of the middle ones.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// The process was started and has not answered.
    Starting,
    /// The job waits for its turn.
    Queued(Waiting),
    /// The job waits while something is loaded.
    Loading(Loading),
    /// The job works.
    Working {
        stage: Option<worker::Stage>,
        done: u64,
        total: u64,
        /// Speed as a multiple of real time.
        speed: Option<f64>,
        left_s: Option<f64>,
    },
}

/// The result of a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JobOutcome {
    /// The stems are in the cache.
    Separated { key: Fingerprint, cached: bool },
    /// The capture is in its place.
    Imported {
        audio: Fingerprint,
        rate_hz: u32,
        frames: u64,
    },
    /// The files are written.
    Rendered { paths: Vec<PathBuf> },
    /// The machine was inspected.
    Inspected(Box<Machine>),
    /// The GPU was set up.
    GpuSetUp(Box<Gpu>),
    /// The terms of fetching a model.
    Offered(Offer),
    /// The model is on this machine.
    Fetched(ModelInfo),
    /// The checkpoint can be used.
    Checked(Checked),
    /// The job failed.
    Failed(Fault),
}

/// A running job. Dropping it ends its process.
pub(crate) struct Job {
    task: Task,
    id: JobId,
    connection: Connection,
    stage: Stage,
    /// Whether the worker had other jobs before.
    is_later: bool,
    /// Whether the worker has begun with the job.
    has_begun: bool,
    /// Whether the worker may be kept for the next separation.
    can_keep_worker: bool,
    /// Engine and model in use, for people, once they are known.
    pub(crate) engine: Option<Arc<str>>,
    /// The last warning.
    pub(crate) warning: Option<String>,
}

impl Job {
    /// Starts a process for a task.
    ///
    /// # Errors
    /// When the command is not there or cannot be run.
    pub(crate) fn start(task: Task, launcher: &Launcher, session: Thread) -> Result<Self, Fault> {
        let connection = Connection::start(launcher, session)?;
        Ok(Self {
            is_later: false,
            ..Self::after(connection, task, None)
        })
    }

    /// Gives a task to a worker that was kept. The task waits until the worker has loaded.
    pub(crate) fn on(idle: IdleWorker, task: Task) -> Self {
        let (connection, loading) = idle.into_parts();
        Self::after(connection, task, loading)
    }

    fn after(mut connection: Connection, task: Task, loading: Option<Loading>) -> Self {
        let stage = loading.map_or(Stage::Starting, Stage::Loading);
        let id = connection.send_request(|id| request(&task, id));
        Self {
            task,
            id,
            connection,
            stage,
            is_later: true,
            has_begun: false,
            can_keep_worker: true,
            engine: None,
            warning: None,
        }
    }

    /// Returns the job's task.
    pub(crate) fn task(&self) -> &Task {
        &self.task
    }

    /// Returns the job's stage.
    pub(crate) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Returns whether this fault means that a kept worker ended before it began with the job.
    /// Another worker may do it then.
    pub(crate) fn was_never_begun(&self, fault: &Fault) -> bool {
        self.is_later && !self.has_begun && matches!(fault, Fault::Died { .. })
    }

    /// Processes the worker's replies; returns the result once the job has ended.
    pub(crate) fn step(&mut self, now: Instant) -> Option<JobOutcome> {
        loop {
            match self.connection.next_reply(now) {
                Ok(Some(reply)) => {
                    let ended = self.handle_reply(reply, now);
                    if ended.is_some() {
                        return ended;
                    }
                }
                Ok(None) => {
                    let is_loading = matches!(self.stage, Stage::Loading(_));
                    return self
                        .connection
                        .check_timeout(now, is_loading)
                        .err()
                        .map(JobOutcome::Failed);
                }
                Err(fault) => return Some(JobOutcome::Failed(fault)),
            }
        }
    }

    /// Makes sure that the worker ends with this job.
    pub(crate) fn do_not_keep_worker(&mut self) {
        self.can_keep_worker = false;
    }

    /// Returns the worker of a finished separation, for the next one.
    pub(crate) fn keep_worker(self) -> Option<IdleWorker> {
        let Task::Separate { model, engine, .. } = self.task else {
            return None;
        };
        self.can_keep_worker
            .then(|| IdleWorker::after_job(self.connection, (model, engine)))
    }

    /// Cancels a separation. Its worker is kept for the next one if it stops computing at once.
    pub(crate) fn cancel(mut self) -> Option<IdleWorker> {
        let Task::Separate { model, engine, .. } = self.task else {
            return None;
        };
        (self.can_keep_worker && self.connection.cancel(self.id))
            .then(|| IdleWorker::after_cancel(self.connection, (model, engine)))
    }

    /// Returns the process' number.
    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.connection.pid()
    }

    /// Tells the process to end, and waits for nothing.
    pub(crate) fn shut_down(&mut self) {
        self.connection.shut_down();
    }

    fn handle_reply(&mut self, reply: Reply, now: Instant) -> Option<JobOutcome> {
        if let Some(loading) = Loading::of(&reply, now) {
            // The loading may belong to an earlier job, which this one waits for.
            self.stage = Stage::Loading(loading);
            return None;
        }

        if reply.job() != Some(self.id) {
            return None;
        }

        match reply {
            // The loading of an earlier job says more than its place in the queue.
            Reply::Queued {
                reason: Waiting::EarlierJob,
                ..
            } if matches!(self.stage, Stage::Loading(_)) => {}
            Reply::Queued { reason, .. } => self.stage = Stage::Queued(reason),
            Reply::Started { model, engine, .. } => {
                self.has_begun = true;
                self.engine = Some(format!("{model} on {engine}").into());
                self.stage = Stage::Working {
                    stage: None,
                    done: 0,
                    total: 0,
                    speed: None,
                    left_s: None,
                };
            }
            Reply::Progress {
                stage,
                done,
                total,
                speed,
                seconds_left,
                ..
            } => {
                self.has_begun = true;
                self.stage = Stage::Working {
                    stage: Some(stage),
                    done,
                    total,
                    speed,
                    left_s: seconds_left,
                };
            }
            Reply::Warning { message, .. } => self.warning = Some(message),
            last => {
                let is_capture = matches!(self.task, Task::Separate { .. });
                return outcome_of(last, is_capture);
            }
        }

        None
    }
}

/// Returns the result that a last line tells. A cancelled job is dropped, so its result is `None`.
fn outcome_of(reply: Reply, is_capture: bool) -> Option<JobOutcome> {
    Some(match reply {
        Reply::Done { key, cached, .. } => JobOutcome::Separated { key, cached },
        Reply::Imported {
            audio,
            rate_hz,
            frames,
            ..
        } => JobOutcome::Imported {
            audio,
            rate_hz,
            frames,
        },
        Reply::Rendered { paths, .. } => JobOutcome::Rendered { paths },
        Reply::Inspected { machine, .. } => JobOutcome::Inspected(Box::new(machine)),
        Reply::GpuSetUp { gpu, .. } => JobOutcome::GpuSetUp(Box::new(gpu)),
        Reply::Offered { offer, .. } => JobOutcome::Offered(offer),
        Reply::Fetched { model, .. } => JobOutcome::Fetched(model),
        Reply::Checked { checked, .. } => JobOutcome::Checked(checked),
        Reply::Failed {
            message,
            remedy,
            remedies,
            ..
        } => JobOutcome::Failed(Fault::Failed {
            message: sentence(&message),
            remedy: fault::remedy(&remedies, &remedy, is_capture),
        }),
        _ => return None,
    })
}

fn request(task: &Task, job: JobId) -> Request {
    match task.clone() {
        Task::Separate {
            song,
            model,
            engine,
        } => Request::Separate(Separate {
            model,
            engine,
            ..Separate::new(job, song)
        }),
        Task::Import { song } => Request::Import { job, song },
        Task::Render(render) => Request::Render(Render { job, ..*render }),
        Task::Inspect => Request::Inspect { job },
        Task::SetUpGpu => Request::SetUpGpu { job, from: None },
        Task::Offer { model } => Request::Offer { job, model },
        Task::Fetch { model } => Request::Fetch { job, model },
        Task::Check { model } => Request::Check { job, model },
    }
}
