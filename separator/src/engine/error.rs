//! Errors of an engine.

use super::cpu::instructions::Instructions;
use crate::error::BoxedError;
use crate::{Error, ErrorKind, Remedy};

/// Reason why an engine could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum EngineError {
    #[error("the engine {engine} is not part of this build")]
    NotBuiltIn { engine: &'static str },
    #[error("the engine could not be started before")]
    NotStarted,
    #[error("stems were asked for and no segment was submitted")]
    NothingSubmitted,
    #[error("the CPU engine could not start its threads: {source}")]
    Threads { source: BoxedError },
    #[error(
        "the CPU engine cannot use {asked}: this processor has {}",
        list(available)
    )]
    Instructions {
        asked: Instructions,
        available: Vec<Instructions>,
    },
}

fn list(all: &[Instructions]) -> String {
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    names.join(", ")
}

impl EngineError {
    /// Returns what can be done about the error, the best first.
    pub fn remedies(&self) -> Vec<Remedy> {
        match self {
            Self::NotBuiltIn { engine } => {
                let engine = (*engine).to_owned();
                vec![Remedy::UseBuildWith { engine }, Remedy::UseCpu]
            }
            Self::NotStarted => vec![Remedy::StartAgain],
            Self::Threads { .. } => vec![Remedy::FreeMemory],
            Self::Instructions { .. } => Vec::new(),
            Self::NothingSubmitted => vec![Remedy::Report],
        }
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        let remedies = error.remedies();
        Error::new(ErrorKind::Engine, error).with_remedies(remedies)
    }
}
