//! The verdict on driver and GPU. They are checked in this order, and the first problem is
//! reported.

use sextet_protocol::worker::{EngineName, GpuState};
use sextet_separator::GpuOptions;
use sextet_separator::cuda;
use sextet_separator::gpu::{Gpu, GpuError, Needs};

use super::facts::{self, GpuFacts};
#[cfg(feature = "tensorrt")]
use super::library;
use super::state::{NO_GPU, Verdict, capital, device, sentence};
use crate::engine;
use crate::fault::Report;

/// Needs of each engine on GPUs, in the order in which they are tried, each with the version of
/// NVIDIA's driver that meets them.
const NEEDS: &[(Needs, &str)] = &[
    (cuda::NEEDS, "525"),
    #[cfg(feature = "tensorrt")]
    (sextet_separator::tensorrt::NEEDS, "580"),
];

pub(super) fn verdict(found: &GpuFacts) -> Verdict {
    let options = match engine::gpu_options() {
        Ok(options) => options,
        Err(error) => {
            let (message, remedy) = words(&Report::of(&error));
            return Verdict::new(GpuState::Unusable, message, remedy);
        }
    };

    match Gpu::open(options.index, &cuda::NEEDS) {
        Ok(gpu) => {
            let message = format!("Separations run on the GPU: CUDA kernels on {}.", gpu.name);
            Verdict {
                engine: Some(EngineName::Cuda),
                ..on(&gpu, Verdict::new(GpuState::Ready, message, ""))
            }
        }
        Err(error) => without_cuda(error, &options, found),
    }
}

/// Returns `verdict` with the name of its GPU.
fn on(gpu: &Gpu, verdict: Verdict) -> Verdict {
    Verdict {
        device: Some(device(&gpu.name, gpu.memory_bytes as f64)),
        ..verdict
    }
}

/// Returns the verdict where the CUDA engine cannot be used: TensorRT runs on older GPUs.
#[cfg(feature = "tensorrt")]
fn without_cuda(error: GpuError, options: &GpuOptions, found: &GpuFacts) -> Verdict {
    if !matches!(error, GpuError::OldGpu { .. }) {
        return without_gpu(error, found);
    }
    match Gpu::open(options.index, &sextet_separator::tensorrt::NEEDS) {
        Ok(gpu) => on(&gpu, library::verdict(&gpu, options, found)),
        Err(error) => without_gpu(error, found),
    }
}

/// Returns the verdict where the CUDA engine cannot be used, which is the only one for GPUs.
#[cfg(not(feature = "tensorrt"))]
fn without_cuda(error: GpuError, _: &GpuOptions, found: &GpuFacts) -> Verdict {
    without_gpu(error, found)
}

/// Returns the verdict when there is no usable GPU.
fn without_gpu(error: GpuError, found: &GpuFacts) -> Verdict {
    let unusable = |message: &str, remedy: &str| Verdict::new(GpuState::Unusable, message, remedy);
    let nothing = !found.shows_gpu();
    match error {
        GpuError::NoDriver { .. } if nothing => Verdict::new(GpuState::NoGpu, NO_GPU, ""),
        GpuError::NoDriver { library } if found.driver.is_some() => unusable(
            &format!(
                "NVIDIA's driver is loaded, but its library {library} cannot be: separations run on the CPU."
            ),
            "Install the driver whole, with its libraries for CUDA.",
        ),
        GpuError::NoDriver { .. } => unusable(
            "There is an NVIDIA GPU, but no driver for it: separations run on the CPU.",
            "Install NVIDIA's driver, and start the machine again.",
        ),
        GpuError::OldDriver { found, needed, .. } => old_driver(found, needed, facts::capability()),
        GpuError::OldGpu {
            name,
            capability,
            needed,
            architecture,
            ..
        } => old_gpu(&name, capability, needed, architecture),
        // A driver without a card, which many systems install.
        GpuError::NoGpu { .. } if found.devices.is_empty() && !found.has_card && shows_all() => {
            Verdict::new(GpuState::NoGpu, NO_GPU, "")
        }
        error @ GpuError::NoGpu { .. } => {
            let remedy = "Look at CUDA_VISIBLE_DEVICES, at the GPU's number in Sextet's configuration and at what \
                          `nvidia-smi` lists.";
            unusable(&message(error), remedy)
        }
        error @ GpuError::OutOfMemory { .. } => {
            unusable(&message(error), "Close other programs that use the GPU.")
        }
        error @ GpuError::Cuda { .. } => {
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

/// Returns the verdict on a driver that supports CUDA `found`, where `needed` is needed or, on a
/// GPU of `capability`, as much as the first engine for it needs.
fn old_driver(found: i32, needed: i32, capability: Option<(i32, i32)>) -> Verdict {
    let capability = capability.unwrap_or((i32::MAX, 0));
    let suffices = |needs: &Needs| capability >= needs.capability && needs.driver >= needed;
    let engine = NEEDS.iter().find(|(needs, _)| suffices(needs));
    let Some((needs, version)) = engine else {
        // A newer driver would not help such a GPU.
        let least = NEEDS.iter().min_by_key(|(needs, _)| needs.capability);
        let (least, _) = least.unwrap_or(&NEEDS[0]);
        return old_gpu("the GPU", capability, least.capability, least.architecture);
    };

    let message = format!(
        "The GPU's driver is too old: it supports CUDA {}, and CUDA {} is needed.",
        cuda_version(found),
        cuda_version(needs.driver)
    );
    let remedy = format!("Update NVIDIA's driver to version {version} or newer.");
    Verdict::new(GpuState::Unusable, message, remedy)
}

fn old_gpu(
    name: &str,
    (major, minor): (i32, i32),
    (least, minor_least): (i32, i32),
    architecture: &str,
) -> Verdict {
    let message = format!(
        "{} has compute capability {major}.{minor}, and {least}.{minor_least} ({architecture}) or newer is needed: separations \
         run on the CPU.",
        capital(name)
    );
    Verdict::new(GpuState::Unusable, message, "")
}

/// Whether no variable hides GPUs from this process.
fn shows_all() -> bool {
    std::env::var_os("CUDA_VISIBLE_DEVICES").is_none()
}

fn report(error: GpuError) -> Report {
    Report::of(&sextet_separator::Error::from(error).into())
}

/// Returns an error's own message as a sentence.
fn message(error: GpuError) -> String {
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

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    fn nothing() -> GpuFacts {
        GpuFacts::default()
    }

    fn card() -> GpuFacts {
        GpuFacts {
            has_card: true,
            ..GpuFacts::default()
        }
    }

    fn driven() -> GpuFacts {
        GpuFacts {
            devices: vec!["NVIDIA T4".to_owned()],
            driver: Some("535.1".to_owned()),
            ..GpuFacts::default()
        }
    }

    #[test]
    fn what_is_missing_of_gpu_and_driver_is_told_with_what_to_do() {
        let no_driver = || GpuError::NoDriver {
            library: "libcuda.so.1",
        };
        let old_gpu = GpuError::OldGpu {
            engine: "TensorRT",
            name: "NVIDIA P100".into(),
            capability: (6, 0),
            needed: (7, 5),
            architecture: "Turing",
        };
        let broken = GpuError::Cuda {
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
                "Install NVIDIA's driver",
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

        each_case(cases, |(error, found, state, message, remedy)| {
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
        });
    }

    #[test]
    fn a_driver_that_is_too_old_is_told_by_what_the_gpus_engine_needs() {
        let cases = [
            (None, "CUDA 12.0 is needed", "version 525"),
            (Some((8, 0)), "CUDA 12.0 is needed", "version 525"),
            (Some((9, 0)), "CUDA 12.0 is needed", "version 525"),
            (Some((6, 1)), "has compute capability 6.1", ""),
            #[cfg(feature = "tensorrt")]
            (Some((7, 5)), "CUDA 13.0 is needed", "version 580"),
            #[cfg(not(feature = "tensorrt"))]
            (Some((7, 5)), "and 8.0 (Ampere) or newer", ""),
        ];

        each_case(cases, |(capability, message, remedy)| {
            let verdict = old_driver(11_080, 12_000, capability);
            assert!(verdict.message.contains(message), "{}", verdict.message);
            assert!(verdict.remedy.contains(remedy), "{}", verdict.remedy);
            assert_eq!(verdict.remedy.is_empty(), remedy.is_empty());
        });
    }
}
