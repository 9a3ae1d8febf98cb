//! Speed of a network on this GPU: as a whole, and its layers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use trtx::interfaces::ReportLayerTime;

use super::error::TensorRtError;
use super::library::Library;
use super::opening::open;
use super::planner::{self, PlanOptions};
use super::plans::Plans;
use super::precision::precision;
use super::session::{Session, session_without_graph};
use super::start::NEEDS;
use crate::Result;
use crate::engine::gpu::{Gpu, Measurement, Shape, measured, noise};
use crate::engine::options::GpuOptions;
use crate::model::{ExportOptions, Model};
use crate::progress::Listener;

/// Measures the first network of `model` at `options.batch`, over `runs` runs after a few warm-up
/// runs.
///
/// # Errors
/// Returns a [`TensorRtError`].
pub fn measure(
    model: &Model,
    options: &GpuOptions,
    runs: usize,
    listener: &mut dyn Listener,
) -> Result<Measurement> {
    let begun = Instant::now();
    Library::load(&options.libraries)?;
    let gpu = Gpu::open(options.index, &NEEDS).map_err(TensorRtError::from)?;
    let batch = options.batch.unwrap_or(1);
    let free = gpu.free_bytes().map_err(TensorRtError::from)?;

    let Some(network) = model.networks_of().next() else {
        return Err(TensorRtError::Batch { found: 0 }.into());
    };

    let plans = Plans::new(network, options);
    let mut session = open(&plans, options, precision(options), &gpu, batch, listener)?;
    Ok(measured(&mut session, &gpu, begun, free, runs)?)
}

/// Returns the time of every layer of the first network of `model`, in milliseconds for a run of
/// `options.batch` chunks, in the order in which the layers run. The engine is built for this
/// purpose, with the layers' names and without a CUDA graph.
///
/// # Errors
/// Returns a [`TensorRtError`].
pub fn layers(
    model: &Model,
    options: &GpuOptions,
    listener: &mut dyn Listener,
) -> Result<Vec<(String, f64)>> {
    Library::load(&options.libraries)?;
    let gpu = Gpu::open(options.index, &NEEDS).map_err(TensorRtError::from)?;
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
    let mut session = session_without_graph(&gpu, &plan, shape)?;

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
    session
        .network()
        .profile(Box::new(Clock(Arc::clone(&times))))?;
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
