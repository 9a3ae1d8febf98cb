//! Errors of the driver and of GPUs, which all engines on GPUs share.

use super::visible::VISIBLE_VARIABLE;
use crate::{Error, ErrorKind, Remedy};

/// Reason why a GPU could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum GpuError {
    #[error("no NVIDIA driver was found ({library} cannot be loaded)")]
    NoDriver { library: &'static str },
    #[error(
        "the NVIDIA driver supports CUDA {}; {engine} needs {} or newer",
        cuda_version(*found), cuda_version(*needed)
    )]
    OldDriver {
        engine: &'static str,
        found: i32,
        needed: i32,
    },
    #[error("{}", missing_gpu(*index, there, hidden_by.as_deref()))]
    NoGpu {
        index: usize,
        /// Names of the GPUs that the driver shows.
        there: Vec<String>,
        /// Value of `CUDA_VISIBLE_DEVICES`, if it is set.
        hidden_by: Option<String>,
    },
    #[error(
        "the GPU ({name}) has compute capability {}.{}; {engine} needs {}.{} ({architecture}) or newer",
        capability.0, capability.1, needed.0, needed.1
    )]
    OldGpu {
        engine: &'static str,
        name: String,
        capability: (i32, i32),
        needed: (i32, i32),
        /// Name of the oldest architecture that suffices.
        architecture: &'static str,
    },
    #[error("the GPU ran out of memory while it tried to {action}")]
    OutOfMemory { action: &'static str },
    #[error("the GPU failed to {action}: {code}")]
    Cuda { action: &'static str, code: String },
    #[error("stems were asked for and no segment was submitted")]
    NothingSubmitted,
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

/// Returns the remedies for a GPU that is not among the GPUs in `there`.
fn missing_gpu_remedies(there: &[String], is_hidden: bool) -> Vec<Remedy> {
    let unset = is_hidden.then(|| Remedy::UnsetVariable {
        variable: VISIBLE_VARIABLE.to_owned(),
    });
    let there_are_others = !there.is_empty();
    let choose = there_are_others.then(|| Remedy::ChooseGpu {
        there: there.to_vec(),
    });
    let check = (!is_hidden && !there_are_others).then_some(Remedy::CheckGpu);

    [unset, choose, check, Some(Remedy::UseCpu)]
        .into_iter()
        .flatten()
        .collect()
}

/// Formats CUDA's version number: 13000 is 13.0.
fn cuda_version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

impl GpuError {
    /// Returns what can be done about the error, the best first.
    pub fn remedies(&self) -> Vec<Remedy> {
        use Remedy::{CheckGpu, FreeGpuMemory, InstallDriver, StartAgain, UseCpu};
        match self {
            Self::NoDriver { .. } => vec![InstallDriver, UseCpu],
            Self::OldDriver { needed, .. } => {
                let cuda = cuda_version(*needed);
                vec![Remedy::UpdateDriver { cuda }, UseCpu]
            }
            Self::NoGpu {
                there, hidden_by, ..
            } => missing_gpu_remedies(there, hidden_by.is_some()),
            Self::OldGpu { .. } => vec![UseCpu],
            Self::OutOfMemory { .. } => vec![FreeGpuMemory, UseCpu],
            Self::Cuda { .. } => vec![CheckGpu, StartAgain, UseCpu],
            Self::NothingSubmitted => vec![Remedy::Report],
        }
    }

    /// Wraps an error of the driver during `action`.
    pub(in crate::engine) fn during(
        action: &'static str,
    ) -> impl Fn(cudarc::driver::DriverError) -> Self {
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

impl From<GpuError> for Error {
    fn from(error: GpuError) -> Self {
        let remedies = error.remedies();
        Error::new(ErrorKind::Engine, error).with_remedies(remedies)
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn a_gpu_that_is_not_there_is_told_by_those_that_are() {
        let unset = || Remedy::UnsetVariable {
            variable: VISIBLE_VARIABLE.to_owned(),
        };
        let choose = |there: &[&str]| Remedy::ChooseGpu {
            there: there.iter().map(ToString::to_string).collect(),
        };

        let two = ["NVIDIA A", "NVIDIA B"];
        type Case<'a> = (usize, &'a [&'a str], Option<&'a str>, &'a str, Vec<Remedy>);
        let cases: [Case; 6] = [
            (
                0,
                &[],
                Some(""),
                "CUDA_VISIBLE_DEVICES is '', which hides every GPU",
                vec![unset(), Remedy::UseCpu],
            ),
            (
                0,
                &[],
                Some("-1"),
                "CUDA_VISIBLE_DEVICES is '-1', which hides every GPU",
                vec![unset(), Remedy::UseCpu],
            ),
            (
                0,
                &[],
                Some("no"),
                "CUDA_VISIBLE_DEVICES is 'no', which hides every GPU",
                vec![unset(), Remedy::UseCpu],
            ),
            (
                1,
                &two[..1],
                Some("0"),
                "there is no GPU 1: CUDA_VISIBLE_DEVICES is '0', which leaves 1: 0 NVIDIA A",
                vec![unset(), choose(&two[..1]), Remedy::UseCpu],
            ),
            (
                0,
                &[],
                None,
                "the NVIDIA driver is here and shows no GPU",
                vec![Remedy::CheckGpu, Remedy::UseCpu],
            ),
            (
                3,
                &two,
                None,
                "there is no GPU 3: this machine has 2: 0 NVIDIA A, 1 NVIDIA B",
                vec![choose(&two), Remedy::UseCpu],
            ),
        ];

        each_case(cases, |(index, there, hidden_by, said, remedies)| {
            let there = there.iter().map(ToString::to_string).collect();
            let error = GpuError::NoGpu {
                index,
                there,
                hidden_by: hidden_by.map(str::to_owned),
            };
            assert_eq!(error.to_string(), said);
            assert_eq!(error.remedies(), remedies, "{said}");
        });
    }
}
