//! The verdict on driver, GPU and library. They are checked in this order, and the first problem is
//! reported.

use sextet_protocol::worker::{GpuSetup, GpuState};
use sextet_separator::tensorrt::{Gpu, Library, TensorRtError};

use super::found::{self, Found};
use super::state::{NO_GPU, Verdict, device};
use crate::fault::Report;
use crate::{computing, setup};

/// Turing, the oldest architecture that TensorRT-RTX runs on.
const OLDEST_CAPABILITY: (i32, i32) = (7, 5);

/// Offer of the setup. Each front end adds how it is done with its own controls.
const SET_UP: &str = "Set up the GPU";

pub(super) fn verdict(found: &Found) -> Verdict {
    let options = match computing::tensorrt_options() {
        Ok(options) => options,
        Err(error) => {
            let (message, remedy) = words(&Report::of(&error));
            return Verdict::new(GpuState::Unusable, message, remedy);
        }
    };

    // The GPU's context is closed before the library is loaded, which takes longer.
    let opened =
        Gpu::open(options.gpu).map(|gpu| (device(&gpu.name, gpu.memory_bytes as f64), gpu.name));
    let (device, name) = match opened {
        Ok(opened) => opened,
        Err(error) => return without_gpu(error, found),
    };

    let told = match Library::load(&options.libraries) {
        Ok(library) => {
            let library = format!("TensorRT-RTX {}", library.version);
            let message = format!("Separations run on the GPU: {library} on {name}.");
            Verdict {
                library: Some(library),
                ..Verdict::new(GpuState::Ready, message, "")
            }
        }
        Err(error) => without_library(error, &name, is_named(found), offer()),
    };

    Verdict {
        device: Some(device),
        ..told
    }
}

/// Returns the verdict when there is no usable GPU.
fn without_gpu(error: TensorRtError, found: &Found) -> Verdict {
    let unusable = |message: &str, remedy: &str| Verdict::new(GpuState::Unusable, message, remedy);
    let nothing = !found.shows_gpu();
    match error {
        TensorRtError::NoDriver { .. } if nothing => Verdict::new(GpuState::NoGpu, NO_GPU, ""),
        TensorRtError::NoDriver { library } if found.driver.is_some() => unusable(
            &format!(
                "NVIDIA's driver is loaded, but its library {library} cannot be: separations run on the CPU."
            ),
            "Install the driver whole, with its libraries for CUDA.",
        ),
        TensorRtError::NoDriver { .. } => unusable(
            "There is an NVIDIA GPU, but no driver for it: separations run on the CPU.",
            "Install NVIDIA's driver, version 580 or newer, and start the machine again.",
        ),
        TensorRtError::OldDriver { found, needed } => match found::capability() {
            // A newer driver would not help such a GPU.
            Some(capability) if capability < OLDEST_CAPABILITY => old_gpu("the GPU", capability),
            _ => unusable(
                &format!(
                    "The GPU's driver is too old: it supports CUDA {}, and CUDA {} is needed.",
                    cuda_version(found),
                    cuda_version(needed)
                ),
                "Update NVIDIA's driver to version 580 or newer.",
            ),
        },
        TensorRtError::OldGpu { name, capability } => old_gpu(&name, capability),
        // A driver without a card, which many systems install.
        TensorRtError::NoGpu { .. }
            if found.devices.is_empty() && !found.has_card && shows_all() =>
        {
            Verdict::new(GpuState::NoGpu, NO_GPU, "")
        }
        error @ TensorRtError::NoGpu { .. } => {
            let remedy = "Look at CUDA_VISIBLE_DEVICES, at the GPU's number in Sextet's configuration and at what \
                          `nvidia-smi` lists.";
            unusable(&message(error), remedy)
        }
        error @ TensorRtError::OutOfMemory { .. } => {
            unusable(&message(error), "Close other programs that use the GPU.")
        }
        error @ TensorRtError::Cuda { .. } => {
            let remedy =
                "Start the machine again; if that does not help, install NVIDIA's driver anew.";
            unusable(&message(error), remedy)
        }
        error => {
            let (message, remedy) = words(&report(error));
            unusable(&message, &remedy)
        }
    }
}

fn old_gpu(name: &str, (major, minor): (i32, i32)) -> Verdict {
    let (least, minor_least) = OLDEST_CAPABILITY;
    let message = format!(
        "{} has compute capability {major}.{minor}, and {least}.{minor_least} (Turing) or newer is needed: separations run on \
         the CPU.",
        capital(name)
    );
    Verdict::new(GpuState::Unusable, message, "")
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
fn is_named(found: &Found) -> bool {
    let library = found.tensorrt_library.as_deref();
    library.is_some_and(|path| {
        computing::named_libraries()
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

/// Whether no variable hides GPUs from this process.
fn shows_all() -> bool {
    std::env::var_os("CUDA_VISIBLE_DEVICES").is_none()
}

fn report(error: TensorRtError) -> Report {
    Report::of(&sextet_separator::Error::from(error).into())
}

/// Returns an error's own message as a sentence.
fn message(error: TensorRtError) -> String {
    sentence(&report(error).message)
}

/// Returns message and remedy as sentences that suit every front end.
fn words(report: &Report) -> (String, String) {
    (
        sentence(&report.message),
        sentence(&report.remedies.for_anybody()),
    )
}

/// Formats CUDA's version number: 13000 is 13.0.
fn cuda_version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

/// Returns `text` with a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    if text.is_empty() {
        String::new()
    } else {
        format!("{}.", capital(text))
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}", first.to_uppercase(), letters.as_str())
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn nothing() -> Found {
        Found::default()
    }

    fn card() -> Found {
        Found {
            has_card: true,
            ..Found::default()
        }
    }

    fn driven() -> Found {
        Found {
            devices: vec!["NVIDIA T4".to_owned()],
            driver: Some("535.1".to_owned()),
            ..Found::default()
        }
    }

    #[test]
    fn what_is_missing_of_gpu_and_driver_is_told_with_what_to_do() {
        let no_driver = || TensorRtError::NoDriver {
            library: "libcuda.so.1",
        };
        let old_gpu = TensorRtError::OldGpu {
            name: "NVIDIA P100".into(),
            capability: (6, 0),
        };
        let broken = TensorRtError::Cuda {
            action: "open the GPU",
            code: "CUDA_ERROR_UNKNOWN".into(),
        };

        let cases = [
            (no_driver(), nothing(), GpuState::NoGpu, "No NVIDIA GPU", ""),
            (
                no_driver(),
                card(),
                GpuState::Unusable,
                "no driver for it",
                "version 580",
            ),
            (
                no_driver(),
                driven(),
                GpuState::Unusable,
                "libcuda.so.1",
                "Install the driver whole",
            ),
            (
                old_gpu,
                driven(),
                GpuState::Unusable,
                "NVIDIA P100 has compute capability 6.0, and 7.5 (Turing)",
                "",
            ),
            (
                broken,
                driven(),
                GpuState::Unusable,
                "CUDA_ERROR_UNKNOWN",
                "Start the machine again",
            ),
        ];

        for (error, found, state, message, remedy) in cases {
            let verdict = without_gpu(error, &found);
            assert_eq!(verdict.state, state, "{}", verdict.message);
            assert!(
                verdict.message.contains(message) && verdict.message.ends_with('.'),
                "{}",
                verdict.message
            );

            assert!(verdict.remedy.contains(remedy), "{}", verdict.remedy);
            assert_eq!(
                verdict.remedy.is_empty(),
                remedy.is_empty(),
                "{}",
                verdict.remedy
            );

            assert!(verdict.setup.is_none());
        }
    }

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

        for (error, is_named, offer, state, message, remedy) in cases {
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
        }
    }
}
