//! Errors of TensorRT, the driver and the plan cache.

use std::io;
use std::path::PathBuf;

use super::accuracy::TF32_VARIABLE;
use super::gpu::VISIBLE_VARIABLE;
use super::library::LibraryVersion;
use super::whole::Damage;
use crate::model::ModelError;
use crate::{Error, ErrorKind};

/// Reason why TensorRT could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum TensorRtError {
    #[error(
        "no NVIDIA driver was found ({library} cannot be loaded); install the driver, or use --engine cpu"
    )]
    NoDriver { library: &'static str },
    #[error(
        "the NVIDIA driver supports CUDA {}.{}; TensorRT needs {}.{} or newer: update the driver, or use --engine cpu",
        found / 1000, found % 1000 / 10, needed / 1000, needed % 1000 / 10
    )]
    OldDriver { found: i32, needed: i32 },
    #[error("{}; {}", missing_gpu(*index, there, hidden_by.as_deref()), missing_gpu_remedy(there, hidden_by.as_deref()))]
    NoGpu {
        index: usize,
        /// Names of the GPUs that the driver shows.
        there: Vec<String>,
        /// Value of `CUDA_VISIBLE_DEVICES`, if it is set.
        hidden_by: Option<String>,
    },
    #[error(
        "the GPU ({name}) has compute capability {}.{}; TensorRT needs 7.5 (Turing) or newer: use --engine cpu",
        capability.0, capability.1
    )]
    OldGpu {
        name: String,
        capability: (i32, i32),
    },
    #[error(
        "TensorRT's library {file} was not found; run `sextet setup tensorrt`, or use --engine cpu"
    )]
    NoLibrary {
        file: String,
        searched: Vec<PathBuf>,
    },
    #[error("'{}' cannot be loaded ({source}); run `sextet setup tensorrt`, or use --engine cpu", path.display())]
    Unloadable {
        path: PathBuf,
        source: libloading::Error,
    },
    #[error("'{}' is damaged: {damage}; run `sextet setup tensorrt`, or use --engine cpu", path.display())]
    Damaged { path: PathBuf, damage: Damage },
    #[error(
        "'{}' has version {found}; this build needs {expected}: run `sextet setup tensorrt`, or take it out of the \
         search path", path.display()
    )]
    WrongVersion {
        path: PathBuf,
        found: LibraryVersion,
        expected: LibraryVersion,
    },
    #[error("'{}' is not a TensorRT-RTX library: it has no {symbol}; run `sextet setup tensorrt`", path.display())]
    NotTensorRt { path: PathBuf, symbol: &'static str },
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("TensorRT could not {action}: {reason}; use --engine cpu, and please report it")]
    Failed {
        action: &'static str,
        reason: String,
    },
    #[error(
        "the GPU ran out of memory while it tried to {action}; close other programs that use it, or use --engine cpu"
    )]
    OutOfMemory { action: &'static str },
    #[error(
        "the GPU failed to {action}: {code}; check `nvidia-smi`, start again, or use --engine cpu"
    )]
    Cuda { action: &'static str, code: String },
    #[error(
        "the self-test gave numbers that are not finite on {gpu} with a batch of {batch}; use --engine cpu, or \
         another batch in the configuration, and please report it"
    )]
    SelfTest { gpu: String, batch: usize },
    #[error(
        "float16 would change this model's stems by {percent:.1} %; use --engine cpu, or let the GPU compute in float32 by \
         {TF32_VARIABLE}=0 in the environment"
    )]
    Inexact { percent: f64 },
    #[error("cannot {action} '{}': {source}; give another folder or free some space", path.display())]
    Cache {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("there is no folder to keep the engine in; name one")]
    NoCache,
    #[error("building the engine was stopped")]
    Cancelled,
    #[error("a batch of {found} is not possible; expected 1 to 64")]
    Batch { found: usize },
    #[error("there is no target '{found}'; expected one or more of {known}, or all")]
    UnknownTarget { found: String, known: String },
}

/// Returns the message for GPU `index`, which is not among the GPUs in `there`.
fn missing_gpu(index: usize, there: &[String], hidden_by: Option<&str>) -> String {
    let list: Vec<String> = there
        .iter()
        .enumerate()
        .map(|(number, name)| format!("{number} {name}"))
        .collect();
    match (hidden_by, there.len()) {
        (Some(value), 0) => format!("{VISIBLE_VARIABLE} is '{value}', which hides every GPU"),
        (Some(value), count) => {
            format!(
                "there is no GPU {index}: {VISIBLE_VARIABLE} is '{value}', which leaves {count}: {}",
                list.join(", ")
            )
        }
        (None, 0) => "the NVIDIA driver is here and shows no GPU".to_owned(),
        (None, count) => format!(
            "there is no GPU {index}: this machine has {count}: {}",
            list.join(", ")
        ),
    }
}

fn missing_gpu_remedy(there: &[String], hidden_by: Option<&str>) -> String {
    match (hidden_by, there.len()) {
        (Some(_), 0) => "unset it, or use --engine cpu".to_owned(),
        (Some(_), _) => "unset it, or name one of these".to_owned(),
        (None, 0) => "check `nvidia-smi`, or use --engine cpu".to_owned(),
        (None, _) => "name one of these, or use --engine cpu".to_owned(),
    }
}

impl TensorRtError {
    /// Returns whether a smaller batch may help.
    pub(super) fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::OutOfMemory { .. })
    }

    /// Wraps an error of the driver during `action`.
    pub(super) fn cuda(action: &'static str) -> impl Fn(cudarc::driver::DriverError) -> Self {
        use cudarc::driver::sys::cudaError_enum::CUDA_ERROR_OUT_OF_MEMORY;
        move |error| match error.0 {
            CUDA_ERROR_OUT_OF_MEMORY => Self::OutOfMemory { action },
            code => Self::Cuda {
                action,
                code: format!("{code:?}"),
            },
        }
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
        Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_is_not_there_is_told_by_what_is() {
        let two = ["NVIDIA A", "NVIDIA B"];
        let cases: [(usize, &[&str], Option<&str>, &str); 6] = [
            (
                0,
                &[],
                Some(""),
                "CUDA_VISIBLE_DEVICES is '', which hides every GPU; unset it, or use --engine cpu",
            ),
            (
                0,
                &[],
                Some("-1"),
                "CUDA_VISIBLE_DEVICES is '-1', which hides every GPU; unset it, or use --engine cpu",
            ),
            (
                0,
                &[],
                Some("no"),
                "CUDA_VISIBLE_DEVICES is 'no', which hides every GPU; unset it, or use --engine cpu",
            ),
            (
                1,
                &two[..1],
                Some("0"),
                "there is no GPU 1: CUDA_VISIBLE_DEVICES is '0', which leaves 1: 0 NVIDIA A; unset it, or name one of these",
            ),
            (
                0,
                &[],
                None,
                "the NVIDIA driver is here and shows no GPU; check `nvidia-smi`, or use --engine cpu",
            ),
            (
                3,
                &two,
                None,
                "there is no GPU 3: this machine has 2: 0 NVIDIA A, 1 NVIDIA B; name one of these, or use --engine cpu",
            ),
        ];

        for (index, there, hidden_by, said) in cases {
            let there = there.iter().map(ToString::to_string).collect();
            let error = TensorRtError::NoGpu {
                index,
                there,
                hidden_by: hidden_by.map(str::to_owned),
            };
            assert_eq!(error.to_string(), said);
        }
    }
}
