//! The facade: a model on an engine, ready to separate songs.

use crate::audio::AudioSource;
use crate::decoded::{DecodeOptions, Decoded};
use crate::engine::{self, Backend, Engine, EngineOptions, Sooner};
use crate::model::{Model, Network};
use crate::pipeline::{self, Summary};
use crate::progress::{Ignore, Listener};
use crate::timings::timed;
use crate::{Options, Result, SeparateError, Stem, StemSink};

/// A model on an engine. Loading is the costly part: keep it for as many songs as there are.
pub struct Separator {
    members: Vec<Member>,
    sources: Vec<Stem>,
    segment_frames: usize,
}

impl Separator {
    /// Puts `model` on the engine that `options` ask for. A network of a bag is loaded when it is
    /// first needed.
    ///
    /// # Errors
    /// [`EngineError`](crate::EngineError) when the engine cannot be had.
    pub fn new(model: Model, options: EngineOptions) -> Result<Self> {
        Self::prepare(model, options, &mut Ignore)
    }

    /// Like [`Separator::new`], and tells `listener` what it is waiting for: an engine that has to
    /// be built first takes many seconds, and the listener may cancel it. [`Backend::weigh`] finds
    /// out whether that is worth it.
    ///
    /// # Errors
    /// As [`Separator::new`].
    pub fn prepare(
        model: Model,
        backend: impl Into<Backend>,
        listener: &mut dyn Listener,
    ) -> Result<Self> {
        let backend = backend.into();
        engine::check(&backend)?;
        let (sources, segment_frames) = (model.sources().to_vec(), model.segment_frames());
        let load = |(network, weights)| Member::new(network, weights, backend.clone());

        let mut members: Vec<Member> = model.into_members().into_iter().map(load).collect();
        if let [only] = members.as_mut_slice() {
            only.engine(listener)?;
        }

        Ok(Self {
            members,
            sources,
            segment_frames,
        })
    }

    /// Starts the engine of every network that has none yet, instead of when it is first needed,
    /// and tells `listener` what it waits for.
    ///
    /// # Errors
    /// As [`Separator::new`], and when the listener cancelled; nothing more can be asked of this
    /// separator then.
    pub fn start(&mut self, listener: &mut dyn Listener) -> Result<()> {
        for member in &mut self.members {
            if listener.cancelled() {
                return Err(SeparateError::Cancelled.into());
            }
            member.engine(listener)?;
        }
        Ok(())
    }

    /// The stems that come out, in canonical order.
    pub fn sources(&self) -> &[Stem] {
        &self.sources
    }

    /// Frames, at [`MODEL_RATE_HZ`](crate::model::MODEL_RATE_HZ), that the model takes at a time.
    pub fn segment_frames(&self) -> usize {
        self.segment_frames
    }

    /// What the engine is and what it runs on, for people to read; what it will be, as far as that
    /// can be told, while none of a bag has been needed.
    pub fn engine_name(&self) -> String {
        let started = self
            .members
            .iter()
            .find_map(|member| member.engine.as_ref())
            .map(|engine| engine.name());
        let expected = || self.members.first().map(|member| member.backend.name());
        started.or_else(expected).unwrap_or_default()
    }

    /// Kind and precision of the engine that was started, as [`engine_class`](crate::engine_class)
    /// has them; `None` before.
    pub fn engine_class(&self) -> Option<&'static str> {
        self.members
            .iter()
            .find_map(|member| member.engine.as_ref())
            .map(|engine| engine.class())
    }

    /// Whether the engine is the CPU's.
    pub fn is_on_cpu(&self) -> bool {
        let expected = || self.members.iter().all(|member| member.backend.is_cpu());
        self.engine_class().map_or_else(expected, engine::is_of_cpu)
    }

    /// Why it is that engine, where the choice was left open and a faster one could not be had.
    pub fn engine_note(&self) -> Option<String> {
        let started = self.members.iter().find_map(|member| member.note.clone());
        started.or_else(|| self.members.first()?.backend.note())
    }

    /// What decided for the CPU, where it is the engine because it is done before the GPU could
    /// begin.
    pub fn sooner(&self) -> Option<Sooner> {
        self.members.first()?.backend.sooner()
    }

    /// Separates one song.
    ///
    /// It is read to its end first, and kept for that if it fits into
    /// [`MEMORY_BYTES`](crate::MEMORY_BYTES); a longer one is read again. The stems go to `sink` as
    /// they are finished; memory does not grow with the length of the song beyond that. The same
    /// song, model, options and machine give the same samples, bit for bit.
    ///
    /// # Errors
    /// Whatever stage fails says why, by its kind and its message; `sink` may have received some of
    /// the stems by then.
    pub fn separate(
        &mut self,
        song: &dyn AudioSource,
        options: &Options,
        sink: &mut dyn StemSink,
        listener: &mut dyn Listener,
    ) -> Result<Summary> {
        // What no song could be separated with is refused before this one is read.
        pipeline::check(options, &self.sources)?;
        let decoded = timed("read the song", || {
            Decoded::read(song, DecodeOptions::of(options), listener, &mut |_| ())
        })?;
        self.separate_decoded(&decoded, options, sink, listener)
    }

    /// Separates a song that was read before, perhaps beside something else. It gives the samples
    /// of
    /// [`Separator::separate`], whatever it was read with.
    ///
    /// # Errors
    /// As [`Separator::separate`].
    pub fn separate_decoded<S: AudioSource>(
        &mut self,
        song: &Decoded<S>,
        options: &Options,
        sink: &mut dyn StemSink,
        listener: &mut dyn Listener,
    ) -> Result<Summary> {
        pipeline::run(
            &mut self.members,
            &self.sources,
            song.view(),
            options,
            sink,
            listener,
        )
    }
}

/// One network of the model, loaded into its engine when it is first run.
pub(crate) struct Member {
    network: Option<Network>,
    engine: Option<Box<dyn Engine>>,
    note: Option<String>,
    segment_frames: usize,
    weights: Vec<f32>,
    backend: Backend,
}

impl Member {
    fn new(network: Network, weights: Vec<f32>, backend: Backend) -> Self {
        let segment_frames = network.segment_frames();
        Self {
            network: Some(network),
            engine: None,
            note: None,
            segment_frames,
            weights,
            backend,
        }
    }

    /// One that runs on `engine`, for tests of the stages around it.
    #[cfg(test)]
    pub(crate) fn on(engine: Box<dyn Engine>, segment_frames: usize, weights: Vec<f32>) -> Self {
        let backend = EngineOptions::default().into();
        Self {
            network: None,
            engine: Some(engine),
            note: None,
            segment_frames,
            weights,
            backend,
        }
    }

    /// Frames that the network takes at a time.
    pub(crate) fn segment_frames(&self) -> usize {
        self.segment_frames
    }

    /// How much the network counts for each source.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Drops what its engine was given and has not handed out.
    pub(crate) fn forget(&mut self) -> Result<()> {
        self.engine
            .as_mut()
            .map_or(Ok(()), |engine| engine.forget())
    }

    /// The engine; it is started when it is first needed.
    pub(crate) fn engine(&mut self, listener: &mut dyn Listener) -> Result<&mut dyn Engine> {
        if let Some(network) = self.network.take() {
            // A network whose engine failed to start is gone; nothing more can be asked of this
            // separator.
            let started = timed("start the engine", || {
                engine::start(network, &mut self.backend, listener)
            })?;
            (self.engine, self.note) = (Some(started.engine), started.note);
        }

        let engine = self
            .engine
            .as_deref_mut()
            .ok_or(engine::EngineError::NotStarted)?;
        Ok(engine)
    }
}
