//! Engines, as the command knows them: which there are, and which one was asked for.

use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::Result;
use sextet_separator::timings::timed;
use sextet_separator::{
    Backend, EngineChoice, EngineOptions, Listener, Model, Separator, Successor, TensorRtOptions,
    Work, successor,
};

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
    let threads = sextet_separator::cpu_threads(None);
    let about = format!(
        "needs nothing; computes on {threads} {}",
        if threads == 1 { "thread" } else { "threads" }
    );
    let cpu = Engine {
        name: "cpu",
        built_in: true,
        usable: true,
        about,
    };

    let found = computing::probe();
    let (usable, about) = (
        found.is_ok(),
        found.unwrap_or_else(|error| error.to_string()),
    );
    vec![
        cpu,
        Engine {
            name: "tensorrt",
            built_in: cfg!(feature = "tensorrt"),
            usable,
            about,
        },
    ]
}

/// What the separator is told. The CPU needs nothing of TensorRT's, so that nothing of it is looked
/// for.
///
/// # Errors
/// When the configuration cannot be used.
pub(crate) fn options(asked: EngineArg, threads: Option<NonZeroUsize>) -> Result<EngineOptions> {
    Ok(options_of_all(asked, threads)?.swap_remove(0))
}

/// The same for each of the engines that may share the work, of which there is at least one: one
/// for each GPU that is named.
///
/// # Errors
/// As [`options`].
pub(crate) fn options_of_all(
    asked: EngineArg,
    threads: Option<NonZeroUsize>,
) -> Result<Vec<EngineOptions>> {
    let engine = choice(asked);
    let each = match engine {
        EngineChoice::Cpu => vec![TensorRtOptions::default()],
        _ => computing::tensorrt_options_of_all()?,
    };
    Ok(each
        .into_iter()
        .map(|tensorrt| EngineOptions {
            engine,
            threads,
            tensorrt,
        })
        .collect())
}

fn choice(asked: EngineArg) -> EngineChoice {
    match asked {
        EngineArg::Auto => EngineChoice::Auto,
        EngineArg::Cpu => EngineChoice::Cpu,
        EngineArg::Tensorrt => EngineChoice::TensorRt,
    }
}

/// Begins what the engine that is asked for takes whatever the model is, while other things are
/// done.
pub(crate) fn warm_up(asked: EngineArg, threads: Option<NonZeroUsize>) {
    // What is wrong with the configuration is told when the engine is started.
    if let Ok(options) = options(asked, threads) {
        sextet_separator::warm_up(&options);
    }
}

/// The engine that `options` ask for; where they leave that open, the one that is through with
/// `songs` first.
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
    Ok(Separator::prepare(
        model,
        options(asked, threads)?,
        listener,
    )?)
}

/// Why `separator` is on its engine, where the choice was left open. `ahead` says how the GPU is
/// made ready ahead.
pub(crate) fn note(separator: &Separator, ahead: &str) -> Option<String> {
    let note = separator.engine_note()?;
    let ahead = separator
        .sooner()
        .map_or_else(String::new, |_| format!("; {ahead}"));
    Some(format!("{note}{ahead}"))
}

/// What to tell when the CPU takes over from a GPU that failed in the middle of its work. `None`
/// where it must not: `asked` names the engine, something else failed, or it is the CPU already.
pub(crate) fn takeover(
    asked: EngineArg,
    separator: &Separator,
    failure: &Report,
) -> Option<String> {
    let may = successor(choice(asked), separator.is_on_cpu()) == Successor::Cpu
        && failure.kind == Kind::Engine;
    may.then(|| format!("{}; the CPU takes over", failure.message))
}
