//! demucs' description of a bag of models: a small YAML file that names checkpoints and their
//! weights.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::catalogue::Hub;
use crate::fault::{Fault, Kind};

/// A bag: demucs' `BagOfModels` as its YAML file describes it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Bag {
    /// Signatures; each checkpoint is `<signature>.safetensors`, or a `.th` file of that name.
    pub(super) models: Vec<String>,
    /// One row a model: its weight for each source.
    pub(super) weights: Option<Vec<Vec<f32>>>,
    /// A segment that replaces the models' own, in seconds.
    segment: Option<f64>,
}

/// Largest size of a bag's file. Bags have a few hundred bytes; a much longer file is something
/// else.
const LONGEST_BYTES: u64 = 64 * 1024;

impl Bag {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When the file does not exist, is not a bag, or asks for unsupported features.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let found = std::fs::metadata(path)
            .with_context(|| Fault::new(Kind::Model, format!("cannot read '{shown}'")))?;

        if found.len() > LONGEST_BYTES {
            let message = format!(
                "'{shown}' is no bag of models: it has {} bytes",
                found.len()
            );
            return Err(Fault::new(Kind::Model, message).into());
        }

        let text = std::fs::read_to_string(path)
            .with_context(|| Fault::new(Kind::Model, format!("cannot read '{shown}' as text")))?;
        Self::parse(&text).with_context(|| {
            Fault::new(Kind::Model, format!("'{shown}' is no bag of models"))
                .remedy("expected demucs' form: `models: [signature, ...]` and, if need be, `weights: [[...], ...]`")
        })
    }

    fn parse(text: &str) -> Result<Self> {
        let bag: Bag = serde_saphyr::from_str(text).map_err(|error| anyhow::anyhow!("{error}"))?;
        let models = bag.models.len();
        anyhow::ensure!(models > 0, "it names no model");
        anyhow::ensure!(
            bag.segment.is_none(),
            "it sets a segment, which is not supported"
        );

        for name in &bag.models {
            let plain = !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
            anyhow::ensure!(plain, "'{name}' is no signature");
        }

        let rows = bag.weights.as_ref().map_or(models, Vec::len);
        anyhow::ensure!(
            rows == models,
            "it names {models} models and has {rows} rows of weights"
        );
        Ok(bag)
    }

    /// Whether this bag agrees with the catalogue.
    pub(super) fn agrees(&self, hub: &Hub) -> bool {
        let signatures = hub
            .checkpoints
            .iter()
            .map(|checkpoint| &checkpoint.signature);
        let weights: Option<Vec<_>> = hub
            .checkpoints
            .iter()
            .map(|checkpoint| checkpoint.weights.clone())
            .collect();

        signatures.eq(&self.models) && weights == self.weights
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;
    use crate::models::catalogue::Entry;

    #[test]
    fn bags_are_read_and_compared() {
        let one = Bag::parse("models: ['5c90dfd2']\n").unwrap();
        let hub = |name: &str| Entry::find(name).unwrap().hub.clone().unwrap();
        assert!(one.agrees(&hub("htdemucs_6s")) && !one.agrees(&hub("htdemucs")));
        let weights = "weights: [\n  [1., 0., 0., 0.],\n  [0., 1., 0., 0.],\n  [0., 0., 1., 0.],\n  [0., 0., 0., 1.],\n]";
        let four = format!("models: ['f7e0c4bc', 'd12395a8', '92cfc3b6', '04573f0d']\n{weights}\n");
        assert!(Bag::parse(&four).unwrap().agrees(&hub("htdemucs_ft")));
    }

    #[test]
    fn what_is_no_bag_is_refused() {
        let wrong = [
            "",
            "models: []",
            "models: ['../../etc/passwd']",
            "models: [a]\nsegment: 44",
            "models: [a]\nweights: [[1], [1]]",
            "models: [a]\nextra: 1",
            "just text",
            "models: {a: b}",
        ];
        each_case(wrong, |text| {
            assert!(Bag::parse(text).is_err(), "{text:?}");
        });
    }
}
