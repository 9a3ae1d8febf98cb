//! The worker's replies.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::machine::{Checked, Gpu, Machine, ModelInfo, Offer};
use super::options::EngineName;
use super::request::JobId;
use crate::{Fingerprint, Remedy, Stem};

/// One line of the worker.
///
/// A job sends any number of `queued`, `loading`, `started`, `progress` and `warning`, and at last
/// exactly one of `done` (or the other reply that answers its request: `imported`, `rendered`,
/// `inspected` ...), `cancelled` and `failed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// The handshake succeeded: both ends speak the same version.
    Hello(Welcome),
    /// The handshake failed: the versions differ. The worker ends.
    Refused {
        /// [`PROTOCOL`](super::PROTOCOL) of the worker.
        protocol: u32,
        /// Version of the command.
        version: String,
        /// The version that was expected and the one that was found.
        message: String,
        /// The remedy: one sentence.
        remedy: String,
    },
    /// A line was no request, or could not be heeded. The worker goes on.
    Error {
        /// The fault that was found.
        message: String,
        /// The remedy: one sentence.
        remedy: String,
    },
    /// The job has to wait.
    Queued {
        /// The job.
        job: JobId,
        /// The reason for waiting.
        reason: Waiting,
    },
    /// Something has to be loaded, or made once, before the job can begin.
    Loading {
        /// The job.
        job: JobId,
        /// A phrase for people that names the work: `loading sextet-mini`, `building the engine,
        /// once for this model`.
        what: String,
        /// Number of steps done.
        done: u64,
        /// Number of steps in all; 0 where it is not known.
        total: u64,
        /// Usual duration in seconds, where there are no steps to count.
        usual_s: Option<f64>,
    },
    /// The separation begins: model and engine are loaded and the cache does not have the stems.
    Started {
        /// The job.
        job: JobId,
        /// Key of the cache entry that will be made.
        key: Fingerprint,
        /// The model, as it was named.
        model: String,
        /// The engine, for people: `CPU`.
        engine: String,
        /// The reason for this engine, where there was a choice.
        note: Option<String>,
        /// The stems that will be made, in canonical order.
        stems: Vec<Stem>,
    },
    /// The job has progressed. Sent at most about ten times a second.
    Progress {
        /// The job.
        job: JobId,
        /// The stage of the job.
        stage: Stage,
        /// Number of the stage's units done; [`Stage`] names the unit.
        done: u64,
        /// Number of units in all; 0 where it is not known.
        total: u64,
        /// Speed as a multiple of real time.
        speed: Option<f64>,
        /// Time left, in seconds.
        seconds_left: Option<f64>,
    },
    /// A condition that is odd but stops nothing.
    Warning {
        /// The job.
        job: JobId,
        /// The warning, for people.
        message: String,
    },
    /// The stems are in the cache.
    Done {
        /// The job.
        job: JobId,
        /// Key of their cache entry.
        key: Fingerprint,
        /// Whether the cache had them before the job.
        cached: bool,
        /// Duration of the job in seconds.
        seconds: f64,
    },
    /// The capture is in its place. One that was there before is left as it was.
    Imported {
        /// The job.
        job: JobId,
        /// Fingerprint of its audio, which the capture is named after.
        audio: Fingerprint,
        /// Sample rate of the capture in Hz.
        rate_hz: u32,
        /// Length of the capture in frames.
        frames: u64,
    },
    /// The files are written.
    Rendered {
        /// The job.
        job: JobId,
        /// Paths of the files, in the order of the stems.
        paths: Vec<PathBuf>,
    },
    /// The machine was inspected.
    Inspected {
        /// The job.
        job: JobId,
        /// The GPU and the models that were found.
        machine: Machine,
    },
    /// Model and engine are loaded. They stay loaded for a while.
    Prepared {
        /// The job.
        job: JobId,
        /// The engine, for people.
        engine: String,
        /// The reason for this engine, where there was a choice.
        note: Option<String>,
    },
    /// The GPU was set up.
    GpuSetUp {
        /// The job.
        job: JobId,
        /// The GPU's state after the setup.
        gpu: Gpu,
    },
    /// The terms of fetching a model are known; nothing was fetched.
    Offered {
        /// The job.
        job: JobId,
        /// The size, source and licence of the model.
        offer: Offer,
    },
    /// The model is on this machine and opens.
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
        /// The stems and the size of the checkpoint or bag.
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
        /// The sort of failure.
        kind: FailKind,
        /// The failure, in a sentence for people.
        message: String,
        /// The remedy: one sentence, which names no front end's controls.
        remedy: String,
        /// The same remedies as values, the best first, for a front end that has words of its own
        /// for them; empty where there are none that it could put better.
        remedies: Vec<Remedy>,
    },
}

/// The worker's side of the handshake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// [`PROTOCOL`](super::PROTOCOL) of the worker.
    pub protocol: u32,
    /// Version of the command.
    pub version: String,
    /// Engines of this build. Whether the machine can run them is told by
    /// [`Request::Inspect`](super::Request::Inspect).
    pub engines: Vec<EngineName>,
    /// Models that have a name, the bundled one first.
    pub models: Vec<ModelInfo>,
}

/// The reason for which a job waits.
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

/// The stage of a job that works.
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
    /// Fetched files are checked and put in their place. `done` counts files.
    Installing,
}

/// The sort of failure that ended a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailKind {
    /// The request cannot be heeded, because an option's value cannot be used.
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
    /// The network could not be reached, or the wrong data came. A repeated request goes on where
    /// this one stopped.
    Network,
    /// The worker has a bug.
    Internal,
}

impl Reply {
    /// Returns the job that the line is about; `None` for a line about no job.
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

    /// Returns whether this line is the last one of its job.
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
