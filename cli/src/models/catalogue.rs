//! The catalogue: every model that has a name.

use std::sync::LazyLock;

use serde::Deserialize;

/// Name of the bundled model, which is inside the command.
pub(crate) const BUNDLED: &str = "sextet-mini";

/// All named models, the bundled one first.
pub(crate) static CATALOGUE: LazyLock<Vec<Entry>> = LazyLock::new(read);

/// One model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The name that `-m` takes.
    pub(crate) name: String,
    /// A description in a few words.
    pub(crate) about: String,
    /// Names of the stems.
    pub(crate) sources: Vec<String>,
    /// SPDX expression of the licence, where it is settled.
    pub(crate) licence: Option<String>,
    /// Source on the hub; `None` for the bundled model.
    pub(crate) hub: Option<Hub>,
}

/// A model's place on the hub.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hub {
    pub(crate) owner: String,
    pub(crate) repository: String,
    /// demucs' description of the bag. It is fetched too, so that demucs finds the model in the
    /// cache, and compared with this catalogue.
    pub(crate) bag: String,
    pub(crate) checkpoints: Vec<Checkpoint>,
}

/// One checkpoint of a bag.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checkpoint {
    /// demucs' name of the training run; the file is `<signature>.safetensors`.
    pub(crate) signature: String,
    /// SHA-256 of the file in hex, where it is known.
    pub(crate) sha256: Option<String>,
    /// Its weight for each source; `None` for full weight.
    pub(crate) weights: Option<Vec<f32>>,
}

impl Checkpoint {
    /// Returns the name of the file on the hub.
    pub(crate) fn file(&self) -> String {
        format!("{}.safetensors", self.signature)
    }
}

impl Hub {
    /// Returns the names of the files, the bag's description first.
    pub(crate) fn files(&self) -> Vec<String> {
        std::iter::once(self.bag.clone())
            .chain(self.checkpoints.iter().map(Checkpoint::file))
            .collect()
    }

    /// Returns `owner/repository`.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.owner, self.repository)
    }
}

impl Entry {
    /// Returns the entry called `name`.
    pub(crate) fn find(name: &str) -> Option<&'static Entry> {
        CATALOGUE.iter().find(|entry| entry.name == name)
    }
}

fn read() -> Vec<Entry> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Catalogue {
        model: Vec<Entry>,
    }
    let text = include_str!("catalogue.toml");

    // The text is part of the program, and the test below reads it.
    #[allow(clippy::expect_used)]
    toml::from_str::<Catalogue>(text)
        .expect("the embedded catalogue is valid")
        .model
}

#[cfg(test)]
mod tests {
    use super::*;
    use sextet_cases::each_case;
    use sextet_separator::Stem;

    #[test]
    fn every_entry_makes_sense() {
        assert_eq!(CATALOGUE[0].name, BUNDLED);
        each_case(CATALOGUE.iter(), |entry| {
            assert!(
                entry
                    .sources
                    .iter()
                    .all(|source| source.parse::<Stem>().is_ok()),
                "{}",
                entry.name
            );

            assert_eq!(entry.hub.is_none(), entry.name == BUNDLED);
            for checkpoint in entry.hub.iter().flat_map(|hub| &hub.checkpoints) {
                assert_eq!(checkpoint.signature.len(), 8);
                let weights = checkpoint.weights.as_ref();
                assert!(
                    weights.is_none_or(|weights| weights.len() == entry.sources.len()),
                    "{}",
                    entry.name
                );
            }
        });
    }

    #[test]
    fn every_source_of_a_bag_is_given_once() {
        let hub = Entry::find("htdemucs_ft").unwrap().hub.as_ref().unwrap();
        for source in 0..4 {
            let total: f32 = hub
                .checkpoints
                .iter()
                .map(|c| c.weights.as_ref().unwrap()[source])
                .sum();
            assert_eq!(total, 1.0);
        }
    }
}
