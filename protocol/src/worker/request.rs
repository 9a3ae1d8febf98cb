//! What a front end says.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::options::{EngineName, RenderBits, RenderFormat, SeparationOptions};
use super::{BUNDLED_MODEL, PROTOCOL};
use crate::{Fingerprint, Stem};

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
    /// Turns an audio file into a capture: stereo, float32, at its own rate. Answered at last by
    /// `imported`.
    Import {
        /// The job.
        job: JobId,
        /// Path of an audio file of any kind that the command reads.
        song: PathBuf,
    },
    /// Writes stems of the cache as files. Answered at last by `rendered`.
    Render(Render),
    /// Says what was found on this machine: the GPU and what it lacks, the models. Answered at last
    /// by `inspected`.
    Inspect {
        /// The job.
        job: JobId,
    },
    /// Loads a model and starts its engine, so that the next clip does not wait for them. Answered
    /// at last by `prepared`.
    Prepare(Prepare),
    /// Fetches the library that the GPU needs, for this user. What an earlier try left is gone on
    /// with. Answered at last by `gpu_set_up`.
    SetUpGpu {
        /// The job.
        job: JobId,
        /// The wheel, where it is on this machine already.
        #[serde(default)]
        from: Option<PathBuf>,
    },
    /// Asks what fetching a model takes, and fetches nothing. Answered at last by `offered`.
    Offer {
        /// The job.
        job: JobId,
        /// A name of the catalogue.
        model: String,
    },
    /// Fetches a model. What an earlier try left is gone on with. Answered at last by `fetched`.
    Fetch {
        /// The job.
        job: JobId,
        /// A name of the catalogue.
        model: String,
    },
    /// Looks whether a checkpoint or a bag can be used. Answered at last by `checked`.
    Check {
        /// The job.
        job: JobId,
        /// Its path, or a name of the catalogue.
        model: String,
    },
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

/// A model that is to be loaded into its engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepare {
    /// Its number.
    pub job: JobId,
    /// As `sextet separate -m` takes it.
    #[serde(default = "bundled")]
    pub model: String,
    /// What computes.
    #[serde(default)]
    pub engine: EngineName,
}

/// Stems of the cache that are to be written as files, `<folder>/<name>/<stem>.<wav or flac>`.
/// Files that are there are replaced when all are complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Render {
    /// Its number.
    pub job: JobId,
    /// The entry.
    pub key: Fingerprint,
    /// Which stems; all where none is named.
    #[serde(default)]
    pub stems: Vec<Stem>,
    /// An absolute path. It is made if it is not there.
    pub folder: PathBuf,
    /// Name of the folder in it that the stems go to.
    pub name: String,
    /// Kind of the files.
    #[serde(default)]
    pub format: RenderFormat,
    /// Bits of a sample; the most that the format has where it is not said.
    #[serde(default)]
    pub bits: Option<RenderBits>,
    /// Rate of the files; the stems' own where it is not said.
    #[serde(default)]
    pub rate_hz: Option<u32>,
}

impl Request {
    /// The first line of this version's front ends.
    pub fn hello(client: impl Into<String>) -> Self {
        Self::Hello {
            protocol: PROTOCOL,
            client: client.into(),
        }
    }
}

impl Separate {
    /// A job with the bundled model, the best engine and the default options.
    pub fn new(job: JobId, song: impl Into<PathBuf>) -> Self {
        let (model, engine, options) = (
            bundled(),
            EngineName::default(),
            SeparationOptions::default(),
        );
        Self {
            job,
            song: song.into(),
            model,
            engine,
            options,
        }
    }
}

fn bundled() -> String {
    BUNDLED_MODEL.to_owned()
}
