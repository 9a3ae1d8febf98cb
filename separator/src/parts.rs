//! What is handed out: a stem, or several stems added up under one name.

use crate::Stem;

/// One output of a separation: the sum of `stems` under a name of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// `vocals`, `no_vocals` and so on: what a file of it is called.
    pub name: String,
    /// The stems that are added up, in canonical order.
    pub stems: Vec<Stem>,
}

impl Part {
    /// One stem by itself.
    pub fn stem(stem: Stem) -> Self {
        Self {
            name: stem.name().to_owned(),
            stems: vec![stem],
        }
    }

    /// All of `stems` but `left_out`, named `no_<stem>`, as demucs' `--two-stems` names it.
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
