//! Network: a checkpoint that was read and checked against its own description.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::checkpoint::Checkpoint;
use super::config::Config;
use super::error::ModelError;
use super::htdemucs;
use super::onnx::Element;
use super::program::{self, Program};
use super::roformer;
use super::weights::Weights;
use crate::Stem;
use crate::setters::setters;
use crate::timings::timed;

/// Element type of a graph's weights and of everything computed from them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// All values are float32.
    #[default]
    F32,
    /// Values are float16, except for the Fourier transforms, the statistics of every norm and the
    /// last sum, which stay float32.
    F16,
}

/// Options for writing a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ExportOptions {
    /// Number of segments in a batch, 1 to 64.
    pub batch: usize,
    /// Compute type.
    pub precision: Precision,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            batch: 1,
            precision: Precision::F32,
        }
    }
}

setters!(ExportOptions {
    batch: usize,
    precision: Precision,
});

/// Kind of network, with its configuration.
#[derive(Clone, Debug)]
enum Family {
    HtDemucs(Config),
    Roformer(roformer::Config),
}

/// Looks for the configuration of a checkpoint: its text, or `None` if there is none.
pub(crate) type FindConfig<'a> = &'a dyn Fn() -> Result<Option<String>, ModelError>;

/// Configuration and weights of a checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    family: Family,
    weights: Weights,
    checkpoint_sha256: String,
    hash: String,
}

impl Network {
    /// Reads the bytes of a checkpoint and checks every tensor against the configuration.
    /// `config` is asked for the text of a YAML file if the checkpoint does not say what it is.
    pub(crate) fn read(bytes: &[u8], config: FindConfig<'_>) -> Result<Self, ModelError> {
        let network = Self::read_unchecked(bytes, config)?;
        timed("check the model's tensors", || network.check())?;
        Ok(network)
    }

    /// Reads the bytes of a checkpoint that is known to hold the tensors of its configuration. If
    /// it does not, writing its graph fails later.
    pub(crate) fn read_unchecked(bytes: &[u8], config: FindConfig<'_>) -> Result<Self, ModelError> {
        let read = || timed("read the model", || Checkpoint::read(bytes));
        let (read, hash) = rayon::join(read, || timed("hash the model", || Sha256::digest(bytes)));
        let Checkpoint { arguments, weights } = read?;
        let checkpoint_sha256 = hex::encode(hash);

        let (family, hash) = match arguments {
            Ok(arguments) => {
                let config = Config::from_arguments(arguments)?;
                (Family::HtDemucs(config), checkpoint_sha256.clone())
            }
            Err(undescribed) => {
                let text = config()?.ok_or(undescribed)?;
                let config = roformer::Config::from_yaml(&text)?;

                // The same tensors give other stems with another configuration.
                let digest = Sha256::new().chain_update(&checkpoint_sha256);
                let digest = digest.chain_update(&text).finalize();
                (Family::Roformer(config), hex::encode(digest))
            }
        };

        Ok(Self {
            family,
            weights,
            checkpoint_sha256,
            hash,
        })
    }

    /// Reads the checkpoint at `path`, and the configuration at `config` if it needs one. Without
    /// `config`, that is the YAML file of the checkpoint's name, or the only one in its folder.
    pub(crate) fn open(path: &Path, config: Option<&Path>) -> Result<Self, ModelError> {
        let bytes = fs::read(path).map_err(|source| ModelError::Unreadable {
            path: path.to_owned(),
            source,
        })?;

        Self::read(&bytes, &|| {
            let found = config.map(Path::to_owned).or_else(|| config_beside(path));
            let Some(path) = found else {
                return Ok(None);
            };
            let read = fs::read_to_string(&path);
            let text = read.map_err(|source| ModelError::UnreadableConfig { path, source })?;
            Ok(Some(text))
        })
    }

    /// Checks every tensor against the configuration.
    fn check(&self) -> Result<(), ModelError> {
        match &self.family {
            Family::HtDemucs(config) => htdemucs::outline(config, self.weights.clone()).map(drop),
            Family::Roformer(config) => roformer::check(config, &self.weights),
        }
    }

    /// Returns the stems that the network gives, in this order.
    pub(crate) fn sources(&self) -> &[Stem] {
        match &self.family {
            Family::HtDemucs(config) => &config.sources,
            Family::Roformer(config) => &config.sources,
        }
    }

    /// Returns the number of frames of the network's segment.
    pub(crate) fn segment_frames(&self) -> usize {
        match &self.family {
            Family::HtDemucs(config) => config.segment_frames,
            Family::Roformer(config) => config.chunk_frames,
        }
    }

    /// Returns the network with another segment. No tensor depends on its length.
    #[cfg(test)]
    pub(crate) fn with_segment(mut self, frames: usize) -> Self {
        match &mut self.family {
            Family::HtDemucs(config) => config.segment_frames = frames,
            Family::Roformer(config) => config.chunk_frames = frames,
        }
        self
    }

    /// Returns the number of weights.
    pub(crate) fn parameters(&self) -> usize {
        self.weights.parameters()
    }

    /// Returns the number of products of two numbers that a segment takes, in convolutions and
    /// matrix products. Writes the outline of HTDemucs' graph to count them.
    pub(crate) fn products(&self) -> u64 {
        match &self.family {
            Family::HtDemucs(config) => {
                let graph = htdemucs::outline(config, self.weights.clone());
                // Ignore a graph that cannot be written: the error is reported when the graph is
                // written for an engine.
                graph.map_or(0, |graph| graph.products())
            }
            Family::Roformer(config) => roformer::products(config),
        }
    }

    /// Returns the SHA-256, in hexadecimal, of all that decides what the network gives: the
    /// checkpoint, and its configuration where that is a file of its own.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns the bytes of an ONNX file of the network. Input: `mix` [batch, 2, segment]; output:
    /// `stems` [batch, stems, 2, segment].
    pub(crate) fn onnx(&self, options: ExportOptions) -> Result<Vec<u8>, ModelError> {
        if !(1..=64).contains(&options.batch) {
            return Err(ModelError::Batch {
                found: options.batch,
            });
        }

        let compute_type = match options.precision {
            Precision::F32 => Element::F32,
            Precision::F16 => Element::F16,
        };
        self.write(options.batch, compute_type)
    }

    /// Returns whether no engine runs the network: nothing yet puts its chunks together.
    pub(crate) fn is_export_only(&self) -> bool {
        matches!(self.family, Family::Roformer(_))
    }

    /// Returns the network as a program for engines of our own.
    pub(crate) fn program(&self) -> Result<Program, ModelError> {
        match &self.family {
            Family::HtDemucs(config) => program::write(config, self.weights.clone()),
            Family::Roformer(_) => Err(ModelError::NoProgram),
        }
    }

    fn write(&self, batch: usize, compute_type: Element) -> Result<Vec<u8>, ModelError> {
        let weights = self.weights.clone();
        let graph = match &self.family {
            Family::HtDemucs(config) => htdemucs::write(config, weights, batch, compute_type)?,
            Family::Roformer(config) => roformer::write(config, weights, batch, compute_type)?,
        };

        let sources: Vec<&str> = self.sources().iter().map(|stem| stem.name()).collect();
        Ok(graph.into_onnx(&[
            ("sources", sources.join(",")),
            ("checkpoint_sha256", self.checkpoint_sha256.clone()),
        ]))
    }
}

/// Returns the YAML file of the checkpoint's name, or the only one in its folder.
fn config_beside(checkpoint: &Path) -> Option<PathBuf> {
    let is_yaml = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("yaml" | "yml")) && path.is_file()
    };
    let named = ["yaml", "yml"].map(|extension| checkpoint.with_extension(extension));
    if let Some(named) = named.into_iter().find(is_yaml) {
        return Some(named);
    }

    let folder = match checkpoint.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let files = fs::read_dir(folder).ok()?.flatten().map(|file| file.path());
    let mut found = files.filter(is_yaml);
    found.next().filter(|_| found.next().is_none())
}
