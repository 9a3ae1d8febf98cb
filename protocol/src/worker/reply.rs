//! What the worker answers.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::machine::{Checked, Gpu, Machine, ModelInfo, Offer};
use super::options::EngineName;
use super::request::JobId;
use crate::{Fingerprint, Stem};

/// One line of the worker.
///
/// A job is any number of `queued`, `loading`, `started`, `progress` and `warning`, and at last
/// exactly one of `done` (or what else answers its request: `imported`, `rendered`, `inspected`
/// ...), `cancelled` and `failed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// Both ends speak the same version.
    Hello(Welcome),
    /// They do not; the worker ends.
    Refused {
        /// [`PROTOCOL`](super::PROTOCOL) of the worker.
        protocol: u32,
        /// Version of the command.
        version: String,
        /// What was expected and what was found.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// A line was no request, or could not be heeded; the worker goes on.
    Error {
        /// What was wrong.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// The job has to wait.
    Queued {
        /// The job.
        job: JobId,
        /// For what.
        reason: Waiting,
    },
    /// Something has to be loaded, or made once, before the job can begin.
    Loading {
        /// The job.
        job: JobId,
        /// What is going on, as a phrase for people: `loading sextet-mini`, `building the engine,
        /// once for this model`.
        what: String,
        /// Steps done.
        done: u64,
        /// Of so many; 0 where it is not known.
        total: u64,
        /// Seconds that it usually takes, where it has no steps to count.
        usual_s: Option<f64>,
    },
    /// Model and engine are loaded and the cache does not have the stems: the separation begins.
    Started {
        /// The job.
        job: JobId,
        /// Key of the entry that will be made.
        key: Fingerprint,
        /// The model, as it was named.
        model: String,
        /// The engine, for people: `CPU (rten)`.
        engine: String,
        /// Why it is this engine, where there was a choice.
        note: Option<String>,
        /// The stems that will be made, in canonical order.
        stems: Vec<Stem>,
    },
    /// The job has come on; at most about ten times a second.
    Progress {
        /// The job.
        job: JobId,
        /// What is being done.
        stage: Stage,
        /// What the stage counts.
        done: u64,
        /// Of so many; 0 where it is not known.
        total: u64,
        /// Times real time.
        speed: Option<f64>,
        /// Time left.
        seconds_left: Option<f64>,
    },
    /// Something is odd but stops nothing.
    Warning {
        /// The job.
        job: JobId,
        /// What.
        message: String,
    },
    /// The stems are in the cache.
    Done {
        /// The job.
        job: JobId,
        /// Key of their entry.
        key: Fingerprint,
        /// Whether they were there before.
        cached: bool,
        /// How long the job took.
        seconds: f64,
    },
    /// The capture is in its place, as it was if it was there before.
    Imported {
        /// The job.
        job: JobId,
        /// Its audio, which the capture is named after.
        audio: Fingerprint,
        /// Its rate.
        rate_hz: u32,
        /// Its length.
        frames: u64,
    },
    /// The files are written.
    Rendered {
        /// The job.
        job: JobId,
        /// Where they are, in the order of the stems.
        paths: Vec<PathBuf>,
    },
    /// What was found on this machine.
    Inspected {
        /// The job.
        job: JobId,
        /// What.
        machine: Machine,
    },
    /// Model and engine are loaded, and stay so for a while.
    Prepared {
        /// The job.
        job: JobId,
        /// The engine, for people.
        engine: String,
        /// Why it is this engine, where there was a choice.
        note: Option<String>,
    },
    /// The GPU was set up.
    GpuSetUp {
        /// The job.
        job: JobId,
        /// What is found of it now.
        gpu: Gpu,
    },
    /// What fetching a model would take.
    Offered {
        /// The job.
        job: JobId,
        /// What.
        offer: Offer,
    },
    /// The model is here and opens.
    Fetched {
        /// The job.
        job: JobId,
        /// The model.
        model: ModelInfo,
    },
    /// The checkpoint or bag can be used.
    Checked {
        /// The job.
        job: JobId,
        /// What is in it.
        checked: Checked,
    },
    /// The job was ended on request; nothing is left of it.
    Cancelled {
        /// The job.
        job: JobId,
    },
    /// The job could not be done; nothing is left of it.
    Failed {
        /// The job.
        job: JobId,
        /// What sort of failure it was.
        kind: FailKind,
        /// What happened.
        message: String,
        /// What to do.
        remedy: String,
    },
}

/// The worker's side of the handshake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// [`PROTOCOL`](super::PROTOCOL) of the worker.
    pub protocol: u32,
    /// Version of the command.
    pub version: String,
    /// Engines of this build. Whether the machine can run them takes a look at it:
    /// [`Request::Inspect`](super::Request::Inspect).
    pub engines: Vec<EngineName>,
    /// Models that have a name, the bundled one first.
    pub models: Vec<ModelInfo>,
}

/// What a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// An earlier job of the same worker.
    EarlierJob,
    /// Another process is separating: engines are used in turn.
    OtherProcess,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Waiting::EarlierJob => "waiting for an earlier job",
            Waiting::OtherProcess => "waiting for another Sextet to finish its separation",
        })
    }
}

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The clip is read and looked up in the cache. `done` counts frames.
    Reading,
    /// The model runs. `done` counts chunks.
    Separating,
    /// The stems are checked and put into the cache. `done` and `total` count stems.
    Storing,
    /// Files are written. `done` counts frames.
    Writing,
    /// Files come over the network. `done` counts bytes.
    Fetching,
    /// What was fetched is checked and put in its place. `done` counts files.
    Installing,
}

/// What sort of failure ended a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailKind {
    /// The request cannot be heeded: an option's value cannot be used.
    Request,
    /// The clip is not there or cannot be read.
    Input,
    /// The clip is not audio, or broken audio.
    Audio,
    /// The model is unknown, missing, corrupt or not supported.
    Model,
    /// The engine cannot be started, or failed while it ran.
    Engine,
    /// The cache or the files asked for cannot be written: a full disk, a folder that is read-only.
    Output,
    /// What was to be fetched could not be reached, or what came was wrong. Asked again, it goes on
    /// where it stopped.
    Network,
    /// A mistake of the worker's.
    Internal,
}

impl Reply {
    /// The job that the line is about.
    pub fn job(&self) -> Option<JobId> {
        match self {
            Reply::Hello(_) | Reply::Refused { .. } | Reply::Error { .. } => None,
            Reply::Queued { job, .. }
            | Reply::Loading { job, .. }
            | Reply::Started { job, .. }
            | Reply::Progress { job, .. }
            | Reply::Warning { job, .. }
            | Reply::Done { job, .. }
            | Reply::Imported { job, .. }
            | Reply::Rendered { job, .. }
            | Reply::Inspected { job, .. }
            | Reply::Prepared { job, .. }
            | Reply::GpuSetUp { job, .. }
            | Reply::Offered { job, .. }
            | Reply::Fetched { job, .. }
            | Reply::Checked { job, .. }
            | Reply::Cancelled { job }
            | Reply::Failed { job, .. } => Some(*job),
        }
    }

    /// Whether the job is over with this line.
    pub fn is_last(&self) -> bool {
        matches!(
            self,
            Reply::Done { .. }
                | Reply::Imported { .. }
                | Reply::Rendered { .. }
                | Reply::Inspected { .. }
                | Reply::Prepared { .. }
                | Reply::GpuSetUp { .. }
                | Reply::Offered { .. }
                | Reply::Fetched { .. }
                | Reply::Checked { .. }
                | Reply::Cancelled { .. }
                | Reply::Failed { .. }
        )
    }
}
