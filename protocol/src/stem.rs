//! The six stems in canonical order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of the six parts that a song is separated into.
///
/// The order of the variants is the order of demucs' six-stem model (`htdemucs_6s`), of the
/// plugin's output buses and of every table that Sextet prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// Drum kit and percussion.
    Drums,
    /// Bass guitar, double bass, synth bass.
    Bass,
    /// Everything that the other five are not: synths, strings, brass and so on. For a four-stem
    /// model, guitar and piano too.
    Other,
    /// Lead and backing vocals.
    Vocals,
    /// Acoustic and electric guitars.
    Guitar,
    /// Acoustic and electric pianos.
    Piano,
}

impl Stem {
    /// All stems in canonical order.
    pub const ALL: [Stem; 6] = [
        Stem::Drums,
        Stem::Bass,
        Stem::Other,
        Stem::Vocals,
        Stem::Guitar,
        Stem::Piano,
    ];

    /// Returns the name that demucs and Sextet use: `drums`, `bass`, `other`, `vocals`, `guitar` or
    /// `piano`.
    pub fn name(self) -> &'static str {
        match self {
            Stem::Drums => "drums",
            Stem::Bass => "bass",
            Stem::Other => "other",
            Stem::Vocals => "vocals",
            Stem::Guitar => "guitar",
            Stem::Piano => "piano",
        }
    }
}

impl fmt::Display for Stem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The error for a name that is none of the six.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no stem named '{found}': expected one of drums, bass, other, vocals, guitar, piano"
)]
pub struct UnknownStem {
    /// The name as it was given.
    pub found: String,
}

impl FromStr for Stem {
    type Err = UnknownStem;

    fn from_str(name: &str) -> Result<Self, UnknownStem> {
        let stem = Stem::ALL.into_iter().find(|stem| stem.name() == name);
        stem.ok_or_else(|| UnknownStem {
            found: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn every_name_reads_back() {
        each_case(Stem::ALL, |stem| {
            assert_eq!(stem.name().parse(), Ok(stem));
            assert_eq!(serde_json::to_string(&stem).unwrap(), format!("\"{stem}\""));
        });
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_choice() {
        let error = "Vocals".parse::<Stem>().unwrap_err();
        assert!(
            error.to_string().contains("'Vocals'") && error.to_string().contains("vocals, guitar")
        );
    }
}
