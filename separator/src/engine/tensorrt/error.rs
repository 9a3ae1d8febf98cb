//! Errors of TensorRT and the plan cache.

use std::io;
use std::path::PathBuf;

use super::damage::Damage;
use super::tf32::TF32_VARIABLE;
use super::version::LibraryVersion;
use crate::engine::gpu::{BatchError, BatchFault, GpuError};
use crate::error::BoxedError;
use crate::model::ModelError;
use crate::{Error, ErrorKind, Remedy};

/// Reason why TensorRT could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum TensorRtError {
    #[error(transparent)]
    Gpu(#[from] GpuError),
    #[error("TensorRT's library {file} was not found")]
    NoLibrary {
        file: String,
        searched: Vec<PathBuf>,
    },
    #[error("'{}' cannot be loaded ({source})", path.display())]
    Unloadable { path: PathBuf, source: BoxedError },
    #[error("'{}' is damaged: {damage}", path.display())]
    Damaged { path: PathBuf, damage: Damage },
    #[error("'{}' has version {found}; this build needs {expected}", path.display())]
    WrongVersion {
        path: PathBuf,
        found: LibraryVersion,
        expected: LibraryVersion,
    },
    #[error("'{}' is not a TensorRT-RTX library: it has no {symbol}", path.display())]
    NotTensorRt { path: PathBuf, symbol: &'static str },
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("TensorRT could not {action}: {reason}")]
    Failed {
        action: &'static str,
        reason: String,
    },
    #[error("the self-test gave numbers that are not finite on {gpu} with a batch of {batch}")]
    SelfTest { gpu: String, batch: usize },
    #[error(
        "float16 would change this model's stems by {percent:.1} %, and the GPU rounds float32 to TF32"
    )]
    Inexact { percent: f64 },
    #[error("cannot {action} '{}': {source}", path.display())]
    Cache {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("there is no folder to keep the engine in")]
    NoCache,
    #[error("building the engine was stopped")]
    Cancelled,
    #[error("a batch of {found} is not possible; expected 1 to 64")]
    Batch { found: usize },
    #[error("there is no target '{found}'; expected one or more of {known}, or all")]
    UnknownTarget { found: String, known: String },
}

impl TensorRtError {
    /// Returns what can be done about the error, the best first.
    pub fn remedies(&self) -> Vec<Remedy> {
        use Remedy::{ChooseBatch, ChooseFolder, InstallTensorRt, MakeRoom, Report, UseCpu};

        match self {
            Self::Gpu(error) => error.remedies(),
            Self::NoLibrary { .. } | Self::Unloadable { .. } | Self::Damaged { .. } => {
                vec![InstallTensorRt, UseCpu]
            }
            Self::WrongVersion { path, .. } => {
                let path = path.display().to_string();
                vec![InstallTensorRt, Remedy::RemoveLibrary { path }, UseCpu]
            }
            Self::NotTensorRt { .. } => vec![InstallTensorRt, UseCpu],
            Self::Model(error) => error.remedies(),
            Self::Failed { .. } => vec![UseCpu, Report],
            Self::SelfTest { .. } => vec![UseCpu, ChooseBatch, Report],
            Self::Inexact { .. } => {
                let variable = TF32_VARIABLE.to_owned();
                vec![UseCpu, Remedy::ComputeInFloat32 { variable }]
            }
            Self::Cache { .. } => vec![MakeRoom, ChooseFolder],
            Self::NoCache => vec![ChooseFolder],
            Self::Cancelled | Self::Batch { .. } | Self::UnknownTarget { .. } => Vec::new(),
        }
    }

    /// Returns whether a smaller batch may help.
    pub(super) fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Gpu(GpuError::OutOfMemory { .. }))
    }
}

impl From<TensorRtError> for Error {
    fn from(error: TensorRtError) -> Self {
        let kind = match error {
            TensorRtError::Cancelled => ErrorKind::Cancelled,
            TensorRtError::Batch { .. }
            | TensorRtError::UnknownTarget { .. }
            | TensorRtError::NoCache => ErrorKind::Options,
            TensorRtError::Model(_) => ErrorKind::Model,
            _ => ErrorKind::Engine,
        };
        let remedies = error.remedies();
        Error::new(kind, error).with_remedies(remedies)
    }
}

impl BatchError for TensorRtError {
    fn batch_fault(&self) -> BatchFault {
        match self {
            Self::Gpu(GpuError::OutOfMemory { .. }) => BatchFault::Memory,
            Self::SelfTest { .. } => BatchFault::NotFinite,
            _ => BatchFault::None,
        }
    }
}
