//! Choice and start of the engine that is asked for, and the takeover by the CPU where it fails.

use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::Result;
use sextet_separator::timings::timed;
use sextet_separator::{
    Backend, EngineChoice, EngineClass, EngineOptions, GpuOptions, Listener, Model, Separator,
    Successor, Work, successor,
};

use super::gpus::gpu_options_of_all;
use crate::args::EngineArg;
use crate::fault::{Kind, Report};

/// Returns the separator's options for the engine that is asked for. The CPU engine needs none of
/// TensorRT's files, so its options do not look for them.
///
/// # Errors
/// When the configuration cannot be used.
pub(crate) fn options(asked: EngineArg, threads: Option<NonZeroUsize>) -> Result<EngineOptions> {
    Ok(options_of_all(asked, threads)?.swap_remove(0))
}

/// Returns the options of each engine that may share the work: one for each named GPU, and at least
/// one.
///
/// # Errors
/// As [`options`].
pub(crate) fn options_of_all(
    asked: EngineArg,
    threads: Option<NonZeroUsize>,
) -> Result<Vec<EngineOptions>> {
    let engine = choice(asked);
    let each = match engine {
        EngineChoice::Cpu => vec![GpuOptions::default()],
        _ => gpu_options_of_all()?,
    };
    Ok(each
        .into_iter()
        .map(|gpu| {
            EngineOptions::new()
                .engine(engine)
                .threads(threads)
                .gpu(gpu)
        })
        .collect())
}

fn choice(asked: EngineArg) -> EngineChoice {
    match asked {
        EngineArg::Auto => EngineChoice::Auto,
        EngineArg::Cpu => EngineChoice::Cpu,
        EngineArg::Cuda => EngineChoice::Cuda,
        EngineArg::Tensorrt => EngineChoice::TensorRt,
    }
}

/// Returns the choice that leads to the engine that `separator` runs on.
pub(crate) fn running(separator: &Separator) -> EngineChoice {
    match separator.engine_class() {
        Some(EngineClass::CudaF16) => EngineChoice::Cuda,
        Some(EngineClass::TensorRtF16 | EngineClass::TensorRtF32) => EngineChoice::TensorRt,
        _ => EngineChoice::Cpu,
    }
}

/// Starts the model-independent preparation of the engine that is asked for, in the background.
pub(crate) fn warm_up(asked: EngineArg, threads: Option<NonZeroUsize>) {
    // Errors in the configuration are reported when the engine is started.
    if let Ok(options) = options(asked, threads) {
        sextet_separator::warm_up(&options);
    }
}

/// Chooses the backend for `options`. If they leave the engine open, it is the one that would
/// finish `songs` first.
pub(crate) fn weigh(
    model: &Model,
    options: EngineOptions,
    songs: &mut dyn Iterator<Item = Work>,
    begun: Duration,
) -> Backend {
    timed("choose the engine", || {
        Backend::weigh(model, options, songs, begun)
    })
}

/// Prepares `model` on the engine that is asked for; `listener` receives the steps of the
/// preparation.
///
/// # Errors
/// When the engine cannot be used.
pub(crate) fn start(
    model: Model,
    asked: EngineArg,
    threads: Option<NonZeroUsize>,
    listener: &mut dyn Listener,
) -> Result<Separator> {
    Ok(Separator::builder(model)
        .backend(options(asked, threads)?)
        .listener(listener)
        .build()?)
}

/// Returns the reason why `separator` runs on its engine, if the choice was open. `ahead` tells how
/// to prepare the GPU in advance.
pub(crate) fn note(separator: &Separator, ahead: &str) -> Option<String> {
    let note = separator.engine_note()?;
    let ahead = separator
        .sooner()
        .map_or_else(String::new, |_| format!("; {ahead}"));
    Some(format!("{note}{ahead}"))
}

/// Returns the message for a takeover by the CPU after a GPU failed in the middle of its work.
/// `None` when there must be no takeover: `asked` names the engine, something other than the engine
/// failed, or the work is on the CPU already.
pub(crate) fn takeover(
    asked: EngineArg,
    separator: &Separator,
    failure: &Report,
) -> Option<String> {
    let may = successor(choice(asked), separator.is_on_cpu()) == Successor::Cpu
        && failure.kind == Kind::Engine;
    may.then(|| format!("{}; the CPU takes over", failure.message))
}
