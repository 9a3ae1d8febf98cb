//! A job from the first line to the last: a state machine that is stepped by the session thread.
//!
//! Each job has a process of its own, so that its memory, the GPU's too, goes with it, and giving it up is ending it.

use std::path::PathBuf;
use std::thread::Thread;
use std::time::{Duration, Instant};

use sextet_protocol::worker::{
    self, EngineName, JobId, ModelInfo, PROTOCOL, Render, Reply, Request, Separate, Waiting,
};
use sextet_protocol::{Fingerprint, Folders};

use super::client::{Client, Heard};
use super::command;
use super::fault::{Fault, spawn_reason};

/// A command that does not introduce itself for so long is none.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// A worker that says nothing for so long has hung: chunks take seconds, building an engine for a GPU a few minutes.
const SILENCE: Duration = Duration::from_secs(300);
/// Lines that are no messages before the command is taken for something else.
const MOST_RUBBISH: u32 = 20;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Task {
    /// Make stems of a capture.
    Separate { song: PathBuf, model: String, engine: EngineName },
    /// Make a capture of a file.
    Import { song: PathBuf },
    /// Write stems as files.
    Render(Box<Render>),
}

/// How far it is. The worker may skip any of the middle ones.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// The process was started and has not answered.
    Starting,
    /// It waits for its turn.
    Queued(Waiting),
    /// It loads, for people: what.
    Loading(String),
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

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ended {
    /// The stems are in the cache.
    Separated { key: Fingerprint, seconds: f64, cached: bool },
    /// The capture is in its place.
    Imported { audio: Fingerprint, rate_hz: u32, frames: u64 },
    /// The files are written.
    Rendered { paths: Vec<PathBuf> },
    /// It was not done.
    Failed(Fault),
}

/// A running job. Dropping it ends its process.
pub(crate) struct Job {
    task: Task,
    command: PathBuf,
    client: Client,
    stage: Stage,
    /// The worker has introduced itself.
    greeted: bool,
    heard_at: Instant,
    rubbish: u32,
    /// Engine and model in use, for people, once they are known.
    pub(crate) engine: Option<String>,
    /// The models that the worker knows.
    pub(crate) models: Vec<ModelInfo>,
    /// The last warning.
    pub(crate) warning: Option<String>,
}

/// The only job of a process.
const JOB: JobId = JobId(1);

impl Job {
    /// Starts a process for a task.
    ///
    /// # Errors
    /// When the command is not there or cannot be run.
    pub(crate) fn start(task: Task, folders: &Folders, session: Thread) -> Result<Self, Fault> {
        let missing = || Fault::NoCommand { installed: folders.installed_command() };
        let command = command::find(folders).ok_or_else(missing)?;
        let started = Client::start(&command, folders, session);
        let mut client =
            started.map_err(|error| Fault::Spawn { command: command.clone(), reason: spawn_reason(&error) })?;
        client.say(&Request::hello(concat!("sextet-plugin ", env!("CARGO_PKG_VERSION"))));
        let (stage, heard_at) = (Stage::Starting, Instant::now());
        Ok(Self {
            task,
            command,
            client,
            stage,
            greeted: false,
            heard_at,
            rubbish: 0,
            engine: None,
            models: Vec::new(),
            warning: None,
        })
    }

    /// What is being done.
    pub(crate) fn task(&self) -> &Task {
        &self.task
    }

    /// How far it is.
    pub(crate) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Takes in what the worker has said; gives the end when it has come.
    pub(crate) fn step(&mut self, now: Instant) -> Option<Ended> {
        while let Some(heard) = self.client.hear() {
            if !matches!(heard, Heard::Closed) {
                self.heard_at = now;
            }
            let ended = match heard {
                Heard::Reply(reply) => self.take(reply),
                Heard::Rubbish(said) => self.puzzle(said),
                Heard::Closed => Some(Ended::Failed(self.obituary())),
            };
            if ended.is_some() {
                return ended;
            }
        }
        let patience = if self.greeted { SILENCE } else { HANDSHAKE };
        let silent = now.duration_since(self.heard_at) > patience;
        silent.then(|| {
            self.client.bury();
            let (command, said) = (self.command.clone(), "it says nothing.".to_owned());
            Ended::Failed(if self.greeted {
                Fault::Stalled { after: patience }
            } else {
                Fault::Stranger { command, said }
            })
        })
    }

    fn take(&mut self, reply: Reply) -> Option<Ended> {
        match reply {
            Reply::Hello(welcome) if welcome.protocol != PROTOCOL => {
                return Some(Ended::Failed(Fault::Version { command: self.command.clone(), found: welcome.version }));
            }
            Reply::Hello(welcome) if !self.greeted => {
                self.models = welcome.models;
                self.greeted = true;
                let request = self.request();
                self.client.say(&request);
            }
            Reply::Refused { version, .. } => {
                return Some(Ended::Failed(Fault::Version { command: self.command.clone(), found: version }));
            }
            Reply::Error { message, remedy } => return Some(Ended::Failed(Fault::Failed { message, remedy })),
            Reply::Queued { reason, .. } => self.stage = Stage::Queued(reason),
            Reply::Loading { what, .. } => self.stage = Stage::Loading(what),
            Reply::Started { model, engine, .. } => {
                self.engine = Some(format!("{model} on {engine}"));
                self.stage = Stage::Working { stage: None, done: 0, total: 0, speed: None, left_s: None };
            }
            Reply::Progress { stage, done, total, speed, seconds_left, .. } => {
                self.stage = Stage::Working { stage: Some(stage), done, total, speed, left_s: seconds_left };
            }
            Reply::Warning { message, .. } => self.warning = Some(message),
            Reply::Done { key, cached, seconds, .. } => return Some(Ended::Separated { key, seconds, cached }),
            Reply::Imported { audio, rate_hz, frames, .. } => return Some(Ended::Imported { audio, rate_hz, frames }),
            Reply::Rendered { paths, .. } => return Some(Ended::Rendered { paths }),
            Reply::Failed { message, remedy, .. } => return Some(Ended::Failed(Fault::Failed { message, remedy })),
            Reply::Inspected { .. }
            | Reply::Prepared { .. }
            | Reply::GpuSetUp { .. }
            | Reply::Offered { .. }
            | Reply::Fetched { .. }
            | Reply::Checked { .. } => {}
            // A second greeting says nothing; a job that is cancelled is dropped, so that nobody is told of it.
            Reply::Hello(_) | Reply::Cancelled { .. } => {}
        }
        None
    }

    fn request(&self) -> Request {
        match &self.task {
            Task::Separate { song, model, engine } => {
                Request::Separate(Separate { model: model.clone(), engine: *engine, ..Separate::new(JOB, song) })
            }
            Task::Import { song } => Request::Import { job: JOB, song: song.clone() },
            Task::Render(render) => Request::Render(Render { job: JOB, ..render.as_ref().clone() }),
        }
    }

    /// A line that is no message: from whoever has not said hello it shows that this is no worker.
    fn puzzle(&mut self, said: String) -> Option<Ended> {
        self.rubbish += 1;
        let stranger = !self.greeted || self.rubbish > MOST_RUBBISH;
        stranger.then(|| {
            self.client.bury();
            Ended::Failed(Fault::Stranger { command: self.command.clone(), said })
        })
    }

    fn obituary(&mut self) -> Fault {
        let status = self.client.how_it_ended();
        let said = self.client.last_words();
        if !self.greeted {
            let said = if said.is_empty() { "it ends at once.".to_owned() } else { said.trim().to_owned() };
            return Fault::Stranger { command: self.command.clone(), said };
        }
        let how = status.map_or_else(|| "it closed its output".to_owned(), |status| status.to_string());
        Fault::Died { how, said }
    }
}
