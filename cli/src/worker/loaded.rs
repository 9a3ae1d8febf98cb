//! A model and its engine, kept from one job to the next.

use std::fs;
use std::iter::once;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Result, anyhow};
use sextet_protocol::worker::EngineName;
use sextet_separator::{Backend, EngineClass, Listener, Model, Separator, Stem, Work};

use crate::args::EngineArg;
use crate::fault::Report;
use crate::{engine, models};

/// A model, and its engine once it has been needed.
pub(super) struct Loaded {
    name: String,
    asked: EngineName,
    /// Class of the engine that was expected at loading. Another one is expected once a GPU has
    /// been set up.
    pub(super) expected: EngineClass,
    /// Size and modification time of the file called `name`, by which a replaced file is noticed.
    stamp: Option<(u64, SystemTime)>,
    /// SHA-256 of the weights.
    pub(super) hash: String,
    pub(super) stems: Vec<Stem>,
    /// Frames that the model takes at a time.
    pub(super) segment_frames: usize,
    /// Engine to start: the one asked for, or the CPU as its substitute.
    engine: EngineArg,
    /// The chosen engine, once it has been weighed.
    backend: Option<Backend>,
    state: State,
}

enum State {
    Opened(Model),
    Started(Separator),
    /// The engine did not start.
    Lost,
}

impl Loaded {
    /// Opens the model called `name` for the engine `asked`, without starting it. The engine is
    /// expected to be of the class `expected`.
    ///
    /// # Errors
    /// When there is no such model, or it cannot be used.
    pub(super) fn open(name: &str, asked: EngineName, expected: EngineClass) -> Result<Self> {
        let stamp = stamp(name);
        let model = models::open(Path::new(name))?;
        Ok(Self {
            name: name.to_owned(),
            asked,
            expected,
            stamp,
            hash: model.hash(),
            stems: model.sources().to_vec(),
            segment_frames: model.segment_frames(),
            engine: engine_arg(asked),
            backend: None,
            state: State::Opened(model),
        })
    }

    /// Returns the same model for the CPU, with the reason, if the CPU must take over from a GPU
    /// that failed with `failure`.
    ///
    /// # Errors
    /// As [`Loaded::open`].
    pub(super) fn on_cpu_after(&self, failure: &Report) -> Result<Option<(Self, String)>> {
        let State::Started(separator) = &self.state else {
            return Ok(None);
        };
        let Some(why) = engine::takeover(self.engine, separator, failure) else {
            return Ok(None);
        };

        Ok(Some((
            Self {
                engine: EngineArg::Cpu,
                ..Self::open(&self.name, self.asked, self.expected)?
            },
            why,
        )))
    }

    /// Whether this is the model that [`Loaded::open`] would return now, apart from the expected
    /// engine.
    pub(super) fn is(&self, name: &str, asked: EngineName) -> bool {
        self.name == name
            && self.asked == asked
            && self.stamp == stamp(name)
            && !matches!(self.state, State::Lost)
    }

    /// Whether the engine was chosen or started.
    pub(super) fn is_chosen(&self) -> bool {
        self.backend.is_some() || self.is_started()
    }

    /// Whether the engine could not be started.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    /// Whether the engine has been started.
    pub(super) fn is_started(&self) -> bool {
        matches!(self.state, State::Started(_))
    }

    /// Chooses the engine for `work`, if the choice is open and none is started. The GPU has been
    /// in preparation for `begun`. Returns whether the choice is the CPU because it would finish
    /// before the GPU could begin.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(super) fn weigh(
        &mut self,
        threads: Option<NonZeroUsize>,
        work: Work,
        begun: Duration,
    ) -> Result<bool> {
        let State::Opened(model) = &self.state else {
            return Ok(false);
        };

        let backend = engine::weigh(
            model,
            engine::options(self.engine, threads)?,
            &mut once(work),
            begun,
        );

        let is_sooner = backend.sooner().is_some();
        self.backend = Some(backend);
        Ok(is_sooner)
    }

    /// Resets the choice of an engine that is the CPU only for finishing sooner, unless that still
    /// holds for `work`. Without work the choice is always reset, to be ready for any.
    ///
    /// # Errors
    /// As [`Loaded::open`].
    pub(super) fn reconsider(
        &mut self,
        threads: Option<NonZeroUsize>,
        work: Option<Work>,
    ) -> Result<()> {
        let State::Started(separator) = &self.state else {
            return Ok(());
        };
        if separator.sooner().is_none() {
            return Ok(());
        }

        let mut again = Self::open(&self.name, self.asked, self.expected)?;
        let stays = match work {
            Some(work) => again.weigh(threads, work, Duration::ZERO)?,
            None => false,
        };

        if !stays {
            *self = again;
        }

        Ok(())
    }

    /// Returns the separator; starts the engine with all of its networks if needed, since all stems
    /// are made.
    ///
    /// # Errors
    /// When the engine cannot be started.
    pub(super) fn separator(
        &mut self,
        threads: Option<NonZeroUsize>,
        listener: &mut dyn Listener,
    ) -> Result<&mut Separator> {
        if let State::Opened(_) = self.state
            && let State::Opened(model) = std::mem::replace(&mut self.state, State::Lost)
        {
            let backend = match self.backend.take() {
                Some(backend) => backend,
                None => engine::options(self.engine, threads)?.into(),
            };
            let mut separator = Separator::builder(model)
                .backend(backend)
                .listener(&mut *listener)
                .build()?;
            separator.start(listener)?;
            self.state = State::Started(separator);
        }

        match &mut self.state {
            State::Started(separator) => Ok(separator),
            _ => Err(anyhow!("the engine was not started")),
        }
    }
}

/// Returns the engine as the command line names it.
pub(super) fn engine_arg(asked: EngineName) -> EngineArg {
    match asked {
        EngineName::Auto => EngineArg::Auto,
        EngineName::Cpu => EngineArg::Cpu,
        EngineName::Cuda => EngineArg::Cuda,
        EngineName::Tensorrt => EngineArg::Tensorrt,
    }
}

fn stamp(name: &str) -> Option<(u64, SystemTime)> {
    let found = fs::metadata(name).ok()?;
    Some((found.len(), found.modified().ok()?))
}
