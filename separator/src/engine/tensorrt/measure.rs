//! Speed of a network on this GPU, with and without the host's part.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use trtx::interfaces::ReportLayerTime;

use super::error::TensorRtError;
use super::gpu::Gpu;
use super::library::Library;
use super::noise::noise;
use super::opening::open;
use super::planner::{self, PlanOptions};
use super::plans::Plans;
use super::precision::precision;
use super::session::{Session, Shape};
use crate::Result;
use crate::engine::options::TensorRtOptions;
use crate::model::{ExportOptions, Model};
use crate::progress::Listener;

/// Measured times of one batch size.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Number of chunks in a batch.
    pub batch: usize,
    /// Median time of a chunk on the GPU, in milliseconds, without transfers.
    pub chunk_ms: f64,
    /// Time of a chunk in the fastest and in the slowest run, in milliseconds.
    pub range_ms: (f64, f64),
    /// Time of a start from nothing until the engine is ready, in seconds.
    pub start_s: f64,
    /// GPU memory that the engine takes, in bytes.
    pub memory_bytes: u64,
}

/// Measures the first network of `model` at `options.batch`, over `runs` runs after a few warm-up
/// runs.
///
/// # Errors
/// Returns a [`TensorRtError`].
pub fn measure(
    model: &Model,
    options: &TensorRtOptions,
    runs: usize,
    listener: &mut dyn Listener,
) -> Result<Measurement> {
    let begun = Instant::now();
    Library::load(&options.libraries)?;
    let gpu = Gpu::open(options.gpu)?;
    let batch = options.batch.unwrap_or(1);
    let free = gpu.free_bytes()?;

    let Some(network) = model.networks_of().next() else {
        return Err(TensorRtError::Batch { found: 0 }.into());
    };

    let plans = Plans::new(network, options);
    let mut session = open(&plans, options, precision(options), &gpu, batch, listener)?;
    let start_s = begun.elapsed().as_secs_f64();
    let memory_bytes = free.saturating_sub(gpu.free_bytes()?) as u64;

    let mut times = session.time_runs(10, runs)?;
    times.sort_by(f64::total_cmp);
    let of_chunk = |index: usize| times.get(index).copied().unwrap_or(f64::NAN) / batch as f64;

    let range_ms = (of_chunk(0), of_chunk(times.len().saturating_sub(1)));
    Ok(Measurement {
        batch,
        chunk_ms: of_chunk(times.len() / 2),
        range_ms,
        start_s,
        memory_bytes,
    })
}

/// Returns the time of every layer of the first network of `model`, in milliseconds for a run of
/// `options.batch` chunks, in the order in which the layers run. The engine is built for this
/// purpose, with the layers' names and without a CUDA graph.
///
/// # Errors
/// Returns a [`TensorRtError`].
pub fn layers(
    model: &Model,
    options: &TensorRtOptions,
    listener: &mut dyn Listener,
) -> Result<Vec<(String, f64)>> {
    Library::load(&options.libraries)?;
    let gpu = Gpu::open(options.gpu)?;
    let batch = options.batch.unwrap_or(1);
    let Some(network) = model.networks_of().next() else {
        return Ok(Vec::new());
    };

    let onnx = network.onnx(ExportOptions {
        batch,
        precision: precision(options),
    })?;
    let plan_options = PlanOptions {
        detailed: true,
        workspace_bytes: options.workspace_bytes,
        ..PlanOptions::default()
    };

    let plan = planner::plan(&onnx, &plan_options, listener)?;
    let shape = Shape::of(network, batch);
    let mut session = Session::without_graph(&gpu, &plan, shape)?;

    let mix = noise(shape.mix);
    let run = |session: &mut Session| -> Result<()> {
        session.submit(|staged| staged.copy_from_slice(&mix))?;
        session.take()?;
        Ok(())
    };

    for _ in 0..3 {
        run(&mut session)?;
    }

    let times = Arc::new(Mutex::new(Vec::new()));
    session.profile(Box::new(Clock(Arc::clone(&times))))?;
    run(&mut session)?;
    drop(session);

    let times = std::mem::take(&mut *times.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(times)
}

struct Clock(Arc<Mutex<Vec<(String, f64)>>>);

impl ReportLayerTime for Clock {
    fn report_layer_time(&self, name: &str, ms: f32) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((name.to_owned(), f64::from(ms)));
    }
}
