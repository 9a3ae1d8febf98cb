//! Times of the CPU engine's steps, for measurements.

use std::num::NonZeroUsize;

use sextet_cpu::Isa;

use super::executor::Executor;
pub use super::executor::StepTime;
use super::{pool, threads};
use crate::Result;
use crate::model::{CHANNELS, Model};

/// Runs the first network of `model` on a segment of noise, `runs` times after one that does not
/// count, and returns the shortest time of every step.
///
/// # Errors
/// Fails when the network or the threads cannot be had.
pub fn profile(model: &Model, asked: Option<NonZeroUsize>, runs: usize) -> Result<Vec<StepTime>> {
    let Some(network) = model.networks_of().next() else {
        return Ok(Vec::new());
    };
    let program = network.program()?;
    pool(threads(asked))?.install(|| {
        let mut executor = Executor::new(Isa::best(), program);
        let noise = |n: usize| ((n * 7919) % 10_007) as f32 / 10_007.0 - 0.5;
        let mix: Vec<f32> = (0..CHANNELS * executor.segment_frames).map(noise).collect();
        let mut stems = vec![0.0; executor.samples()];

        executor.run(&mix, &mut stems);
        let mut best: Vec<StepTime> = executor.profile(&mix, &mut stems);
        for _ in 1..runs {
            for (best, time) in best.iter_mut().zip(executor.profile(&mix, &mut stems)) {
                best.time = best.time.min(time.time);
            }
        }
        Ok(best)
    })
}
