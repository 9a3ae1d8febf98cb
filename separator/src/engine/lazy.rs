//! Engine that is started when it is first needed.

use super::{Backend, Engine, EngineClass, EngineError, start};
use crate::Result;
use crate::model::Network;
use crate::progress::Listener;
use crate::timings::timed;

/// Network of a model and, once it has been needed, the engine that runs it.
pub(crate) struct LazyEngine {
    state: State,
    segment_frames: usize,
    weights: Vec<f32>,
    backend: Backend,
}

enum State {
    Waiting(Box<Network>),
    Running {
        engine: Box<dyn Engine>,
        note: Option<String>,
    },
    /// The engine failed to start, and its network is gone.
    Failed,
}

impl LazyEngine {
    /// Creates the engine of `network` on `backend`, with the weight of each source in `weights`.
    pub(crate) fn new(network: Network, weights: Vec<f32>, backend: Backend) -> Self {
        Self {
            segment_frames: network.segment_frames(),
            state: State::Waiting(Box::new(network)),
            weights,
            backend,
        }
    }

    /// Wraps the started `engine`, for tests of the stages around it.
    #[cfg(test)]
    pub(crate) fn on(engine: Box<dyn Engine>, segment_frames: usize, weights: Vec<f32>) -> Self {
        Self {
            state: State::Running { engine, note: None },
            segment_frames,
            weights,
            backend: super::EngineOptions::default().into(),
        }
    }

    /// Returns the number of frames of the network's segment.
    pub(crate) fn segment_frames(&self) -> usize {
        self.segment_frames
    }

    /// Returns the weight of the network for each source.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Returns the choice by which the engine is started.
    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Returns the name of the started engine, or `None` before the start.
    pub(crate) fn name(&self) -> Option<String> {
        self.started().map(|(engine, _)| engine.name())
    }

    /// Returns the class of the started engine, or `None` before the start.
    pub(crate) fn class(&self) -> Option<EngineClass> {
        self.started().map(|(engine, _)| engine.class())
    }

    /// Returns the reason for the started engine, where the choice was left open.
    pub(crate) fn note(&self) -> Option<&str> {
        self.started().and_then(|(_, note)| note)
    }

    fn started(&self) -> Option<(&dyn Engine, Option<&str>)> {
        match &self.state {
            State::Running { engine, note } => Some((engine.as_ref(), note.as_deref())),
            State::Waiting(_) | State::Failed => None,
        }
    }

    /// Drops the segments that the engine was given and has not returned.
    pub(crate) fn forget(&mut self) -> Result<()> {
        match &mut self.state {
            State::Running { engine, .. } => engine.forget(),
            State::Waiting(_) | State::Failed => Ok(()),
        }
    }

    /// Returns the engine. Starts it when it is first needed.
    ///
    /// # Errors
    /// Returns the error of the start, and [`EngineError::NotStarted`] after a start that failed.
    pub(crate) fn engine(&mut self, listener: &mut dyn Listener) -> Result<&mut dyn Engine> {
        if let State::Waiting(_) = self.state
            && let State::Waiting(network) = std::mem::replace(&mut self.state, State::Failed)
        {
            let started = timed("start the engine", || {
                start(*network, &mut self.backend, listener)
            })?;
            self.state = State::Running {
                engine: started.engine,
                note: started.note,
            };
        }

        match &mut self.state {
            State::Running { engine, .. } => Ok(engine.as_mut()),
            State::Waiting(_) | State::Failed => Err(EngineError::NotStarted.into()),
        }
    }
}
