//! Comparison of a whole network on the GPU with the interpreter, and the times of its kernels.

use std::time::{Duration, Instant};

use super::error::CudaError;
use super::runner::{Prepared, Restrictions, Runner};
use super::start::NEEDS;
use crate::engine::gpu::Gpu;
use crate::model::Model;
use crate::model::program::interpret::Interpreter;
use crate::model::program::{Operation, Program, Tensor};

/// Error of one step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepError {
    /// Name of the step.
    pub name: String,
    /// Relative L2 error of its output.
    pub relative: f64,
    /// Whether all of the output is finite.
    pub finite: bool,
}

/// Runs the first network of `model` on GPU number `gpu` and on the interpreter, for one segment
/// `mix` [2, segment] in a batch of `batch` equal ones. Returns the error of every stored tensor,
/// in the order of the steps, and of the stems of every segment.
///
/// # Errors
/// Fails when the GPU cannot be used or there is no kernel for the model.
pub fn compare(
    model: &Model,
    gpu: usize,
    batch: usize,
    restrictions: Restrictions<'_>,
    mix: &[f32],
) -> Result<(Vec<StepError>, Vec<f32>), CudaError> {
    let network = model.networks_of().next();
    let Some(network) = network else {
        return Ok((Vec::new(), Vec::new()));
    };
    let program = network.program()?;
    let gpu = Gpu::open(gpu, &NEEDS)?;
    let context = gpu.context();
    let prepared = Prepared::new(context, &program, batch, true, restrictions)?;
    let mut runner = Runner::new(context, &program, prepared)?;
    runner.write_mix(&mix.repeat(batch))?;
    let stream = runner.stream();
    runner.enqueue()?;
    stream.synchronize().map_err(CudaError::during("run"))?;

    // The interpreter keeps every tensor as the last step left it, and so does the GPU.
    let interpreter = Interpreter::run(&program, mix);
    let mut errors = Vec::new();
    for step in &program.steps {
        for tensor in step.operation.outputs() {
            let expected = &interpreter.tensors[tensor.0];
            if let Some(found) = runner.tensor(&program, tensor)? {
                let found = in_order(&program, tensor, found);
                errors.push(error_of(step.name.clone(), &found, expected));
            }
        }
    }

    let stems = stream.clone_dtoh(runner.stems());
    let stems = stems.map_err(CudaError::during("copy"))?;
    for (number, stems) in stems.chunks_exact(interpreter.stems.len()).enumerate() {
        let name = format!("stems of segment {number}");
        errors.push(error_of(name, stems, &interpreter.stems));
    }

    Ok((errors, stems))
}

/// Brings a tensor from the order in which the GPU has it into the program's.
fn in_order(program: &Program, tensor: Tensor, found: Vec<f32>) -> Vec<f32> {
    match order_of(program, tensor) {
        None => found,
        Some(order) => order.iter().map(|&at| found[at]).collect(),
    }
}

/// Returns where the GPU has each element of a tensor, if not in the program's order: the tensors
/// that the stems are made from.
pub(super) fn order_of(program: &Program, tensor: Tensor) -> Option<Vec<usize>> {
    let shape = program.tensors[tensor.0];
    let together = program
        .steps
        .iter()
        .find_map(|step| match &step.operation {
            Operation::Synthesis(s) if s.spectra == tensor => Some(4),
            Operation::Synthesis(s) if s.waveforms == tensor => Some(1),
            _ => None,
        })?;

    // Groups of channels are outermost, and sequences lie inside of positions.
    let (sequences, positions) = (shape.sequences, shape.positions);
    let order = (0..shape.len()).map(|index| {
        let (place, channel) = (index / shape.channels, index % shape.channels);
        let (sequence, position) = (place / positions, place % positions);
        let group = (channel / together * positions + position) * sequences + sequence;
        group * together + channel % together
    });
    Some(order.collect())
}

pub(super) fn error_of(name: String, found: &[f32], expected: &[f32]) -> StepError {
    let square = |x: f64| x * x;
    let apart: f64 = found
        .iter()
        .zip(expected)
        .map(|(&a, &b)| square(f64::from(a) - f64::from(b)))
        .sum();
    let whole: f64 = expected.iter().map(|&b| square(f64::from(b))).sum();

    StepError {
        name,
        relative: (apart / whole.max(f64::MIN_POSITIVE)).sqrt(),
        finite: found.iter().all(|number| number.is_finite()),
    }
}

/// Time of a kind of kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KernelTime {
    /// Name of the step, or of the kernel.
    pub name: String,
    /// Microseconds for a segment.
    pub microseconds: f64,
}

/// Times and memory of a network on a GPU.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// Time from nothing to a network that can run.
    pub start: Duration,
    /// Milliseconds of a whole batch for each segment.
    pub segment_ms: f64,
    /// Bytes of GPU memory.
    pub bytes: usize,
    /// Every launch by itself, its inputs warm.
    pub launches: Vec<KernelTime>,
}

/// Measures the first network of `model` on GPU number `gpu` in batches of `batch`; `None` for a
/// model without one.
///
/// # Errors
/// As [`compare`].
pub fn profile(
    model: &Model,
    gpu: usize,
    batch: usize,
    restrictions: Restrictions<'_>,
) -> Result<Option<Profile>, CudaError> {
    let Some(network) = model.networks_of().next() else {
        return Ok(None);
    };
    let begun = Instant::now();
    let program = network.program()?;
    let gpu = Gpu::open(gpu, &NEEDS)?;
    let context = gpu.context();
    let prepared = Prepared::new(context, &program, batch, false, restrictions)?;
    let mut runner = Runner::new(context, &program, prepared)?;
    let start = begun.elapsed();
    let segment_ms = runner.time(100)? / batch as f64;
    let launches = runner
        .time_launches(&program, 20)?
        .into_iter()
        .map(|(name, microseconds)| KernelTime {
            name,
            microseconds: microseconds / batch as f64,
        })
        .collect();
    Ok(Some(Profile {
        start,
        segment_ms,
        bytes: runner.bytes(),
        launches,
    }))
}
