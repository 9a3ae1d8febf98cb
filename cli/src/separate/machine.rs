//! The model on its engine, and on the CPU when a GPU that nobody insisted on fails in the middle of a batch.

use std::time::Duration;

use anyhow::Result;
use sextet_separator::{Model, Separator, Work};

use crate::args::{EngineArg, SeparateArgs};
use crate::fault::Report;
use crate::preparing::Waiting;
use crate::{engine, models};

/// What separates the songs of a batch.
pub(super) struct Machine<'a> {
    args: &'a SeparateArgs,
    pub(super) separator: Separator,
    /// Why it is on this engine, where there was a choice.
    pub(super) note: Option<String>,
}

impl<'a> Machine<'a> {
    /// Puts `model` on the engine that `args` ask for; where they leave that open, on the one that is through with `songs` first.
    ///
    /// # Errors
    /// When the engine cannot be had.
    pub(super) fn start(args: &'a SeparateArgs, model: Model, songs: &mut dyn Iterator<Item = Work>) -> Result<Self> {
        let backend = engine::weigh(&model, args.engine, args.threads, songs, Duration::ZERO)?;
        let separator = Separator::prepare(model, backend, &mut waiting(args))?;
        let ahead = format!("`sextet engine build {}` does that ahead", args.model.display());
        let note = engine::note(&separator, &ahead);
        Ok(Self { args, separator, note })
    }

    /// Leaves the engine to the end of the process, which takes all of it back at once: taking it down piece by piece would
    /// be waited for.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }

    /// Goes on on the CPU after `failure`, where that is allowed and possible: the song is to be done again then. Says why.
    pub(super) fn take_over(&mut self, failure: &Report) -> Option<String> {
        let why = engine::takeover(self.args.engine, &self.separator, failure)?;
        let on_cpu = || {
            let model = models::open(&self.args.model)?;
            engine::start(model, EngineArg::Cpu, self.args.threads, &mut waiting(self.args))
        };
        // A CPU that cannot do it either leaves the GPU's failure standing.
        self.separator = on_cpu().ok()?;
        Some(why)
    }
}

fn waiting(args: &SeparateArgs) -> Waiting {
    Waiting::new(args.quiet || args.json)
}
