//! Start of an engine: the GPU is opened while the model's program is written.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::batches::open;
use super::error::CudaError;
use super::images;
use super::runner::{Prepared, Restrictions};
use crate::Result;
use crate::engine::class::EngineClass;
use crate::engine::contract::{Engine, GpuEngine, OpenedGpu};
use crate::engine::gpu::{
    self, Float16Record, Gpu, Measurement, Needs, OnGpu, Shape, TOLERANCE, float16_error, measured,
};
use crate::engine::options::{EngineChoice, EngineOptions, GpuOptions};
use crate::model::program::Program;
use crate::model::{Model, Network};
use crate::progress::Listener;
use crate::timings::timed;

/// Driver and GPU that the kernels need: CUDA 12.0, whose functions the engine calls, and Ampere,
/// whose matrix instructions it uses.
pub const NEEDS: Needs = Needs {
    engine: "the CUDA engine",
    driver: 12_000,
    capability: (8, 0),
    architecture: "Ampere",
};

/// CUDA kernels as an engine to choose.
pub(in crate::engine) struct CudaEngine;

impl GpuEngine for CudaEngine {
    fn choice(&self) -> EngineChoice {
        EngineChoice::Cuda
    }

    fn name(&self) -> &'static str {
        "CUDA kernels"
    }

    fn class(&self, _: &EngineOptions) -> EngineClass {
        EngineClass::CudaF16
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn probe(&self, options: &EngineOptions) -> Result<()> {
        probe(&options.gpu).map(drop)
    }

    fn begin(&self, options: &EngineOptions) {
        gpu::begin_to_open(options.gpu.index);
    }

    fn settle(&self) {
        drop(gpu::take_all_opened());
    }

    fn open(&self, network: &Network, options: &EngineOptions) -> Result<Arc<dyn OpenedGpu>> {
        check_precision(&options.gpu)?;
        gpu::begin_to_open(options.gpu.index);
        let program = timed("write the program", || network.program());
        let gpu = timed("wait for the GPU", || {
            Gpu::open(options.gpu.index, &NEEDS).map_err(CudaError::from)
        })?;

        let program = program.map_err(CudaError::from)?;
        let batch = gpu::first_batch(options.gpu.batch, &gpu);
        let prepared = prepare(&gpu, &program, batch)?;
        Ok(Arc::new(Opened {
            gpu,
            hash: network.hash().to_owned(),
            program,
            prepared: Mutex::new(Some(prepared)),
        }))
    }
}

/// Returns an error for options that ask for float32.
fn check_precision(options: &GpuOptions) -> std::result::Result<(), CudaError> {
    if options.full_precision {
        return Err(CudaError::FullPrecision);
    }
    Ok(())
}

/// Returns the name of the GPU that the engine would run on, without starting it.
///
/// # Errors
/// Fails when the driver or the GPU is missing or too old.
pub fn probe(options: &GpuOptions) -> Result<String> {
    check_precision(options)?;
    Ok(gpu::probe(options.index, &NEEDS)?)
}

/// Lowers `program` for batches of `batch` segments on `gpu`.
fn prepare(gpu: &Gpu, program: &Program, batch: usize) -> std::result::Result<Prepared, CudaError> {
    timed("lower the program", || {
        Prepared::new(
            gpu.context(),
            program,
            batch,
            false,
            Restrictions::default(),
        )
    })
}

/// Opened GPU, with the program of the network that it was opened for, prepared for the first batch
/// to try. So a model without kernels is refused before anything is started.
struct Opened {
    gpu: Gpu,
    /// Hash of the network.
    hash: String,
    program: Program,
    prepared: Mutex<Option<Prepared>>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.name(), self.hash)
    }
}

impl Opened {
    /// Returns what was prepared, if it is for batches of `batch` segments of `network`.
    fn take_prepared(&self, network: &Network, batch: usize) -> Option<Prepared> {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        prepared.take_if(|prepared| prepared.batch == batch && network.hash() == self.hash)
    }
}

impl OpenedGpu for Opened {
    fn name(&self) -> String {
        format!("CUDA kernels on {}", self.gpu.name)
    }

    /// Returns zero: nothing is built.
    fn until_ready(&self, _: &[&Network], _: &EngineOptions) -> Duration {
        Duration::ZERO
    }

    /// Starts `network` and checks that float16 is sufficient for it.
    fn start(
        &self,
        network: &Network,
        options: &EngineOptions,
        listener: &mut dyn Listener,
    ) -> Result<Box<dyn Engine>> {
        let (gpu, options) = (&self.gpu, &options.gpu);
        let written;
        let program = if network.hash() == self.hash {
            &self.program
        } else {
            written = network.program().map_err(CudaError::from)?;
            &written
        };

        let (mut batches, batch) = gpu::open_largest(options.batch, gpu, listener, |batch, _| {
            let prepared = match self.take_prepared(network, batch) {
                Some(prepared) => prepared,
                None => prepare(gpu, program, batch)?,
            };
            open(gpu, program, prepared, Shape::of(network, batch))
        })?;

        let record = record(network, gpu, options);
        let error = float16_error(network, &mut batches, record.as_ref(), listener)?;
        if error > TOLERANCE {
            let percent = 100.0 * error;
            return Err(CudaError::Inexact { percent }.into());
        }

        let name = format!("{} (float16, batch {batch})", self.name());
        Ok(Box::new(OnGpu::new(batches, name, EngineClass::CudaF16)))
    }
}

/// Returns the record of a network's error in float16 by these kernels on `gpu`.
fn record(network: &Network, gpu: &Gpu, options: &GpuOptions) -> Option<Float16Record> {
    let header = json!({
        "kind": "float16 error", "model": network.hash(), "kernels": images::version(), "gpu": gpu.name,
        "driver": gpu.driver,
    });
    let folder = options.cache.as_ref()?;
    Some(Float16Record::new(folder, header.to_string()))
}

/// Measures the first network of `model` at `options.batch`, over `runs` runs after a few warm-up
/// runs.
///
/// # Errors
/// Fails when the GPU cannot be used or there is no kernel for the model.
pub fn measure(model: &Model, options: &GpuOptions, runs: usize) -> Result<Measurement> {
    let begun = Instant::now();
    let gpu = Gpu::open(options.index, &NEEDS)?;
    let free = gpu.free_bytes()?;
    let Some(network) = model.networks_of().next() else {
        return Err(crate::EngineError::NotStarted.into());
    };

    let program = network.program().map_err(CudaError::from)?;
    let shape = Shape::of(network, options.batch.unwrap_or(1));
    let prepared = prepare(&gpu, &program, shape.batch)?;
    let mut batches = open(&gpu, &program, prepared, shape)?;
    Ok(measured(&mut batches, &gpu, begun, free, runs)?)
}
