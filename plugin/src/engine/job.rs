//! A job from the first line to the last: a state machine that is stepped by the session thread.
//!
//! A job has its worker for itself until it ends, so that dropping it is ending a process, and all
//! its memory, the GPU's too, goes with it. A separation hands its worker on to the next.

use std::path::PathBuf;
use std::thread::Thread;
use std::time::Instant;

use sextet_protocol::worker::{
    self, Checked, EngineName, Gpu, JobId, Machine, ModelInfo, Offer, Render, Reply, Request,
    Separate, Waiting,
};
use sextet_protocol::{Fingerprint, Folders};

use super::fault::{Fault, sentence};
use super::kept::Kept;
use super::worker::Worker;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Task {
    /// Make stems of a capture.
    Separate {
        song: PathBuf,
        model: String,
        engine: EngineName,
    },
    /// Make a capture of a file.
    Import { song: PathBuf },
    /// Write stems as files.
    Render(Box<Render>),
    /// Say what was found on this machine.
    Inspect,
    /// Fetch what the GPU needs.
    SetUpGpu,
    /// Say what fetching a model takes.
    Offer { model: String },
    /// Fetch a model.
    Fetch { model: String },
    /// Look whether a checkpoint can be used.
    Check { model: String },
}

/// How far it is. The worker may skip any of the middle ones.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// The process was started and has not answered.
    Starting,
    /// It waits for its turn.
    Queued(Waiting),
    /// It loads.
    Loading(Loading),
    /// It works.
    Working {
        stage: Option<worker::Stage>,
        done: u64,
        total: u64,
        /// Times real time.
        speed: Option<f64>,
        left_s: Option<f64>,
    },
}

/// What is loaded, or made once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Loading {
    /// A phrase for people: `loading sextet-mini`.
    pub(crate) what: String,
    pub(crate) done: u64,
    /// 0 where there is nothing to count.
    pub(crate) total: u64,
    /// Seconds that it usually takes, where it has no steps to count.
    pub(crate) usual_s: Option<f64>,
    pub(crate) since: Instant,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ended {
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
    /// This was found.
    Inspected(Box<Machine>),
    /// The GPU was set up.
    GpuSetUp(Box<Gpu>),
    /// This would be fetched.
    Offered(Offer),
    /// The model is here.
    Fetched(ModelInfo),
    /// The checkpoint can be used.
    Checked(Checked),
    /// It was not done.
    Failed(Fault),
}

/// A running job. Dropping it ends its process.
pub(crate) struct Job {
    task: Task,
    id: JobId,
    worker: Worker,
    stage: Stage,
    /// The worker had other jobs before.
    is_later: bool,
    /// The worker has begun.
    begun: bool,
    /// Engine and model in use, for people, once they are known.
    pub(crate) engine: Option<String>,
    /// The last warning.
    pub(crate) warning: Option<String>,
}

impl Loading {
    /// What a line says of it, if it says something.
    pub(super) fn of(reply: &Reply, now: Instant) -> Option<Self> {
        let Reply::Loading {
            what,
            done,
            total,
            usual_s,
            ..
        } = reply
        else {
            return None;
        };
        Some(Self {
            what: what.clone(),
            done: *done,
            total: *total,
            usual_s: *usual_s,
            since: now,
        })
    }
}

impl Job {
    /// Starts a process for a task.
    ///
    /// # Errors
    /// When the command is not there or cannot be run.
    pub(crate) fn start(task: Task, folders: &Folders, session: Thread) -> Result<Self, Fault> {
        let worker = Worker::start(folders, session)?;
        Ok(Self {
            is_later: false,
            ..Self::after(worker, task, None)
        })
    }

    /// Gives a task to a worker, which is still loading perhaps.
    pub(super) fn after(mut worker: Worker, task: Task, loading: Option<Loading>) -> Self {
        let stage = loading.map_or(Stage::Starting, Stage::Loading);
        let id = worker.ask(|id| request(&task, id));
        Self {
            task,
            id,
            worker,
            stage,
            is_later: true,
            begun: false,
            engine: None,
            warning: None,
        }
    }

    /// What is being done.
    pub(crate) fn task(&self) -> &Task {
        &self.task
    }

    /// How far it is.
    pub(crate) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Whether this fault is that a worker that had been kept went before it began with this:
    /// another one may do it.
    pub(crate) fn was_never_begun(&self, fault: &Fault) -> bool {
        self.is_later && !self.begun && matches!(fault, Fault::Died { .. })
    }

    /// Takes in what the worker has said; gives the end when it has come.
    pub(crate) fn step(&mut self, now: Instant) -> Option<Ended> {
        loop {
            match self.worker.hear(now) {
                Ok(Some(reply)) => {
                    let ended = self.take(reply, now);
                    if ended.is_some() {
                        return ended;
                    }
                }
                Ok(None) => {
                    let is_loading = matches!(self.stage, Stage::Loading(_));
                    return self
                        .worker
                        .check_patience(now, is_loading)
                        .err()
                        .map(Ended::Failed);
                }
                Err(fault) => return Some(Ended::Failed(fault)),
            }
        }
    }

    /// The worker of a separation that is done, for the next one.
    pub(crate) fn keep_worker(self) -> Option<Kept> {
        let Task::Separate { model, engine, .. } = self.task else {
            return None;
        };
        Some(Kept::after_job(self.worker, (model, engine)))
    }

    /// Gives a separation up. Its worker is kept for the next one if it is through with it at once.
    pub(crate) fn cancel(mut self) -> Option<Kept> {
        let Task::Separate { model, engine, .. } = self.task else {
            return None;
        };
        self.worker
            .cancel(self.id)
            .then(|| Kept::after_cancel(self.worker, (model, engine)))
    }

    /// The process' number.
    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.worker.pid()
    }

    /// Tells the process to end, and waits for nothing.
    pub(crate) fn dismiss(&mut self) {
        self.worker.dismiss();
    }

    fn take(&mut self, reply: Reply, now: Instant) -> Option<Ended> {
        if let Some(loading) = Loading::of(&reply, now) {
            // An earlier job's, too: this one waits for it.
            self.stage = Stage::Loading(loading);
            return None;
        }

        if reply.job() != Some(self.id) {
            return None;
        }

        match reply {
            Reply::Queued {
                reason: Waiting::EarlierJob,
                ..
            } if matches!(self.stage, Stage::Loading(_)) => {}
            Reply::Queued { reason, .. } => self.stage = Stage::Queued(reason),
            Reply::Started { model, engine, .. } => {
                self.begun = true;
                self.engine = Some(format!("{model} on {engine}"));
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
                self.begun = true;
                self.stage = Stage::Working {
                    stage: Some(stage),
                    done,
                    total,
                    speed,
                    left_s: seconds_left,
                };
            }
            Reply::Warning { message, .. } => self.warning = Some(message),
            last => return end(last),
        }

        None
    }
}

/// How a job ended with its last line. One that is cancelled is dropped, so that nobody is told of
/// it.
fn end(reply: Reply) -> Option<Ended> {
    Some(match reply {
        Reply::Done { key, cached, .. } => Ended::Separated { key, cached },
        Reply::Imported {
            audio,
            rate_hz,
            frames,
            ..
        } => Ended::Imported {
            audio,
            rate_hz,
            frames,
        },
        Reply::Rendered { paths, .. } => Ended::Rendered { paths },
        Reply::Inspected { machine, .. } => Ended::Inspected(Box::new(machine)),
        Reply::GpuSetUp { gpu, .. } => Ended::GpuSetUp(Box::new(gpu)),
        Reply::Offered { offer, .. } => Ended::Offered(offer),
        Reply::Fetched { model, .. } => Ended::Fetched(model),
        Reply::Checked { checked, .. } => Ended::Checked(checked),
        Reply::Failed {
            message, remedy, ..
        } => Ended::Failed(Fault::Failed {
            message: sentence(&message),
            remedy: sentence(&remedy),
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
