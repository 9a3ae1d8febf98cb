//! Engines, as the command knows them: which there are, which one was asked for, and why it became another.

use std::num::NonZeroUsize;

use anyhow::Result;
use sextet_separator::{EngineChoice, EngineOptions, Model, Separator};

use crate::args::EngineArg;

/// An engine and whether it can run.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) built_in: bool,
    pub(crate) usable: bool,
}

/// All engines, the one that always works first.
pub(crate) fn all() -> Vec<Engine> {
    vec![
        Engine { name: "cpu", built_in: true, usable: true },
        Engine { name: "tensorrt", built_in: false, usable: false },
    ]
}

/// What the separator is told.
pub(crate) fn options(asked: EngineArg, threads: Option<NonZeroUsize>) -> EngineOptions {
    let engine = match asked {
        EngineArg::Auto => EngineChoice::Auto,
        EngineArg::Cpu => EngineChoice::Cpu,
        EngineArg::Tensorrt => EngineChoice::TensorRt,
    };
    EngineOptions { engine, threads }
}

/// Puts `model` on the engine that was asked for.
///
/// # Errors
/// When the engine cannot be had.
pub(crate) fn start(model: Model, asked: EngineArg, threads: Option<NonZeroUsize>) -> Result<Separator> {
    Ok(Separator::new(model, options(asked, threads))?)
}

/// Why `auto` took what it took.
pub(crate) fn note(asked: EngineArg) -> Option<String> {
    (asked == EngineArg::Auto).then(|| "TensorRT is not part of this build".to_owned())
}
