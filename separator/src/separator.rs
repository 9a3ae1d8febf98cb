//! Facade of the crate: a model on an engine, ready to separate songs.

use crate::audio::{Audio, AudioSource};
use crate::decoded::{DecodeOptions, Decoded};
use crate::engine::{EngineClass, LazyEngine, Sooner};
use crate::pipeline::{self, Summary};
use crate::progress::{Ignore, Listener};
use crate::timings::timed;
use crate::{InMemory, Options, Part, Result, SeparateError, Stem, StemSink};

/// Model on an engine. Loading is the costly part, so a separator should be kept for all songs.
pub struct Separator {
    engines: Vec<LazyEngine>,
    sources: Vec<Stem>,
    segment_frames: usize,
}

impl Separator {
    /// Creates a separator of the model's engines.
    pub(crate) fn of(engines: Vec<LazyEngine>, sources: Vec<Stem>, segment_frames: usize) -> Self {
        Self {
            engines,
            sources,
            segment_frames,
        }
    }

    /// Starts the engine of every network that has none yet, instead of when it is first needed.
    /// Reports the steps to `listener`.
    ///
    /// # Errors
    /// Fails like [`Separator::new`], and when the listener cancels. The separator is unusable
    /// after a failure.
    pub fn start(&mut self, listener: &mut dyn Listener) -> Result<()> {
        for engine in &mut self.engines {
            if listener.cancelled() {
                return Err(SeparateError::Cancelled.into());
            }
            engine.engine(listener)?;
        }
        Ok(())
    }

    /// Returns the stems that the model gives, in canonical order.
    pub fn sources(&self) -> &[Stem] {
        &self.sources
    }

    /// Returns the number of frames, at [`MODEL_RATE_HZ`](crate::model::MODEL_RATE_HZ), of the
    /// model's segment.
    pub fn segment_frames(&self) -> usize {
        self.segment_frames
    }

    /// Returns the name of the engine and of its hardware, for display. Before any network of a bag
    /// has been needed, returns the expected name as far as it is known.
    pub fn engine_name(&self) -> String {
        let started = self.engines.iter().find_map(LazyEngine::name);
        let expected = || self.engines.first().map(|engine| engine.backend().name());
        started.or_else(expected).unwrap_or_default()
    }

    /// Returns the kind and precision of the started engine, or `None` before the start.
    pub fn engine_class(&self) -> Option<EngineClass> {
        self.engines.iter().find_map(LazyEngine::class)
    }

    /// Returns whether the engine is the CPU engine.
    pub fn is_on_cpu(&self) -> bool {
        let expected = || self.engines.iter().all(|engine| engine.backend().is_cpu());
        self.engine_class()
            .map_or_else(expected, EngineClass::is_cpu)
    }

    /// Returns the reason for the engine, where the choice was left open and a faster one was not
    /// available.
    pub fn engine_note(&self) -> Option<String> {
        let started = self.engines.iter().find_map(LazyEngine::note);
        started
            .map(str::to_owned)
            .or_else(|| self.engines.first()?.backend().note())
    }

    /// Returns the times by which the CPU was chosen, if it is the engine because it finishes
    /// before the GPU could begin.
    pub fn sooner(&self) -> Option<Sooner> {
        self.engines.first()?.backend().sooner()
    }

    /// Separates one song and returns whole stems, one for each of the options' parts.
    ///
    /// # Errors
    /// Fails like [`Separator::separate`].
    pub fn separate_in_memory(
        &mut self,
        song: &dyn AudioSource,
        options: &Options,
    ) -> Result<Vec<(Part, Audio)>> {
        let mut stems = InMemory::default();
        self.separate(song, options, &mut stems, &mut Ignore)?;
        Ok(stems.into_parts())
    }

    /// Separates one song.
    ///
    /// The song is first read to its end. It is kept in memory if it fits into
    /// [`MEMORY_BYTES`](crate::MEMORY_BYTES); a longer song is read a second time. The stems go to
    /// `sink` as they are finished, and memory does not otherwise grow with the length of the song.
    /// The same song, model, options and machine give the same samples, bit for bit.
    ///
    /// # Errors
    /// Returns the error of the stage that fails, with its kind and message. `sink` may have
    /// received a part of the stems by then.
    pub fn separate(
        &mut self,
        song: &dyn AudioSource,
        options: &Options,
        sink: &mut dyn StemSink,
        listener: &mut dyn Listener,
    ) -> Result<Summary> {
        // Refuse options that suit no song before the song is read.
        pipeline::check(options, &self.sources)?;
        let decoded = timed("read the song", || {
            Decoded::read(song, DecodeOptions::of(options), listener, &mut |_| ())
        })?;
        self.separate_decoded(&decoded, options, sink, listener)
    }

    /// Separates a song that was read before, for example in parallel with other work. The samples
    /// are those of [`Separator::separate`], with whatever options the song was read.
    ///
    /// # Errors
    /// Fails like [`Separator::separate`].
    pub fn separate_decoded<S: AudioSource>(
        &mut self,
        song: &Decoded<S>,
        options: &Options,
        sink: &mut dyn StemSink,
        listener: &mut dyn Listener,
    ) -> Result<Summary> {
        pipeline::run(
            &mut self.engines,
            &self.sources,
            song.view(),
            options,
            sink,
            listener,
        )
    }
}
