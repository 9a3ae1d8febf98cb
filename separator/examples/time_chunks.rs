//! Measures the time of the CPU engine on a checkpoint through the public API:
//! `time_chunks CHECKPOINT CHUNKS [THREADS]`.
//!
//! Prints one line of JSON: the seconds to load, and the seconds for each chunk of a song with
//! CHUNKS chunks, after a warm-up song. `benches/cpu.py` runs it against other runtimes.

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use sextet_separator::audio::Audio;
use sextet_separator::model::MODEL_RATE_HZ;
use sextet_separator::{EngineChoice, EngineOptions, Ignore, InMemory, Model, Options, Separator};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, checkpoint, chunks, threads @ ..] = arguments.as_slice() else {
        return Err("usage: time_chunks CHECKPOINT CHUNKS [THREADS]".into());
    };

    let threads = threads
        .first()
        .map(|threads| threads.parse::<NonZeroUsize>())
        .transpose()?;
    let begin = Instant::now();

    let model = Model::open(Path::new(checkpoint))?;
    let mut separator = Separator::new(
        model,
        EngineOptions::new()
            .engine(EngineChoice::Cpu)
            .threads(threads),
    )?;

    let load_s = begin.elapsed().as_secs_f64();
    let chunks = chunks.parse::<usize>()?;
    let options = Options::new().overlap(0.0);

    let mut run = |chunks: usize| -> Result<f64, Box<dyn Error>> {
        let frames = separator.segment_frames() * chunks;
        let noise = |seed: usize| {
            (0..frames)
                .map(|n| ((n * 7919 + seed) % 10_007) as f32 / 10_007.0 - 0.5)
                .collect()
        };

        let song = Audio::new(vec![noise(0), noise(5000)], MODEL_RATE_HZ);
        let begin = Instant::now();
        separator.separate(&song, &options, &mut InMemory::default(), &mut Ignore)?;

        Ok(begin.elapsed().as_secs_f64() / chunks as f64)
    };

    run(2)?;
    println!(
        "{}",
        serde_json::json!({ "load_s": load_s, "chunk_s": run(chunks)? })
    );
    Ok(())
}
