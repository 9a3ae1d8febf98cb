//! Times the CPU engine on a checkpoint, chunk by chunk, through the public API: `time_chunks CHECKPOINT CHUNKS [THREADS]`.
//!
//! Prints one line of JSON: seconds to load, seconds of every chunk. `benches/cpu.py` runs it against other runtimes.

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use sextet_separator::audio::Audio;
use sextet_separator::model::MODEL_RATE_HZ;
use sextet_separator::{EngineChoice, EngineOptions, InMemory, Listener, Model, Options, Progress, Separator};

/// Notes when each chunk was done.
struct Clock(Vec<Instant>);

impl Listener for Clock {
    fn progress(&mut self, progress: Progress) {
        if let Progress::Separating { .. } = progress {
            self.0.push(Instant::now());
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, checkpoint, chunks, threads @ ..] = arguments.as_slice() else {
        return Err("usage: time_chunks CHECKPOINT CHUNKS [THREADS]".into());
    };
    let threads = threads.first().map(|threads| threads.parse::<NonZeroUsize>()).transpose()?;
    let begin = Instant::now();
    let model = Model::open(Path::new(checkpoint))?;
    let mut separator =
        Separator::new(model, EngineOptions { engine: EngineChoice::Cpu, threads, ..EngineOptions::default() })?;
    let load_s = begin.elapsed().as_secs_f64();
    let frames = separator.segment_frames() * chunks.parse::<usize>()?;
    let noise = |seed: usize| (0..frames).map(|n| ((n * 7919 + seed) % 10_007) as f32 / 10_007.0 - 0.5).collect();
    let song = Audio::new(vec![noise(0), noise(5000)], MODEL_RATE_HZ);
    let options = Options { overlap: 0.0, ..Options::default() };
    let mut clock = Clock(Vec::new());
    separator.separate(&song, &options, &mut InMemory::default(), &mut clock)?;
    let seconds: Vec<f64> = clock.0.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    println!("{}", serde_json::json!({ "load_s": load_s, "chunk_s": seconds }));
    Ok(())
}
