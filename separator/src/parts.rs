//! Outputs of a separation: a stem, or several stems summed under one name.

use crate::Stem;

/// Output of a separation: the sum of `stems` under a name of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Part {
    /// Name of the part, used for its files: `vocals`, `no_vocals` and so on.
    pub name: String,
    /// Stems that are summed, in canonical order.
    pub stems: Vec<Stem>,
}

impl Part {
    /// Creates the sum of `stems` under `name`.
    pub fn new(name: impl Into<String>, stems: Vec<Stem>) -> Self {
        Self {
            name: name.into(),
            stems,
        }
    }

    /// Creates a part from a single stem.
    pub fn stem(stem: Stem) -> Self {
        Self {
            name: stem.name().to_owned(),
            stems: vec![stem],
        }
    }

    /// Creates a part from all of `stems` except `left_out`. Its name is `no_<stem>`, as with
    /// demucs' separation into two stems.
    pub fn without(left_out: Stem, stems: &[Stem]) -> Self {
        let rest = stems
            .iter()
            .copied()
            .filter(|&stem| stem != left_out)
            .collect();
        Self {
            name: format!("no_{left_out}"),
            stems: rest,
        }
    }
}
