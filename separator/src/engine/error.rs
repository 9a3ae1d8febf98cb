//! Errors of an engine.

use crate::{Error, ErrorKind};

/// Reason why an engine could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum EngineError {
    #[error(
        "TensorRT is not part of this build; build with --features tensorrt, or use --engine cpu"
    )]
    NotBuiltIn,
    #[error("the engine could not be started before; start again")]
    NotStarted,
    #[error(
        "stems were asked for and no segment was submitted; this is a defect of Sextet, please report it"
    )]
    NothingSubmitted,
    #[error(
        "the CPU engine could not load the model's graph: {source}; this is a defect of Sextet, please report it"
    )]
    Load { source: rten::LoadError },
    #[error(
        "the CPU engine failed: {source}; if memory ran out, close other programs or use a smaller model"
    )]
    Run { source: rten::RunError },
    #[error(
        "the CPU engine gave stems of another shape than expected: this is a defect of Sextet, please report it"
    )]
    OutputShape,
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        Error::new(ErrorKind::Engine, error)
    }
}
