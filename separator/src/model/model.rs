//! Models: one network, or a bag of networks with weights for each source.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::ModelError;
use super::network::{ExportOptions, Network};
use crate::{Result, Stem};

/// Model of one network, or of several whose outputs are averaged with weights
/// (`demucs.apply.BagOfModels`).
#[derive(Clone, Debug)]
pub struct Model {
    networks: Vec<(Network, Vec<f32>)>,
}

impl Model {
    /// Returns `sextet-mini`, the model that is built in with the feature `bundled-model`.
    ///
    /// # Errors
    /// Never fails in a library that passes its tests.
    #[cfg(feature = "bundled-model")]
    pub fn bundled() -> Result<Self> {
        // The tensors need no check at run time: a test checks them.
        Ok(Self::of(Network::read_unchecked(
            sextet_model_mini::CHECKPOINT,
            &|| Ok(None),
        )?))
    }

    /// Opens the checkpoint at `path`: a `.safetensors` file in the layout that demucs 4.1
    /// publishes, or one of PyTorch's, in demucs' older layout (`.th`) or of a RoFormer (`.ckpt`)
    /// whose configuration lies beside it: `NAME.yaml`, or the only YAML file in its folder. No
    /// code in it is run: it is read as data, and what is no data is refused by name.
    ///
    /// # Errors
    /// Returns a [`ModelError`] when the file cannot be read, is damaged, or is of an unsupported
    /// kind.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::of(Network::open(path.as_ref(), None)?))
    }

    /// Opens the checkpoint at `path`, which does not say what it is, with the configuration at
    /// `config`: the YAML file that a RoFormer was trained with. [`Model::open`] finds that by
    /// itself beside the checkpoint.
    ///
    /// # Errors
    /// Fails like [`Model::open`], and when the configuration cannot be read or asks for what is
    /// not supported.
    pub fn open_with_config(path: impl AsRef<Path>, config: impl AsRef<Path>) -> Result<Self> {
        let network = Network::open(path.as_ref(), Some(config.as_ref()))?;
        Ok(Self::of(network))
    }

    /// Reads a checkpoint from the bytes of its file.
    ///
    /// # Errors
    /// Fails like [`Model::open`].
    pub fn read(bytes: &[u8]) -> Result<Self> {
        Ok(Self::of(Network::read(bytes, &|| Ok(None))?))
    }

    /// Reads a checkpoint from the bytes of its file, and its configuration from a YAML text.
    ///
    /// # Errors
    /// Fails like [`Model::open_with_config`].
    pub fn read_with_config(bytes: &[u8], config: &str) -> Result<Self> {
        let config = || Ok(Some(config.to_owned()));
        Ok(Self::of(Network::read(bytes, &config)?))
    }

    fn of(network: Network) -> Self {
        let weights = vec![1.0; network.sources().len()];
        Self {
            networks: vec![(network, weights)],
        }
    }

    /// Combines several models into one. `weights[m][s]` is the weight of model `m` for source `s`.
    /// The result is divided by the sum of each source's weights, as demucs does.
    ///
    /// # Errors
    /// Returns a [`ModelError`] when the models give different sources, or the weights do not fit.
    pub fn bag(models: Vec<Model>, weights: Vec<Vec<f32>>) -> Result<Self> {
        if models.is_empty() || models.len() != weights.len() {
            return Err(ModelError::EmptyBag {
                models: models.len(),
                rows: weights.len(),
            }
            .into());
        }

        let expected = models[0].sources().to_vec();
        if let Some(other) = models.iter().find(|model| model.sources() != expected) {
            let names = |sources: &[Stem]| {
                sources
                    .iter()
                    .map(|stem| stem.name())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            return Err(ModelError::MixedBag {
                expected: names(&expected),
                found: names(other.sources()),
            }
            .into());
        }

        let counts = |source: usize| {
            weights
                .iter()
                .any(|row| row.get(source).is_some_and(|&weight| weight > 0.0))
        };

        for (model, row) in weights.iter().enumerate() {
            let usable = row
                .iter()
                .all(|weight| weight.is_finite() && *weight >= 0.0);
            if row.len() != expected.len() || !usable || !(0..expected.len()).all(counts) {
                let found = format!("{row:?}");
                return Err(ModelError::BagWeights {
                    model,
                    expected: expected.len(),
                    found,
                }
                .into());
            }
        }

        let networks = models.into_iter().zip(weights).flat_map(|(model, row)| {
            let scale =
                move |own: Vec<f32>| own.iter().zip(&row).map(|(own, row)| own * row).collect();
            model
                .networks
                .into_iter()
                .map(move |(network, own)| (network, scale(own)))
        });

        Ok(Self {
            networks: networks.collect(),
        })
    }

    /// Returns the stems that the model gives, in canonical order: demucs' four or six.
    pub fn sources(&self) -> &[Stem] {
        self.networks[0].0.sources()
    }

    /// Returns the number of frames, at [`MODEL_RATE_HZ`](super::MODEL_RATE_HZ), of the model's
    /// segment. For a bag, returns the longest.
    pub fn segment_frames(&self) -> usize {
        self.networks
            .iter()
            .map(|(network, _)| network.segment_frames())
            .max()
            .unwrap_or_default()
    }

    /// Returns the number of weights in all networks.
    pub fn parameters(&self) -> usize {
        self.networks
            .iter()
            .map(|(network, _)| network.parameters())
            .sum()
    }

    /// Returns the number of networks: 1, except for a bag.
    pub fn networks(&self) -> usize {
        self.networks.len()
    }

    /// Returns the number of products of two numbers that a segment takes in all networks, in
    /// convolutions and matrix products. They take most of the time on a CPU. They are counted in
    /// the graphs, which are written for this purpose.
    pub fn products(&self) -> u64 {
        self.networks
            .iter()
            .map(|(network, _)| network.products())
            .sum()
    }

    /// Returns the SHA-256 of the checkpoint in hexadecimal, or for a bag that of its checkpoints'
    /// hashes and weights.
    pub fn hash(&self) -> String {
        if let [(network, _)] = self.networks.as_slice() {
            return network.hash().to_owned();
        }

        let mut digest = Sha256::new();
        for (network, weights) in &self.networks {
            digest.update(network.hash());
            weights
                .iter()
                .for_each(|weight| digest.update(weight.to_le_bytes()));
        }

        hex::encode(digest.finalize())
    }

    /// Returns a network as the bytes of one ONNX file. Input: `mix` [batch, 2, segment]; output:
    /// `stems` [batch, stems, 2, segment]; both float32. `network` counts the networks of
    /// a bag from 0.
    ///
    /// # Errors
    /// Returns [`ModelError::NoSuchNetwork`] or [`ModelError::Batch`] when there is no such network
    /// or no graph for that many segments.
    pub fn export_onnx(&self, network: usize, options: ExportOptions) -> Result<Vec<u8>> {
        let Some((network, _)) = self.networks.get(network) else {
            return Err(ModelError::NoSuchNetwork {
                networks: self.networks.len(),
                found: network,
            }
            .into());
        };

        Ok(network.onnx(options)?)
    }

    /// Returns an error for a model that can be exported and not run.
    pub(crate) fn check_separable(&self) -> Result<()> {
        let mut networks = self.networks_of();
        match networks.any(Network::is_export_only) {
            true => Err(ModelError::NoProgram.into()),
            false => Ok(()),
        }
    }

    /// Returns the networks.
    pub(crate) fn networks_of(&self) -> impl Iterator<Item = &Network> {
        self.networks.iter().map(|(network, _)| network)
    }

    /// Returns the networks with their weights for each source.
    pub(crate) fn into_networks(self) -> Vec<(Network, Vec<f32>)> {
        self.networks
    }
}

#[cfg(all(test, feature = "bundled-model"))]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_model_has_the_tensors_that_it_needs() {
        let checked = Model::read(sextet_model_mini::CHECKPOINT).unwrap();
        assert_eq!(checked.hash(), Model::bundled().unwrap().hash());
        assert_eq!(checked.sources().len(), 6);
    }
}
