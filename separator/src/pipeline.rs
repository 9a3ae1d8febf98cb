//! Pipeline of a separation. A song that was read and measured is normalised, cut into chunks, put
//! through the engine, joined, denormalised and written out. This is the only file that sees every
//! stage.

use std::collections::VecDeque;

use crate::audio::{Audio, RATES_HZ};
use crate::chunks::{Chunk, ChunkGrid};
use crate::decoded::View;
use crate::engine::LazyEngine;
use crate::error::SeparateError;
use crate::model::{CHANNELS, MODEL_RATE_HZ};
use crate::output::{Format, Output};
use crate::passes::{Ensemble, Pass};
use crate::progress::{Listener, Progress};
use crate::read_ahead::read_ahead;
use crate::song::{InPlace, Song, Streamed, normalise};
use crate::statistics::Statistics;
use crate::timings::timed;
use crate::{Options, Part, Result, Stem, StemSink, Sum};

/// Version of the graph and of the stages around it. It is raised when the same song, model and
/// options give other samples than before, so that cached stems are made again.
pub const PIPELINE_VERSION: u32 = 2;

/// Longest shift of a pass: half a second, as in `demucs.apply.apply_model`.
const MAX_SHIFT_FRAMES: u32 = MODEL_RATE_HZ / 2;

/// Summary of a separation.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Number of frames of the input at its own rate.
    pub source_frames: u64,
    /// Sample rate of the input in Hz.
    pub source_rate_hz: u32,
    /// Number of frames of every part that was written.
    pub output_frames: u64,
    /// Number of chunks that the model ran on.
    pub chunks: u64,
}

/// Runs all stages.
pub(crate) fn run(
    engines: &mut [LazyEngine],
    sources: &[Stem],
    decoded: View<'_>,
    options: &Options,
    sink: &mut dyn StemSink,
    listener: &mut dyn Listener,
) -> Result<Summary> {
    check(options, sources)?;
    let View {
        source,
        layout,
        statistics,
        heard,
        ..
    } = decoded;

    statistics
        .warnings
        .iter()
        .for_each(|warning| listener.warning(warning));

    // Plan the output and the passes.
    let (source_frames, model_frames) = lengths(engines, options, statistics, layout.rate_hz);
    let format = Format::new(options, sources, layout, source_frames, model_frames);
    let output_frames = format.frames;
    let ensemble = Ensemble::new(
        passes(engines, sources, &format.parts, options, model_frames)?,
        CHANNELS,
    );

    let output = timed("begin the stems", || {
        Output::start(format, sources, decoded, sink)
    })?;

    // Drop the segments that a cancelled song left in the engines.
    engines.iter_mut().try_for_each(LazyEngine::forget)?;
    let normalise = normalise(statistics);
    let normalise_block = move |block: &mut Audio| {
        block
            .channels_mut()
            .flatten()
            .for_each(|sample| *sample = normalise(*sample))
    };

    let chunks = timed("separate", || match heard {
        Some(song) => separate(
            engines,
            ensemble,
            InPlace::new(song, normalise),
            statistics,
            output,
            listener,
        ),
        None => read_ahead(source, false, normalise_block, |_, ahead| {
            separate(
                engines,
                ensemble,
                Streamed::new(ahead),
                statistics,
                output,
                listener,
            )
        }),
    })?;

    Ok(Summary {
        source_frames: statistics.source_frames,
        source_rate_hz: layout.rate_hz,
        output_frames,
        chunks,
    })
}

/// Separates the song. As many chunks as the engines accept are under way while the host joins and
/// writes others. Returns the number of chunks.
fn separate(
    engines: &mut [LazyEngine],
    mut ensemble: Ensemble,
    mut song: impl Song,
    statistics: &Statistics,
    mut output: Output<'_>,
    listener: &mut dyn Listener,
) -> Result<u64> {
    let (mean, deviation) = (statistics.mean, statistics.deviation);
    let chunks_total = ensemble.chunks();
    let mut chunks_done = 0;
    let mut queue = Queue::new(engines.len());

    listener.progress(Progress::Separating {
        chunks_done,
        chunks_total,
    });
    while !queue.chunks.is_empty() || ensemble.next().is_some() {
        if listener.cancelled() {
            return Err(SeparateError::Cancelled.into());
        }

        timed("hand chunks over", || {
            queue.fill(engines, &mut ensemble, &mut song, listener)
        })?;
        let Some((pass, chunk)) = queue.pop(&ensemble) else {
            break;
        };

        let engine = engines[ensemble.engine(pass)].engine(listener)?;
        let stems = timed("wait for the engine", || engine.take())?;
        let planes = timed("join chunks", || {
            ensemble.add(pass, &chunk, stems, move |sample| sample * deviation + mean)
        });

        output.write(planes)?;
        chunks_done += 1;
        listener.progress(Progress::Separating {
            chunks_done,
            chunks_total,
        });
    }

    output.finish()?;
    Ok(chunks_done)
}

/// Queue of the chunks that engines were given and that were not yet taken from them, the oldest
/// first.
struct Queue {
    chunks: VecDeque<(usize, Chunk)>,
    /// Number of queued chunks of each network.
    waiting: Vec<usize>,
}

impl Queue {
    fn new(engines: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            waiting: vec![0; engines],
        }
    }

    /// Submits chunks to the engines until the next chunk's engine has no room.
    fn fill(
        &mut self,
        engines: &mut [LazyEngine],
        ensemble: &mut Ensemble,
        song: &mut impl Song,
        listener: &mut dyn Listener,
    ) -> Result<()> {
        while let Some((pass, chunk)) = ensemble.next() {
            let index = ensemble.engine(pass);
            let segment_frames = engines[index].segment_frames();

            let engine = engines[index].engine(listener)?;
            if self.waiting[index] >= engine.depth() {
                break;
            }

            song.read_until(chunk.window + segment_frames as i64)?;
            engine.submit(&mut |mix| song.copy_into(chunk.window, mix))?;
            ensemble.heard(pass, &chunk);
            song.forget_before(ensemble.needed_from());
            self.waiting[index] += 1;

            self.chunks.push_back((pass, chunk));
        }

        if ensemble.next().is_none() {
            for (engine, _) in engines
                .iter_mut()
                .zip(&self.waiting)
                .filter(|(_, waiting)| **waiting > 0)
            {
                engine.engine(listener)?.flush()?;
            }
        }

        Ok(())
    }

    fn pop(&mut self, ensemble: &Ensemble) -> Option<(usize, Chunk)> {
        let (pass, chunk) = self.chunks.pop_front()?;
        self.waiting[ensemble.engine(pass)] -= 1;
        Some((pass, chunk))
    }
}

/// Returns an error for options with which no song can be separated.
pub(crate) fn check(options: &Options, sources: &[Stem]) -> Result<()> {
    if !(0.0..1.0).contains(&options.overlap) {
        return Err(SeparateError::Overlap {
            found: options.overlap,
        }
        .into());
    }

    if let Some(found) = options
        .rate_hz
        .filter(|rate_hz| !RATES_HZ.contains(rate_hz))
    {
        return Err(SeparateError::Rate { found }.into());
    }
    for part in &options.parts {
        if let Some(&stem) = part.stems.iter().find(|stem| !sources.contains(stem)) {
            return Err(SeparateError::NoSuchStem {
                stem,
                sources: sources.to_vec(),
            }
            .into());
        }
    }

    Ok(())
}

/// Returns the number of frames of the song to separate, at its own rate and at the model's.
fn lengths(
    engines: &[LazyEngine],
    options: &Options,
    statistics: &Statistics,
    rate_hz: u32,
) -> (u64, u64) {
    let segment = engines
        .iter()
        .map(|engine| engine.segment_frames() as u64)
        .max()
        .unwrap_or(0);

    if !options.single_chunk || statistics.model_frames <= segment {
        return (statistics.source_frames, statistics.model_frames);
    }

    let source_frames = segment * u64::from(rate_hz) / u64::from(MODEL_RATE_HZ);
    (source_frames.min(statistics.source_frames), segment)
}

/// Returns one pass for each network that is needed and each shift.
fn passes(
    engines: &[LazyEngine],
    sources: &[Stem],
    parts: &[Part],
    options: &Options,
    model_frames: u64,
) -> Result<Vec<Pass>> {
    let wanted = |source: usize| {
        options.sum == Sum::Exact || parts.iter().any(|p| p.stems.contains(&sources[source]))
    };
    let totals: Vec<f32> = (0..sources.len())
        .map(|s| engines.iter().map(|engine| engine.weights()[s]).sum())
        .collect();

    let mut passes = Vec::new();
    for (index, engine) in engines.iter().enumerate() {
        if !(0..sources.len()).any(|source| wanted(source) && engine.weights()[source] > 0.0) {
            continue;
        }

        let segment = engine.segment_frames();
        for shift in 0..options.shifts.max(1) {
            let origin = origin(options.shifts, shift);

            // A single chunk has no neighbour, so it needs no overlap.
            let overlap = if options.single_chunk {
                0.0
            } else {
                options.overlap
            };

            let grid = ChunkGrid::new(
                origin,
                (model_frames as i64 - origin) as u64,
                segment,
                overlap,
            )
            .ok_or(SeparateError::Overlap {
                found: options.overlap,
            })?;

            let share = |source: usize| {
                engine.weights()[source] / totals[source] / options.shifts.max(1) as f32
            };
            passes.push(Pass::new(
                index,
                grid,
                segment,
                CHANNELS,
                (0..sources.len()).map(share).collect(),
            ));
        }
    }

    Ok(passes)
}

/// Returns the beginning of pass number `shift` of `shifts`. `apply_model` puts half a second of
/// silence before the song and begins somewhere in it.
fn origin(shifts: u32, shift: u32) -> i64 {
    match shifts {
        0 => 0,
        _ => {
            i64::from(MAX_SHIFT_FRAMES) * i64::from(shift) / i64::from(shifts)
                - i64::from(MAX_SHIFT_FRAMES)
        }
    }
}
