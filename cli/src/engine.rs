//! Engines, as the command knows them: which there are, and which one was asked for.

use std::num::NonZeroUsize;

use anyhow::Result;
use sextet_separator::{EngineChoice, EngineOptions, Listener, Model, Separator};

use crate::args::EngineArg;
use crate::computing;
use crate::fault::{Kind, Report};

/// An engine and whether it can run.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) built_in: bool,
    pub(crate) usable: bool,
    /// What it would run on, or why it cannot.
    pub(crate) about: String,
}

/// All engines, the one that always works first.
pub(crate) fn all() -> Vec<Engine> {
    let cpu = Engine { name: "cpu", built_in: true, usable: true, about: "needs nothing".to_owned() };
    let found = computing::probe();
    let (usable, about) = (found.is_ok(), found.unwrap_or_else(|error| error.to_string()));
    vec![cpu, Engine { name: "tensorrt", built_in: cfg!(feature = "tensorrt"), usable, about }]
}

/// What the separator is told.
///
/// # Errors
/// When the configuration cannot be used.
pub(crate) fn options(asked: EngineArg, threads: Option<NonZeroUsize>) -> Result<EngineOptions> {
    let engine = match asked {
        EngineArg::Auto => EngineChoice::Auto,
        EngineArg::Cpu => EngineChoice::Cpu,
        EngineArg::Tensorrt => EngineChoice::TensorRt,
    };
    Ok(EngineOptions { engine, threads, tensorrt: computing::tensorrt_options()? })
}

/// Begins what the engine that is asked for takes whatever the model is, while other things are done.
pub(crate) fn warm_up(asked: EngineArg, threads: Option<NonZeroUsize>) {
    // What is wrong with the configuration is told when the engine is started.
    if let Ok(options) = options(asked, threads) {
        sextet_separator::warm_up(&options);
    }
}

/// Puts `model` on the engine that was asked for; `listener` hears what is waited for.
///
/// # Errors
/// When the engine cannot be had.
pub(crate) fn start(
    model: Model,
    asked: EngineArg,
    threads: Option<NonZeroUsize>,
    listener: &mut dyn Listener,
) -> Result<Separator> {
    Ok(Separator::prepare(model, options(asked, threads)?, listener)?)
}

/// What to tell when the CPU takes over from a GPU that failed in the middle of its work. `None` where it must not: `asked`
/// names the engine, something else failed, or it is the CPU already.
pub(crate) fn takeover(asked: EngineArg, separator: &Separator, failure: &Report) -> Option<String> {
    let may = asked == EngineArg::Auto && failure.kind == Kind::Engine && !separator.is_on_cpu();
    may.then(|| format!("{}; the CPU takes over", failure.message))
}
