//! Whether the GPU can be used, and what to do where it cannot: in words that the plugin and the doctor both show.

use sextet_protocol::worker::{Gpu, GpuSetup, GpuState};

use super::found::{Found, look};

/// Looks for GPU, driver and library, in this order: the first that is missing is what is told.
pub(crate) fn inspect() -> Gpu {
    let found = look();
    let verdict = verdict(&found);
    let setup = if verdict.state == GpuState::ToBeSetUp { setup() } else { None };
    Gpu {
        state: verdict.state,
        devices: devices(&found),
        driver: found.driver.clone(),
        library: verdict.library,
        message: verdict.message,
        remedy: verdict.remedy,
        setup,
    }
}

/// What was made of all that was found.
struct Verdict {
    state: GpuState,
    library: Option<String>,
    message: String,
    remedy: String,
}

impl Verdict {
    fn new(state: GpuState, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state, library: None, message: message.into(), remedy: remedy.into() }
    }
}

/// Name and memory of each GPU, from the lines of `nvidia-smi`: `NVIDIA H200, 143771 MiB, 580.159.04`.
fn devices(found: &Found) -> Vec<String> {
    let device = |line: &String| {
        let mut fields = line.split(',').map(str::trim);
        let name = fields.next().unwrap_or_default().to_owned();
        let mebibytes = fields.next().and_then(|memory| memory.strip_suffix(" MiB")?.parse::<f64>().ok());
        mebibytes.map_or(name.clone(), |mebibytes| format!("{name}, {:.0} GB", mebibytes / 1024.0))
    };
    found.devices.iter().map(device).collect()
}

#[cfg(not(feature = "tensorrt"))]
fn verdict(_: &Found) -> Verdict {
    Verdict::new(
        GpuState::NotBuiltIn,
        "This command was built for the CPU alone.",
        "Install Sextet from its archive or with `cargo xtask install` to use an NVIDIA GPU.",
    )
}

#[cfg(not(feature = "tensorrt"))]
fn setup() -> Option<GpuSetup> {
    None
}

#[cfg(feature = "tensorrt")]
fn setup() -> Option<GpuSetup> {
    let offer = crate::setup::offer()?;
    let licence = offer.licence.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(GpuSetup { what: offer.what, bytes: offer.bytes, licence, folder: offer.folder })
}

#[cfg(feature = "tensorrt")]
fn verdict(found: &Found) -> Verdict {
    use crate::fault::Report;

    let options = match crate::computing::tensorrt_options() {
        Ok(options) => options,
        Err(error) => {
            let Report { message, help, .. } = Report::of(&error);
            return Verdict::new(GpuState::Unusable, sentence(&message), sentence(&help));
        }
    };

    let gpu = match sextet_separator::tensorrt::Gpu::open(options.gpu) {
        Ok(gpu) => gpu,
        Err(error) => return without_gpu(error, found),
    };

    match sextet_separator::tensorrt::Library::load(&options.libraries) {
        Ok(library) => {
            let library = format!("TensorRT-RTX {}", library.version);
            let message = format!("Separations run on the GPU: {library} on {}.", gpu.name);
            Verdict { library: Some(library), ..Verdict::new(GpuState::Ready, message, "") }
        }
        Err(error) => without_library(error, &gpu.name),
    }
}

/// There is no GPU, or none that will do.
#[cfg(feature = "tensorrt")]
fn without_gpu(error: sextet_separator::tensorrt::TensorRtError, found: &Found) -> Verdict {
    use sextet_separator::tensorrt::TensorRtError;

    let nothing = found.devices.is_empty() && found.driver.is_none() && found.cuda_library.is_none();
    match error {
        TensorRtError::NoDriver { .. } if nothing => {
            Verdict::new(GpuState::NoGpu, "No NVIDIA GPU was found: separations run on the CPU.", "")
        }
        TensorRtError::NoDriver { .. } => Verdict::new(
            GpuState::Unusable,
            "There is an NVIDIA GPU, but its driver does not work.",
            "Install NVIDIA's driver, 580 or newer, and start the machine again.",
        ),
        TensorRtError::OldDriver { found, needed } => Verdict::new(
            GpuState::Unusable,
            format!(
                "The driver is too old: it supports CUDA {}, and {} is needed.",
                cuda_version(found),
                cuda_version(needed)
            ),
            "Update NVIDIA's driver to 580 or newer.",
        ),
        TensorRtError::NoGpu { count: 0, .. } if nothing => {
            Verdict::new(GpuState::NoGpu, "No NVIDIA GPU was found: separations run on the CPU.", "")
        }
        error => told(GpuState::Unusable, error),
    }
}

/// GPU and driver will do, the library will not.
#[cfg(feature = "tensorrt")]
fn without_library(error: sextet_separator::tensorrt::TensorRtError, gpu: &str) -> Verdict {
    use sextet_separator::tensorrt::TensorRtError;

    if let TensorRtError::NoLibrary { .. } = error {
        let message = format!("{gpu} can be used once NVIDIA's library is there.");
        return Verdict::new(GpuState::ToBeSetUp, message, "Set up the GPU: the library is fetched for you, once.");
    }
    let path = match &error {
        TensorRtError::WrongVersion { path, .. }
        | TensorRtError::Unloadable { path, .. }
        | TensorRtError::NotTensorRt { path, .. } => Some(path.clone()),
        _ => None,
    };
    // A library that somebody has named comes before the one that is fetched.
    let named =
        path.is_some_and(|path| crate::computing::named_libraries().iter().any(|folder| path.starts_with(folder)));
    told(if named { GpuState::Unusable } else { GpuState::ToBeSetUp }, error)
}

/// An error's own words.
#[cfg(feature = "tensorrt")]
fn told(state: GpuState, error: sextet_separator::tensorrt::TensorRtError) -> Verdict {
    let report = crate::fault::Report::of(&sextet_separator::Error::from(error).into());
    Verdict::new(state, sentence(&report.message), sentence(&report.help))
}

/// 13000 is 13.0.
#[cfg(feature = "tensorrt")]
fn cuda_version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

/// `text` with a capital letter and a full stop.
#[cfg(feature = "tensorrt")]
fn sentence(text: &str) -> String {
    let mut letters = text.trim().trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_with_their_memory() {
        let found = |line: &str| Found { devices: vec![line.to_owned()], ..Found::default() };
        for (line, expected) in [
            ("NVIDIA H200, 143771 MiB, 580.159.04", "NVIDIA H200, 140 GB"),
            ("NVIDIA GeForce RTX 4090, 24564 MiB, 580.1", "NVIDIA GeForce RTX 4090, 24 GB"),
            ("NVIDIA GeForce GTX 1650", "NVIDIA GeForce GTX 1650"),
        ] {
            assert_eq!(devices(&found(line)), [expected]);
        }
    }

    #[cfg(feature = "tensorrt")]
    #[test]
    fn what_is_missing_is_told_with_what_to_do() {
        use sextet_separator::tensorrt::TensorRtError;

        let none = Found::default();
        let card = Found { devices: vec!["NVIDIA T4".to_owned()], ..Found::default() };
        let no_driver = || TensorRtError::NoDriver { library: "libcuda.so.1" };
        let cases = [
            (no_driver(), &none, GpuState::NoGpu, ""),
            (no_driver(), &card, GpuState::Unusable, "580"),
            (TensorRtError::OldDriver { found: 12_040, needed: 13_000 }, &card, GpuState::Unusable, "580"),
            (
                TensorRtError::OldGpu { name: "NVIDIA P100".into(), capability: (6, 0) },
                &card,
                GpuState::Unusable,
                "cpu",
            ),
        ];
        for (error, found, state, remedy) in cases {
            let verdict = without_gpu(error, found);
            assert_eq!(verdict.state, state, "{}", verdict.message);
            assert!(verdict.remedy.contains(remedy) && verdict.message.ends_with('.'), "{}", verdict.message);
        }

        let missing = TensorRtError::NoLibrary { file: "libtensorrt_rtx.so.1".into(), searched: Vec::new() };
        assert_eq!(without_library(missing, "NVIDIA T4").state, GpuState::ToBeSetUp);
    }
}
