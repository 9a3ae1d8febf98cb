//! The front end's requests.

use std::collections::BTreeMap;
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
        /// [`PROTOCOL`] of the front end.
        protocol: u32,
        /// Name and version of the front end, for the log: `sextet-plugin 0.1.0`.
        client: String,
    },
    /// Makes the stems of a clip, or finds them in the cache.
    Separate(Separate),
    /// Turns an audio file into a capture: stereo, float32, at its own rate. The last reply is
    /// `imported`.
    Import {
        /// The job.
        job: JobId,
        /// Path of an audio file of any kind that the command reads.
        song: PathBuf,
    },
    /// Writes stems of the cache as files. The last reply is `rendered`.
    Render(Render),
    /// Reports the machine: the GPU and what it lacks, and the models. The last reply is
    /// `inspected`.
    Inspect {
        /// The job.
        job: JobId,
    },
    /// Loads a model and starts its engine, so that the next clip does not wait for them. The last
    /// reply is `prepared`.
    Prepare(Prepare),
    /// Fetches the library that the GPU needs, for this user. A download that an earlier try left
    /// incomplete is resumed. The last reply is `gpu_set_up`.
    SetUpGpu {
        /// The job.
        job: JobId,
        /// The library's wheel, where it is on this machine already.
        #[serde(default)]
        from: Option<PathBuf>,
    },
    /// Reports the terms of fetching a model, and fetches nothing. The last reply is `offered`.
    Offer {
        /// The job.
        job: JobId,
        /// Name of the model in the catalogue.
        model: String,
    },
    /// Fetches a model. A download that an earlier try left incomplete is resumed. The last reply
    /// is `fetched`.
    Fetch {
        /// The job.
        job: JobId,
        /// Name of the model in the catalogue.
        model: String,
    },
    /// Checks whether a checkpoint or a bag can be used. The last reply is `checked`.
    Check {
        /// The job.
        job: JobId,
        /// Path of the checkpoint or bag, or a name in the catalogue.
        model: String,
    },
    /// Ends a job, whether it waits or runs. The reply is `cancelled` unless the job is over.
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
    /// Number of the job.
    pub job: JobId,
    /// Path of an audio file that is not changed meanwhile.
    pub song: PathBuf,
    /// The model as `sextet separate -m` takes it: a name in the catalogue, a checkpoint or a bag.
    #[serde(default = "bundled")]
    pub model: String,
    /// The engine that computes.
    #[serde(default)]
    pub engine: EngineName,
    /// Options that change the stems' samples.
    #[serde(flatten)]
    pub options: SeparationOptions,
}

/// A model that is to be loaded into its engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepare {
    /// Number of the job.
    pub job: JobId,
    /// The model as `sextet separate -m` takes it.
    #[serde(default = "bundled")]
    pub model: String,
    /// The engine that computes.
    #[serde(default)]
    pub engine: EngineName,
}

/// Stems of the cache that are to be written as files, `<folder>/<name>/<stem>.<extension>`, or as
/// one, `<folder>/<name>/<name>.stem.mp4`. Existing files are replaced when all new ones are
/// complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Render {
    /// Number of the job.
    pub job: JobId,
    /// Key of the cache entry.
    pub key: Fingerprint,
    /// The stems to write. An empty list means all of them, or none if there are `mixes`.
    #[serde(default)]
    pub stems: Vec<Stem>,
    /// The mixes to write, beside the stems.
    #[serde(default)]
    pub mixes: Vec<RenderMix>,
    /// Absolute path of the folder. It is made if it does not exist.
    pub folder: PathBuf,
    /// Name of the subfolder that the stems go to.
    pub name: String,
    /// Kind of the files.
    #[serde(default)]
    pub format: RenderFormat,
    /// Bits of a sample. `None`: the most that the format has.
    #[serde(default)]
    pub bits: Option<RenderBits>,
    /// Sample rate of the files in Hz. `None`: the stems' own.
    #[serde(default)]
    pub rate_hz: Option<u32>,
}

/// A mix of stems that is written as a file of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RenderMix {
    /// Name of the file, without its extension: `mix`, `no_vocals`.
    pub name: String,
    /// Factor of each stem. Stems that are left out are not in the mix.
    pub levels: BTreeMap<Stem, f32>,
}

impl Request {
    /// Returns the first line of a front end of this version.
    pub fn hello(client: impl Into<String>) -> Self {
        Self::Hello {
            protocol: PROTOCOL,
            client: client.into(),
        }
    }
}

impl Separate {
    /// Returns a job with the bundled model, the best engine and the default options.
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
