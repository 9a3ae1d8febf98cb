//! CPU engine: runs a network's program with the kernels of `sextet-cpu`, one segment at a time on
//! all threads. How it works and what it reaches: docs/cpu.md.
//!
//! | file | contents |
//! |---|---|
//! | `lower.rs` | from the steps of a program to kernels |
//! | `slots.rs` | which tensors share memory |
//! | `instructions.rs`, `options.rs` | instructions and threads, for tests and measurements |
//! | `executor.rs` | runs the kernels |
//! | `profile.rs` | time of every step, for measurements |

mod executor;
pub(super) mod instructions;
mod lower;
pub(super) mod options;
mod profile;
mod slots;

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;

pub(crate) use self::executor::Executor;
pub use self::instructions::Instructions;
pub use self::options::CpuOptions;
pub use self::profile::{StepTime, profile};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::class::EngineClass;
use super::contract::Engine;
use super::error::EngineError;
use crate::Result;
use crate::model::{CHANNELS, Network};

/// Name of the engine.
pub(super) const NAME: &str = "CPU";

/// Network in the kernels' order, with the threads that it runs on.
pub(crate) struct Cpu {
    executor: Executor,
    pool: ThreadPool,
    /// Segments that were submitted and not yet taken, the oldest first.
    waiting: VecDeque<Vec<f32>>,
    stems: Vec<f32>,
}

impl Cpu {
    /// Lowers `network`, whose weights are dropped as soon as the kernels have their own copy.
    pub(crate) fn new(
        network: Network,
        threads: Option<NonZeroUsize>,
        options: &CpuOptions,
    ) -> Result<Self> {
        let isa = options.isa()?;
        let program = network.program()?;
        drop(network);
        let threads = match threads {
            Some(asked) if options.more_threads_than_processors => asked.get(),
            asked => self::threads(asked),
        };
        let pool = pool(threads)?;
        let executor = pool.install(|| Executor::new(isa, program));
        Ok(Self {
            stems: vec![0.0; executor.samples()],
            executor,
            pool,
            waiting: VecDeque::new(),
        })
    }
}

/// Starts threads for the kernels.
fn pool(threads: usize) -> Result<ThreadPool> {
    let builder = ThreadPoolBuilder::new().num_threads(threads);
    let pool = builder.thread_name(|index| format!("kernels {index}"));
    let pool = pool.build().map_err(|error| EngineError::Threads {
        source: error.into(),
    })?;
    Ok(pool)
}

/// Returns the number of threads that the CPU engine uses when `asked` are requested. The default
/// is one for each physical core. The number never exceeds what this process may use, by its
/// affinity and its container's quota.
pub fn threads(asked: Option<NonZeroUsize>) -> usize {
    let allowed = std::thread::available_parallelism().map_or(usize::MAX, NonZeroUsize::get);
    asked
        .map_or_else(num_cpus::get_physical, NonZeroUsize::get)
        .min(allowed)
}

/// Number of products in a segment of the official six-stem shape, as counted by `Model::products`
/// (`tests/products.rs`).
const OFFICIAL_PRODUCTS: f64 = 132_551_191_008.0;
/// Time of a segment of that shape on one thread, in seconds, and the fraction of it that further
/// threads can share (docs/benchmarks.md, "A chunk on the CPU").
const OFFICIAL_S: f64 = 3.2;
const SHARED: f64 = 0.96;

/// Estimates the CPU engine's time for `segments` segments on a network with `products` products a
/// segment, on `threads` threads. The figures are those of one machine, so that the result is the
/// same every time.
pub(super) fn estimate(products: u64, segments: u64, threads: usize) -> Duration {
    let alone_s = products as f64 / OFFICIAL_PRODUCTS * OFFICIAL_S;
    let segment_s = alone_s * ((1.0 - SHARED) + SHARED / threads.max(1) as f64);
    Duration::from_secs_f64(segments as f64 * segment_s)
}

impl Engine for Cpu {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn class(&self) -> EngineClass {
        EngineClass::CpuF32
    }

    fn depth(&self) -> usize {
        1
    }

    fn submit(&mut self, fill: &mut dyn FnMut(&mut [f32])) -> Result<()> {
        let mut mix = vec![0.0; CHANNELS * self.executor.segment_frames];
        fill(&mut mix);
        self.waiting.push_back(mix);
        Ok(())
    }

    fn take(&mut self) -> Result<&[f32]> {
        let mix = self
            .waiting
            .pop_front()
            .ok_or(EngineError::NothingSubmitted)?;
        let (executor, stems) = (&mut self.executor, &mut self.stems);
        self.pool.install(|| executor.run(&mix, stems));
        Ok(&self.stems)
    }

    fn forget(&mut self) -> Result<()> {
        self.waiting.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    /// Figures of docs/benchmarks.md.
    #[test]
    fn the_time_is_estimated_from_what_was_measured() {
        let official = OFFICIAL_PRODUCTS as u64;
        let cases = [
            (official, 0, 2, 0.0),
            (official, 1, 1, 3.17),
            (official, 1, 2, 1.8),
            (official, 4, 2, 4.0 * 1.8),
            (official, 4, 1, 4.0 * 3.17),
            (official / 10, 4, 2, 0.4 * 1.8),
            (official, 8, 8, 8.0 * 0.51),
            (official, 8, 16, 8.0 * 0.3),
        ];

        each_case(cases, |(products, segments, threads, expected_s)| {
            let found_s = estimate(products, segments, threads).as_secs_f64();
            let near = (found_s - expected_s).abs() <= 0.1 * expected_s;
            assert!(
                near,
                "{segments} segments of {products} on {threads}: {found_s} s, expected {expected_s} s"
            );
        });
    }
}
