//! Network: a checkpoint that was read and checked against its own description.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::checkpoint::Checkpoint;
use super::config::Config;
use super::error::ModelError;
use super::htdemucs;
use super::onnx::Element;
use super::program::{self, Program};
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

/// Configuration and weights of a checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    config: Config,
    weights: Weights,
    hash: String,
}

impl Network {
    /// Reads the bytes of a checkpoint and checks every tensor against the configuration.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ModelError> {
        let network = Self::read_unchecked(bytes)?;
        let outline = || htdemucs::outline(&network.config, network.weights.clone());

        timed("check the model's graph", outline)?;
        Ok(network)
    }

    /// Reads the bytes of a checkpoint that is known to hold the tensors of its configuration. If
    /// it does not, writing its graph fails later.
    pub(crate) fn read_unchecked(bytes: &[u8]) -> Result<Self, ModelError> {
        let read = || timed("read the model", || Checkpoint::read(bytes));
        let (read, hash) = rayon::join(read, || timed("hash the model", || Sha256::digest(bytes)));
        let Checkpoint { arguments, weights } = read?;
        let config = Config::from_arguments(arguments)?;
        Ok(Self {
            config,
            weights,
            hash: hex::encode(hash),
        })
    }

    /// Reads the checkpoint at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, ModelError> {
        let bytes = fs::read(path).map_err(|source| ModelError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::read(&bytes)
    }

    /// Returns the stems that the network gives, in this order.
    pub(crate) fn sources(&self) -> &[Stem] {
        &self.config.sources
    }

    /// Returns the number of frames of the network's segment.
    pub(crate) fn segment_frames(&self) -> usize {
        self.config.segment_frames
    }

    /// Returns the network with another segment. No tensor depends on its length.
    #[cfg(test)]
    pub(crate) fn with_segment(mut self, frames: usize) -> Self {
        self.config.segment_frames = frames;
        self
    }

    /// Returns the number of weights.
    pub(crate) fn parameters(&self) -> usize {
        self.weights.parameters()
    }

    /// Returns the number of products of two numbers that a segment takes, in convolutions and
    /// matrix products. Writes the graph's outline to count them.
    pub(crate) fn products(&self) -> u64 {
        let graph = htdemucs::outline(&self.config, self.weights.clone());
        // Ignore a graph that cannot be written: the error is reported when the graph is written
        // for an engine.
        graph.map_or(0, |graph| graph.products())
    }

    /// Returns the SHA-256 of the checkpoint, in hexadecimal.
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

    /// Returns the network as a program for engines of our own.
    pub(crate) fn program(&self) -> Result<Program, ModelError> {
        program::write(&self.config, self.weights.clone())
    }

    fn write(&self, batch: usize, compute_type: Element) -> Result<Vec<u8>, ModelError> {
        let graph = htdemucs::write(&self.config, self.weights.clone(), batch, compute_type)?;
        let sources: Vec<&str> = self.config.sources.iter().map(|stem| stem.name()).collect();
        Ok(graph.into_onnx(&[
            ("sources", sources.join(",")),
            ("checkpoint_sha256", self.hash.clone()),
        ]))
    }
}
