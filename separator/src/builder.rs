//! Builder of a separator: a model, and the choice of its engine.

use crate::engine::{self, Backend, EngineChoice, EngineOptions, LazyEngine};
use crate::model::Model;
use crate::progress::{Ignore, Listener};
use crate::{Result, Separator};

/// Builder of a [`Separator`]. Without a choice, the fastest engine that works on this machine is
/// used.
pub struct SeparatorBuilder<'l> {
    model: Model,
    backend: Backend,
    listener: Option<&'l mut dyn Listener>,
}

impl Separator {
    /// Returns a builder, by which the engine of `model` is chosen.
    pub fn builder<'l>(model: Model) -> SeparatorBuilder<'l> {
        SeparatorBuilder::new(model)
    }

    /// Puts `model` on the engine that `options` ask for: [`Separator::builder`] with nothing but
    /// these options.
    ///
    /// # Errors
    /// Fails like [`SeparatorBuilder::build`].
    pub fn new(model: Model, options: EngineOptions) -> Result<Self> {
        Self::builder(model).backend(options).build()
    }
}

impl<'l> SeparatorBuilder<'l> {
    fn new(model: Model) -> Self {
        Self {
            model,
            backend: EngineOptions::new().into(),
            listener: None,
        }
    }

    /// Chooses the engine, with the default of every other option. It replaces an earlier choice.
    #[must_use]
    pub fn engine(self, engine: EngineChoice) -> Self {
        self.backend(EngineOptions::new().engine(engine))
    }

    /// Chooses the engine by [`EngineOptions`], or by a [`Backend`] that was weighed before. It
    /// replaces an earlier choice.
    #[must_use]
    pub fn backend(mut self, backend: impl Into<Backend>) -> Self {
        self.backend = backend.into();
        self
    }

    /// Reports the steps of the engine's start to `listener`, which may cancel it. An engine that
    /// has to be built first takes many seconds; [`Backend::weigh`] determines whether that is
    /// worth the time.
    #[must_use]
    pub fn listener(mut self, listener: &'l mut dyn Listener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Puts the model on the engine. The networks of a bag are loaded when they are first needed,
    /// or by [`Separator::start`].
    ///
    /// # Errors
    /// Returns an [`EngineError`](crate::EngineError) when the engine is not available, and
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) when the listener cancels.
    pub fn build(self) -> Result<Separator> {
        let Self {
            model,
            backend,
            listener,
        } = self;
        engine::check(&backend)?;
        model.check_separable()?;
        let (sources, segment_frames) = (model.sources().to_vec(), model.segment_frames());

        let load = |(network, weights)| LazyEngine::new(network, weights, backend.clone());
        let mut engines: Vec<LazyEngine> = model.into_networks().into_iter().map(load).collect();
        if let [only] = engines.as_mut_slice() {
            match listener {
                Some(listener) => only.engine(listener)?,
                None => only.engine(&mut Ignore)?,
            };
        }

        Ok(Separator::of(engines, sources, segment_frames))
    }
}
