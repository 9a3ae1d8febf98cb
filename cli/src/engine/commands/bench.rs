//! `sextet engine bench`: times an engine on this machine's GPU.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;
use sextet_separator::audio::Audio;
use sextet_separator::gpu::Measurement;
#[cfg(feature = "tensorrt")]
use sextet_separator::tensorrt;
use sextet_separator::{EngineOptions, InMemory, Model, Options, Separator, cuda};

use crate::args::{BenchArgs, GpuEngineArg};
#[cfg(feature = "tensorrt")]
use crate::engine::Waiting;
use crate::{models, stdio};

/// Measured runs of each batch.
const RUNS: usize = 50;
/// Measured songs.
const SONGS: usize = 5;

pub(super) fn run(args: &BenchArgs) -> Result<()> {
    let model = models::open(&args.engine.model)?;
    for &batch in &args.batch {
        let engine = super::engine(&args.engine, Some(batch))?;
        let found = match args.engine.kind {
            GpuEngineArg::Cuda => cuda::measure(&model, &engine.gpu, RUNS)?,
            GpuEngineArg::Tensorrt => on_tensorrt(args, &model, &engine)?,
        };
        tell(args, &found, &song(&model, engine, args.seconds)?);
    }

    if args.layers {
        let engine = super::engine(&args.engine, args.batch.last().copied())?;
        layers(args, &model, &engine)?;
    }

    Ok(())
}

/// Measures TensorRT.
#[cfg(feature = "tensorrt")]
fn on_tensorrt(args: &BenchArgs, model: &Model, engine: &EngineOptions) -> Result<Measurement> {
    let mut listener = Waiting::new(args.json);
    let measured = tensorrt::measure(model, &engine.gpu, RUNS, &mut listener)?;
    Ok(measured)
}

/// Fails: this build is without TensorRT.
#[cfg(not(feature = "tensorrt"))]
fn on_tensorrt(_: &BenchArgs, _: &Model, _: &EngineOptions) -> Result<Measurement> {
    Err(crate::engine::not_built_in())
}

/// Times the layers of TensorRT.
#[cfg(feature = "tensorrt")]
fn layers(args: &BenchArgs, model: &Model, engine: &EngineOptions) -> Result<()> {
    for (name, ms) in tensorrt::layers(model, &engine.gpu, &mut Waiting::new(args.json))? {
        if args.json {
            stdio::out(&json!({ "event": "layer", "name": name, "ms": ms }).to_string());
        } else {
            stdio::out(&format!("{ms:9.4} ms  {name}"));
        }
    }

    Ok(())
}

/// Fails: this build is without TensorRT.
#[cfg(not(feature = "tensorrt"))]
fn layers(_: &BenchArgs, _: &Model, _: &EngineOptions) -> Result<()> {
    Err(crate::engine::not_built_in())
}

/// Times of separating a song in memory on an engine that is ready.
struct SongTime {
    /// Seconds to start an engine that was built before, without reading the model.
    start_s: f64,
    /// Median over the measured songs.
    median_s: f64,
    best_s: f64,
}

fn song(model: &Model, engine: EngineOptions, seconds: f64) -> Result<SongTime> {
    // The accuracy is measured once for each model. This start does it, so that the next is not
    // timed with it.
    drop(Separator::new(model.clone(), engine.clone())?);
    let begun = Instant::now();
    let mut separator = Separator::new(model.clone(), engine)?;
    let start_s = begun.elapsed().as_secs_f64();
    let song = tone(seconds);

    let mut times = Vec::new();
    for _ in 0..=SONGS {
        let begun = Instant::now();
        let mut stems = InMemory::default();
        separator.separate(
            &song,
            &Options::default(),
            &mut stems,
            &mut sextet_separator::Ignore,
        )?;
        times.push(begun.elapsed().as_secs_f64());
    }

    // The first song finds caches cold.
    let mut times = times.split_off(1);
    times.sort_by(f64::total_cmp);
    Ok(SongTime {
        start_s,
        median_s: times[times.len() / 2],
        best_s: times[0],
    })
}

/// Generates a stereo song of gliding tones.
fn tone(seconds: f64) -> Audio {
    const RATE_HZ: u32 = 44_100;
    let frames = (seconds.max(0.1) * f64::from(RATE_HZ)) as usize;
    let side = |step: f64| {
        (0..frames)
            .map(|n| ((n as f64 * step + n as f64 * n as f64 * 1e-9).sin() * 0.3) as f32)
            .collect()
    };
    Audio::new(vec![side(0.02), side(0.031)], RATE_HZ)
}

fn tell(args: &BenchArgs, found: &Measurement, song: &SongTime) {
    let &Measurement {
        batch,
        chunk_ms,
        range_ms: (fastest, slowest),
        start_s,
        memory_bytes,
        ..
    } = found;

    let &SongTime {
        start_s: again_s,
        median_s,
        best_s,
    } = song;

    if args.json {
        let line = json!({
            "event": "batch", "batch": batch, "chunk_ms": chunk_ms, "fastest_ms": fastest, "slowest_ms": slowest,
            "start_s": start_s, "second_start_s": again_s, "memory_bytes": memory_bytes, "song_s": args.seconds,
            "separated_s": median_s, "separated_best_s": best_s,
        });
        stdio::out(&line.to_string());
        return;
    }

    stdio::out(&format!(
        "batch {batch}: {chunk_ms:.3} ms a chunk ({fastest:.3} to {slowest:.3}), {:.0} MB; start {start_s:.2} s, again \
         {again_s:.2} s; {:.0} s of song in {median_s:.3} s (best {best_s:.3})",
        memory_bytes as f64 / 1e6,
        args.seconds,
    ));
}
