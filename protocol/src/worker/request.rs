//! What a front end says.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::options::{EngineName, SeparationOptions};
use super::{BUNDLED_MODEL, PROTOCOL};

/// Number of a job, chosen by the front end; no two of its unfinished jobs share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

/// One line to the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// The first line, answered by `hello` or `refused`.
    Hello {
        /// [`PROTOCOL`] of whoever asks.
        protocol: u32,
        /// Who asks, for the log: `sextet-plugin 0.1.0`.
        client: String,
    },
    /// Makes the stems of a clip, or finds them in the cache.
    Separate(Separate),
    /// Ends a job, whether it waits or runs. Answered by `cancelled` unless the job is over.
    Cancel {
        /// The job.
        job: JobId,
    },
    /// Cancels all jobs and ends the worker, as the end of its standard input does.
    Shutdown,
}

/// A clip to be separated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Separate {
    /// Its number.
    pub job: JobId,
    /// Path of an audio file that is not changed meanwhile.
    pub song: PathBuf,
    /// As `sextet separate -m` takes it: a name of the catalogue, a checkpoint or a bag.
    #[serde(default = "bundled")]
    pub model: String,
    /// What computes.
    #[serde(default)]
    pub engine: EngineName,
    /// How it is separated.
    #[serde(flatten)]
    pub options: SeparationOptions,
}

impl Request {
    /// The first line of this version's front ends.
    pub fn hello(client: impl Into<String>) -> Self {
        Self::Hello { protocol: PROTOCOL, client: client.into() }
    }
}

impl Separate {
    /// A job with the bundled model, the best engine and the default options.
    pub fn new(job: JobId, song: impl Into<PathBuf>) -> Self {
        let (model, engine, options) = (bundled(), EngineName::default(), SeparationOptions::default());
        Self { job, song: song.into(), model, engine, options }
    }
}

fn bundled() -> String {
    BUNDLED_MODEL.to_owned()
}
