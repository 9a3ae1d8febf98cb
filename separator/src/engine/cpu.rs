//! CPU engine, which runs the graph in rten, a runtime in pure Rust.
//!
//! Many of the graph's operators run on one thread whatever the pool's size, so one segment is not
//! twice as fast on two threads, but two segments side by side are. Segments therefore pass the
//! network in groups, each segment on its share of the threads.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rten::{Model, ModelOptions, RunOptions, ThreadPool};
use rten_tensor::{NdTensor, NdTensorView};

use super::class::EngineClass;
use super::contract::Engine;
use super::error::EngineError;
use crate::Result;
use crate::model::{CHANNELS, Network};

/// Name of the engine.
pub(super) const NAME: &str = "CPU (rten)";

/// Largest number of segments in parallel. Each takes some 300 MB with the official shape.
const MOST_AT_ONCE: usize = 4;

/// Network loaded into rten, with the threads that it runs on.
pub(crate) struct Cpu {
    network: Arc<Loaded>,
    /// All threads, for a segment that runs alone.
    whole: Arc<ThreadPool>,
    /// All threads again, shared out among the segments of a group.
    parts: Vec<Arc<ThreadPool>>,
    /// Segments that were submitted and not yet begun, the oldest first.
    waiting: VecDeque<Vec<f32>>,
    /// Segments that were begun and not yet taken, the oldest first.
    begun: VecDeque<JoinHandle<Result<Vec<f32>>>>,
    stems: Vec<f32>,
}

impl Cpu {
    /// Loads `network`. Its weights are dropped as soon as the runtime has its own copy.
    pub(crate) fn new(network: Network, threads: Option<NonZeroUsize>) -> Result<Self> {
        let segment_frames = network.segment_frames();
        let onnx = network.onnx_for_cpu()?;
        drop(network);
        let model = ModelOptions::with_all_ops()
            .prepack_weights(true)
            .load(onnx);

        let model = model.map_err(|error| EngineError::Load {
            source: error.into(),
        })?;
        let threads = self::threads(threads);

        let pool = |threads| Arc::new(ThreadPool::with_num_threads(threads));
        Ok(Self {
            network: Arc::new(Loaded {
                model,
                segment_frames,
            }),
            whole: pool(threads),
            parts: shares(threads).into_iter().map(pool).collect(),
            waiting: VecDeque::new(),
            begun: VecDeque::new(),
            stems: Vec::new(),
        })
    }

    /// Begins the next group: a single segment on all threads, or several segments on a share each.
    fn begin(&mut self) {
        let pools = if self.waiting.len() == 1 {
            std::slice::from_ref(&self.whole)
        } else {
            &self.parts
        };

        let group = self.waiting.len().min(pools.len());
        for (mix, pool) in self.waiting.drain(..group).zip(pools) {
            let (network, pool) = (Arc::clone(&self.network), Arc::clone(pool));
            self.begun
                .push_back(std::thread::spawn(move || network.run(&mix, pool)));
        }
    }
}

/// Returns the number of threads that the CPU engine uses when `asked` are requested. The default
/// is one for each physical core. The number never exceeds what this process may use, by its
/// affinity and its container's quota.
pub fn threads(asked: Option<NonZeroUsize>) -> usize {
    let allowed = std::thread::available_parallelism().map_or(usize::MAX, NonZeroUsize::get);
    asked
        .map_or_else(
            || rten::thread_pool().run(rayon::current_num_threads),
            NonZeroUsize::get,
        )
        .min(allowed)
}

/// Number of products in a segment of the official six-stem shape, as counted by `Model::products`
/// (`tests/products.rs`).
const OFFICIAL_PRODUCTS: f64 = 132_551_191_008.0;
/// Time of a segment of that shape on one thread, in seconds, and the fraction of it that further
/// threads can share. Measured: 6.3 s on one thread, 3.7 s on two (docs/benchmarks.md, "A chunk on
/// the CPU").
const OFFICIAL_S: f64 = 6.3;
const SHARED: f64 = 0.83;

/// Estimates the CPU engine's time for `segments` segments on a network with `products` products a
/// segment, on `threads` threads. The figures are those of one machine, so that the result is the
/// same every time.
pub(super) fn estimate(products: u64, segments: u64, threads: usize) -> Duration {
    let side_by_side = shares(threads).len() as u64;
    let (groups, threads_each) = match segments {
        0 | 1 => (segments, threads),
        _ => (
            segments.div_ceil(side_by_side),
            threads / side_by_side as usize,
        ),
    };

    let alone_s = products as f64 / OFFICIAL_PRODUCTS * OFFICIAL_S;
    let group_s = alone_s * ((1.0 - SHARED) + SHARED / threads_each.max(1) as f64);
    Duration::from_secs_f64(groups as f64 * group_s)
}

impl Engine for Cpu {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn class(&self) -> EngineClass {
        EngineClass::CpuF32
    }

    fn depth(&self) -> usize {
        self.parts.len()
    }

    fn submit(&mut self, fill: &mut dyn FnMut(&mut [f32])) -> Result<()> {
        let mut mix = vec![0.0; CHANNELS * self.network.segment_frames];
        fill(&mut mix);
        self.waiting.push_back(mix);
        Ok(())
    }

    fn take(&mut self) -> Result<&[f32]> {
        // Begin a group only here: networks of one bag share the cores and take turns this way.
        if self.begun.is_empty() {
            self.begin();
        }

        let oldest = self
            .begun
            .pop_front()
            .ok_or(EngineError::NothingSubmitted)?;
        self.stems = oldest.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        Ok(&self.stems)
    }

    fn forget(&mut self) -> Result<()> {
        self.waiting.clear();
        for segment in self.begun.drain(..) {
            let _ = segment.join();
        }
        Ok(())
    }
}

/// Network in rten's memory.
struct Loaded {
    model: Model,
    segment_frames: usize,
}

impl Loaded {
    /// Runs one segment: `mix` [2, segment] to stems [stems, 2, segment], row-major.
    fn run(&self, mix: &[f32], pool: Arc<ThreadPool>) -> Result<Vec<f32>> {
        let input = NdTensorView::from_data([1, CHANNELS, self.segment_frames], mix);
        let options = RunOptions::default().with_thread_pool(Some(pool));
        let output = self
            .model
            .run_one(input.into(), Some(options))
            .map_err(|error| EngineError::Run {
                source: error.into(),
            })?;
        let output: NdTensor<f32, 4> = output.try_into().map_err(|_| EngineError::OutputShape)?;
        Ok(output.into_data())
    }
}

/// Returns the number of threads of each of the segments that run in parallel: two segments with
/// one thread each on two threads, up to [`MOST_AT_ONCE`] segments with two or more threads.
fn shares(threads: usize) -> Vec<usize> {
    let segments = (threads / 2).clamp(2, MOST_AT_ONCE).min(threads);
    (0..segments)
        .map(|index| threads / segments + usize::from(index < threads % segments))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures of docs/benchmarks.md: 6.3 s a segment on one thread, 3.7 s on two, 3.15 s for each
    /// of two segments side by side.
    #[test]
    fn the_time_is_estimated_from_what_was_measured() {
        let official = OFFICIAL_PRODUCTS as u64;
        let cases = [
            (official, 0, 2, 0.0),
            (official, 1, 1, 6.3),
            (official, 1, 2, 3.7),
            (official, 4, 2, 4.0 * 3.15),
            (official, 31, 2, 32.0 * 3.15),
            (official, 4, 1, 4.0 * 6.3),
            (official / 10, 4, 2, 0.4 * 3.15),
            (official, 8, 16, 2.0 * 2.4),
        ];

        for (products, segments, threads, expected_s) in cases {
            let found_s = estimate(products, segments, threads).as_secs_f64();
            let near = (found_s - expected_s).abs() <= 0.03 * expected_s;
            assert!(
                near,
                "{segments} segments of {products} on {threads}: {found_s} s, expected {expected_s} s"
            );
        }
    }

    #[test]
    fn every_thread_belongs_to_one_segment() {
        let cases: [(usize, &[usize]); 7] = [
            (1, &[1]),
            (2, &[1, 1]),
            (3, &[2, 1]),
            (4, &[2, 2]),
            (6, &[2, 2, 2]),
            (9, &[3, 2, 2, 2]),
            (32, &[8, 8, 8, 8]),
        ];
        for (threads, expected) in cases {
            assert_eq!(shares(threads), expected, "{threads} threads");
        }
    }
}
