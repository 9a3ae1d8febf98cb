//! Errors of the CUDA engine.

use crate::engine::gpu::{BatchError, BatchFault, GpuError};
use crate::model::ModelError;
use crate::{Error, ErrorKind, Remedy};

/// Property of a model for which there is no kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no CUDA kernel for {name} = {found}; expected {expected}")]
pub struct Unsupported {
    name: &'static str,
    found: usize,
    expected: &'static str,
}

impl Unsupported {
    pub(super) fn new(name: &'static str, found: usize, expected: &'static str) -> Self {
        Self {
            name,
            found,
            expected,
        }
    }
}

/// Reason why the CUDA engine could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum CudaError {
    #[error(transparent)]
    Gpu(#[from] GpuError),
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("the CUDA engine computes in float16 alone")]
    FullPrecision,
    #[error("float16 would change this model's stems by {percent:.1} %")]
    Inexact { percent: f64 },
    #[error("the self-test gave numbers that are not finite on {gpu} with a batch of {batch}")]
    SelfTest { gpu: String, batch: usize },
    #[error("this build has no kernels for the GPU's compute capability {}.{}", capability.0, capability.1)]
    NoImage { capability: (i32, i32) },
    #[error("the kernels in this program are damaged: {reason}")]
    Damaged { reason: &'static str },
}

impl CudaError {
    /// Returns what can be done about the error, the best first.
    pub fn remedies(&self) -> Vec<Remedy> {
        use Remedy::{Report, StartAgain, UseCpu};
        match self {
            Self::Gpu(error) => error.remedies(),
            Self::Model(error) => error.remedies(),
            Self::Unsupported(_) | Self::FullPrecision | Self::Inexact { .. } => vec![UseCpu],
            Self::SelfTest { .. } => vec![StartAgain, UseCpu, Report],
            Self::NoImage { .. } => vec![Remedy::UpdateSextet, UseCpu],
            Self::Damaged { .. } => vec![Report, UseCpu],
        }
    }

    /// Wraps an error of the driver during `action`.
    pub(super) fn during(action: &'static str) -> impl Fn(cudarc::driver::DriverError) -> Self {
        let during = GpuError::during(action);
        move |error| Self::Gpu(during(error))
    }
}

impl BatchError for CudaError {
    fn batch_fault(&self) -> BatchFault {
        match self {
            Self::Gpu(GpuError::OutOfMemory { .. }) => BatchFault::Memory,
            _ => BatchFault::None,
        }
    }
}

impl From<CudaError> for Error {
    fn from(error: CudaError) -> Self {
        let kind = match error {
            CudaError::Model(_) => ErrorKind::Model,
            _ => ErrorKind::Engine,
        };
        let remedies = error.remedies();
        Error::new(kind, error).with_remedies(remedies)
    }
}
