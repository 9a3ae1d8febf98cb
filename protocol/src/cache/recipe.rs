//! The recipe of a separation: everything that changes a sample of its stems.

use serde::{Deserialize, Serialize};

use crate::Fingerprint;
use crate::worker::SeparationOptions;

/// Everything that decides the samples of a separation's stems. Equal recipes make equal stems.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Fingerprint of the clip's samples, rate and channels: see
    /// [`AudioHasher`](crate::AudioHasher).
    pub audio: Fingerprint,
    /// SHA-256 of the model's weights.
    pub model_hash: String,
    /// Kind and precision of the engine, such as `cpu-f32`.
    pub engine: String,
    /// Version of the graph and of the stages around it.
    pub pipeline: u32,
    /// Options of the separation.
    pub options: SeparationOptions,
}

impl Recipe {
    /// Returns the key of the cache entry.
    pub fn key(&self) -> Fingerprint {
        // Serde keeps the order of the fields. Serializing a struct of numbers and strings never
        // fails.
        let text = serde_json::to_string(self).unwrap_or_default();
        Fingerprint::of(format!("sextet stems 1\n{text}").as_bytes())
    }
}

#[cfg(test)]
pub(super) fn example() -> Recipe {
    Recipe {
        audio: Fingerprint::of(b"audio"),
        model_hash: "5c90dfd2".to_owned(),
        engine: "cpu-f32".to_owned(),
        pipeline: 1,
        options: SeparationOptions::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::Sum;

    #[test]
    fn every_ingredient_changes_the_key() {
        let recipe = example();
        let options = recipe.options;
        let others = [
            Recipe {
                audio: Fingerprint::of(b"other"),
                ..recipe.clone()
            },
            Recipe {
                model_hash: "f7e0c4bc".to_owned(),
                ..recipe.clone()
            },
            Recipe {
                engine: "tensorrt-f16".to_owned(),
                ..recipe.clone()
            },
            Recipe {
                pipeline: 2,
                ..recipe.clone()
            },
            Recipe {
                options: SeparationOptions {
                    overlap: 0.5,
                    ..options
                },
                ..recipe.clone()
            },
            Recipe {
                options: SeparationOptions {
                    shifts: 1,
                    ..options
                },
                ..recipe.clone()
            },
            Recipe {
                options: SeparationOptions {
                    sum: Sum::Model,
                    ..options
                },
                ..recipe.clone()
            },
        ];

        assert!(others.iter().all(|other| other.key() != recipe.key()));
        assert_eq!(recipe.clone().key(), recipe.key());
    }

    /// Existing entries on users' disks must be found again.
    #[test]
    fn keys_stay_what_they_are() {
        assert_eq!(
            example().key().to_string(),
            "ec57bf42598fc7355cb51ab0ede03f5f"
        );
    }
}
