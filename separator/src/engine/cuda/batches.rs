//! Batches that a program runs.

use std::sync::Arc;

use cudarc::driver::{CudaSlice, CudaStream};

use super::error::CudaError;
use super::runner::{Prepared, Runner};
use crate::engine::gpu::{BatchNetwork, Batches, Gpu, Shape, is_finite, uncaptured};
use crate::model::program::Program;
use crate::timings::timed;

// SAFETY: the driver's objects may be used from every thread on which their context is current.
// `Batches` makes it current before each call, and before it is dropped.
unsafe impl Send for Runner {}

impl BatchNetwork for Runner {
    type Error = CudaError;

    fn mix(&self) -> &CudaSlice<f32> {
        self.mix()
    }

    fn stems(&self) -> &CudaSlice<f32> {
        self.stems()
    }

    fn stream(&self) -> &Arc<CudaStream> {
        self.stream()
    }

    fn enqueue(&mut self) -> Result<(), CudaError> {
        Runner::enqueue(self)
    }
}

/// Opens tested batches of `shape` that `program` runs on `gpu`, given what was prepared of it.
pub(super) fn open(
    gpu: &Gpu,
    program: &Program,
    prepared: Prepared,
    shape: Shape,
) -> Result<Batches<Runner>, CudaError> {
    let load = || {
        timed("load the kernels", || {
            Runner::new(gpu.context(), program, prepared)
        })
    };

    let mut batches = uncaptured(|| Batches::new(gpu, shape, load))?;
    if timed("self-test", || is_finite(&mut batches))? {
        Ok(batches)
    } else {
        let gpu = gpu.name.clone();
        let batch = shape.batch;
        Err(CudaError::SelfTest { gpu, batch })
    }
}
