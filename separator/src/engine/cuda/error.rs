//! Errors of the CUDA engine.

use crate::model::ModelError;
use crate::{Error, ErrorKind};

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
    Unsupported(#[from] Unsupported),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("the GPU failed to {action}: {code}")]
    Driver { action: &'static str, code: String },
    #[error("the GPU ran out of memory while it tried to {action}")]
    OutOfMemory { action: &'static str },
    #[error("this build has no kernels for the GPU's compute capability {}.{}", capability.0, capability.1)]
    NoImage { capability: (i32, i32) },
    #[error("the kernels in this program are damaged: {reason}")]
    Damaged { reason: &'static str },
}

impl CudaError {
    /// Wraps an error of the driver during `action`.
    pub(super) fn during(action: &'static str) -> impl Fn(cudarc::driver::DriverError) -> Self {
        use cudarc::driver::sys::cudaError_enum::CUDA_ERROR_OUT_OF_MEMORY;
        move |error| match error.0 {
            CUDA_ERROR_OUT_OF_MEMORY => Self::OutOfMemory { action },
            code => Self::Driver {
                action,
                code: format!("{code:?}"),
            },
        }
    }
}

impl From<CudaError> for Error {
    fn from(error: CudaError) -> Self {
        let kind = match error {
            CudaError::Model(_) => ErrorKind::Model,
            _ => ErrorKind::Engine,
        };
        Error::new(kind, error)
    }
}
