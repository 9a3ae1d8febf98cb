//! The verdict on a GPU that only TensorRT can use, whose library has to be there.

use sextet_protocol::worker::{EngineName, GpuSetup, GpuState};
use sextet_separator::GpuOptions;
use sextet_separator::gpu::Gpu;
use sextet_separator::tensorrt::{Library, TensorRtError};

use super::facts::GpuFacts;
use super::state::{Verdict, sentence};
use crate::fault::Report;
use crate::{engine, setup};

/// Offer of the setup. Each front end adds how it is done with its own controls.
const SET_UP: &str = "Set up the GPU";

/// Returns the verdict on TensorRT on `gpu`.
pub(super) fn verdict(gpu: &Gpu, options: &GpuOptions, found: &GpuFacts) -> Verdict {
    let told = match Library::load(&options.libraries) {
        Ok(library) => {
            let library = format!("TensorRT-RTX {}", library.version);
            let message = format!("Separations run on the GPU: {library} on {}.", gpu.name);
            Verdict {
                library: Some(library),
                ..Verdict::new(GpuState::Ready, message, "")
            }
        }
        Err(error) => without_library(error, &gpu.name, is_named(found), offer()),
    };

    Verdict {
        engine: Some(EngineName::Tensorrt),
        ..told
    }
}

/// Returns the verdict when driver and GPU are usable and the library is not. `gpu` is the GPU's
/// name. A library that the user has named takes precedence over the one that the setup fetches, so
/// the setup would not help then.
fn without_library(
    error: TensorRtError,
    gpu: &str,
    is_named: bool,
    offer: Option<GpuSetup>,
) -> Verdict {
    let is_missing = matches!(error, TensorRtError::NoLibrary { .. });
    let message = match error {
        TensorRtError::NoLibrary { .. } => {
            format!("{gpu} can be used once NVIDIA's library, TensorRT-RTX, is there.")
        }
        error => message(error),
    };

    match offer {
        _ if is_named => {
            let remedy = "Put the right version where SEXTET_TENSORRT or Sextet's configuration says, or let neither name it.";
            Verdict::new(GpuState::Unusable, message, remedy)
        }
        None => Verdict::new(
            GpuState::Unusable,
            message,
            "Put TensorRT-RTX where the system's loader finds it.",
        ),
        setup => {
            let once = if is_missing {
                "the library is fetched, once"
            } else {
                "the library is fetched anew"
            };
            Verdict {
                setup,
                ..Verdict::new(GpuState::ToBeSetUp, message, format!("{SET_UP}: {once}."))
            }
        }
    }
}

/// Whether the library that was found is in a folder that the user has named.
fn is_named(found: &GpuFacts) -> bool {
    let library = found.tensorrt_library.as_deref();
    library.is_some_and(|path| {
        engine::named_libraries()
            .iter()
            .any(|folder| path.starts_with(folder))
    })
}

fn offer() -> Option<GpuSetup> {
    let offer = setup::offer()?;
    let licence = offer
        .licence
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");

    Some(GpuSetup {
        what: offer.what,
        bytes: offer.bytes,
        licence,
        folder: offer.folder,
    })
}

/// Returns an error's own message as a sentence.
fn message(error: TensorRtError) -> String {
    let error = sextet_separator::Error::from(error);
    sentence(&Report::of(&error.into()).message)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn a_library_that_will_not_do_is_to_be_set_up_unless_somebody_has_named_it() {
        let path = || PathBuf::from("/lib/libtensorrt_rtx.so.1");
        let setup = || {
            let (what, licence) = ("TensorRT-RTX".to_owned(), "NVIDIA's".to_owned());
            Some(GpuSetup {
                what,
                bytes: 1,
                licence,
                folder: "/data".into(),
            })
        };

        let missing = || TensorRtError::NoLibrary {
            file: "libtensorrt_rtx.so.1".into(),
            searched: Vec::new(),
        };
        let other = || TensorRtError::NotTensorRt {
            path: path(),
            symbol: "getInferLibVersion",
        };
        let cases = [
            (
                missing(),
                false,
                setup(),
                GpuState::ToBeSetUp,
                "NVIDIA T4 can be used once",
                "is fetched, once.",
            ),
            (
                other(),
                false,
                setup(),
                GpuState::ToBeSetUp,
                "is not a TensorRT-RTX library",
                "is fetched anew.",
            ),
            (
                other(),
                true,
                setup(),
                GpuState::Unusable,
                "is not a TensorRT-RTX library",
                "SEXTET_TENSORRT",
            ),
            (
                missing(),
                false,
                None,
                GpuState::Unusable,
                "NVIDIA T4 can be used once",
                "loader finds it",
            ),
        ];

        each_case(cases, |(error, is_named, offer, state, message, remedy)| {
            let verdict = without_library(error, "NVIDIA T4", is_named, offer);
            assert_eq!(
                (verdict.state, verdict.setup.is_some()),
                (state, state == GpuState::ToBeSetUp)
            );
            assert!(
                verdict.message.contains(message) && verdict.message.ends_with('.'),
                "{}",
                verdict.message
            );

            assert!(
                verdict.remedy.contains(remedy) && verdict.remedy.ends_with('.'),
                "{}",
                verdict.remedy
            );
        });
    }
}
