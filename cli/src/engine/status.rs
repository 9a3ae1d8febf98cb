//! Engines that the command offers, and whether each can run on this machine.

use anyhow::Result;

use super::gpus::gpu_options;

/// An engine and whether it can run.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct EngineStatus {
    pub(crate) name: &'static str,
    pub(crate) built_in: bool,
    pub(crate) usable: bool,
    /// The hardware that it would run on, or the reason why it cannot run.
    pub(crate) about: String,
}

/// Returns all engines; the CPU engine, which always works, comes first.
pub(crate) fn all() -> Vec<EngineStatus> {
    let threads = sextet_separator::cpu::threads(None);
    let about = format!(
        "needs nothing; computes on {threads} {}",
        if threads == 1 { "thread" } else { "threads" }
    );
    let cpu = EngineStatus {
        name: "cpu",
        built_in: true,
        usable: true,
        about,
    };

    let on_gpu = |name, built_in, found: Result<String>| EngineStatus {
        name,
        built_in,
        usable: found.is_ok(),
        about: found.unwrap_or_else(|error| error.to_string()),
    };
    vec![
        cpu,
        on_gpu("cuda", true, probe_cuda()),
        on_gpu("tensorrt", cfg!(feature = "tensorrt"), probe_tensorrt()),
    ]
}

/// Returns the GPU that the CUDA engine would run on.
///
/// # Errors
/// The reason why it cannot be used.
fn probe_cuda() -> Result<String> {
    let gpu = sextet_separator::cuda::probe(&gpu_options()?)?;
    Ok(format!("{gpu}; nothing has to be installed"))
}

/// Returns the library and the GPU that TensorRT would run on.
///
/// # Errors
/// The reason why TensorRT cannot be used.
fn probe_tensorrt() -> Result<String> {
    #[cfg(feature = "tensorrt")]
    {
        let found = sextet_separator::tensorrt::probe(&gpu_options()?)?;
        Ok(format!("TensorRT-RTX {} on {}", found.library, found.gpu))
    }
    #[cfg(not(feature = "tensorrt"))]
    Err(not_built_in())
}

/// The error of commands about TensorRT in a build without it.
#[cfg(not(feature = "tensorrt"))]
pub(crate) fn not_built_in() -> anyhow::Error {
    let engine = "tensorrt";
    sextet_separator::Error::from(sextet_separator::EngineError::NotBuiltIn { engine }).into()
}
