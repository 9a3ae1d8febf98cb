//! Comparison of every step by itself on the GPU with the interpreter, on inputs made for it.

use super::compare::{StepError, error_of, order_of};
use super::error::CudaError;
use super::runner::{Place, Prepared, Restrictions, Runner};
use super::start::NEEDS;
use crate::engine::gpu::{Gpu, GpuError};
use crate::model::Model;
use crate::model::program::interpret::Interpreter;
use crate::model::program::{Operation, Program, Step, Tensor};

/// Bytes beside an output that have to stay as they were.
const MARGIN: usize = 64 << 10;
/// How often a step runs.
const RUNS: usize = 3;

/// Runs every step of the first network of `model` by itself on GPU number `gpu`, in a batch of
/// `batch` equal segments, and on the interpreter. Inputs are random numbers, fresh for each step;
/// outputs are full of NaN before. Returns the errors of all outputs in the order of the steps.
/// `mix` [2, segment] is read by the first steps, and its statistics by those that standardise. Of
/// the stems, only the error is looked at, of every segment.
///
/// # Errors
/// Fails when the GPU cannot be used, when there is no kernel for the model, when segments of a
/// batch or runs of a step differ in a bit, and when a step writes beside its outputs.
pub fn compare_each(
    model: &Model,
    gpu: usize,
    batch: usize,
    restrictions: Restrictions<'_>,
    mix: &[f32],
) -> Result<Vec<StepError>, CudaError> {
    let Some(network) = model.networks_of().next() else {
        return Ok(Vec::new());
    };
    let program = network.program()?;
    let gpu = Gpu::open(gpu, &NEEDS)?;
    let context = gpu.context();
    let prepared = Prepared::new(context, &program, batch, true, restrictions)?;
    let runner = Runner::new(context, &program, prepared)?;

    let mut trial = Trial {
        program: &program,
        batch,
        runner,
        interpreter: Interpreter::new(&program),
        noise: Noise(1),
    };
    trial.prepare(mix)?;
    let mut errors = Vec::new();
    for index in 0..program.steps.len() {
        trial.step(index, mix, &mut errors)?;
    }
    Ok(errors)
}

struct Trial<'a> {
    program: &'a Program,
    batch: usize,
    runner: Runner,
    interpreter: Interpreter<'a>,
    noise: Noise,
}

impl Trial<'_> {
    /// Runs the whole network once, so that statistics are there.
    fn prepare(&mut self, mix: &[f32]) -> Result<(), CudaError> {
        self.runner.write_mix(&mix.repeat(self.batch))?;
        self.runner.enqueue()?;
        let done = self.runner.stream().synchronize();
        done.map_err(CudaError::during("run"))
    }

    /// Compares step number `index`.
    fn step(
        &mut self,
        index: usize,
        mix: &[f32],
        errors: &mut Vec<StepError>,
    ) -> Result<(), CudaError> {
        let step = &self.program.steps[index];
        let mut outputs = step.operation.outputs();
        outputs.retain(|&tensor| self.runner.place(tensor).is_some());

        let fresh = self.inputs(index)?;
        self.interpreter.run_step(step, mix);
        let Some(found) = self.run_often(index, &outputs, &fresh)? else {
            return Ok(());
        };

        for (&tensor, bytes) in outputs.iter().zip(&found) {
            errors.extend(self.compare(step, tensor, bytes)?);
        }
        if matches!(step.operation, Operation::Synthesis(_)) {
            errors.extend(self.stems(step)?);
        }
        Ok(())
    }

    /// Makes the inputs of step number `index` and gives them to the interpreter. Returns those
    /// that are to be written to the GPU.
    fn inputs(&mut self, index: usize) -> Result<Vec<(Tensor, Vec<f32>)>, CudaError> {
        let program = self.program;
        let step = &program.steps[index];
        let mut inputs = step.operation.tensors();
        if !changes_in_place(step) {
            let outputs = step.operation.outputs();
            inputs.retain(|tensor| !outputs.contains(tensor));
        }

        // Moments of a group norm are written by the step before it, whose output it reads.
        if let Some(producer) = producer_of_moments(program, index) {
            self.runner.run_step(producer)?;
            for tensor in inputs {
                if let Some(found) = self.runner.tensor(program, tensor)? {
                    self.interpreter.tensors[tensor.0] = found;
                }
            }
            return Ok(Vec::new());
        }

        let mut fresh = Vec::new();
        for tensor in inputs {
            let numbers = self.fresh(tensor);
            self.interpreter.tensors[tensor.0].clone_from(&numbers);
            fresh.push((tensor, numbers));
        }
        Ok(fresh)
    }

    /// Runs step number `index` several times. Returns the bytes of its outputs, which are the same
    /// every time, or nothing if it launches nothing.
    fn run_often(
        &mut self,
        index: usize,
        outputs: &[Tensor],
        fresh: &[(Tensor, Vec<f32>)],
    ) -> Result<Option<Vec<Vec<u8>>>, CudaError> {
        let step = &self.program.steps[index];
        let mut first: Option<Vec<Vec<u8>>> = None;
        for _ in 0..RUNS {
            for (tensor, numbers) in fresh {
                self.upload(*tensor, numbers)?;
            }
            let Some(found) = self.run_poisoned(index, step, outputs)? else {
                return Ok(None);
            };
            if *first.get_or_insert_with(|| found.clone()) != found {
                return Err(wrong(step, "gives other bits when it runs again"));
            }
        }
        Ok(first)
    }

    /// Compares an output, of which `found` are the bytes of all segments, with the interpreter's.
    fn compare(
        &self,
        step: &Step,
        tensor: Tensor,
        found: &[u8],
    ) -> Result<Option<StepError>, CudaError> {
        let Some(place) = self.runner.place(tensor) else {
            return Ok(None);
        };
        let bytes = place.bytes_of(self.program, tensor);
        let (first, others) = found.split_at(bytes);
        if others.chunks_exact(bytes).any(|other| other != first) {
            return Err(wrong(step, "gives other bits in another segment"));
        }

        let mut numbers = place.numbers(first);
        if let Some(order) = order_of(self.program, tensor) {
            numbers = order.iter().map(|&at| numbers[at]).collect();
        }
        let expected = &self.interpreter.tensors[tensor.0];
        Ok(Some(error_of(step.name.clone(), &numbers, expected)))
    }

    /// Runs a step whose outputs are full of NaN, unless it changes them in place. Returns the
    /// bytes of its outputs, or nothing if it launches nothing.
    fn run_poisoned(
        &mut self,
        index: usize,
        step: &Step,
        outputs: &[Tensor],
    ) -> Result<Option<Vec<Vec<u8>>>, CudaError> {
        let places: Vec<(Place, usize)> = outputs
            .iter()
            .filter_map(|&tensor| {
                let place = self.runner.place(tensor)?;
                Some((place, self.batch * place.bytes_of(self.program, tensor)))
            })
            .collect();
        let before = |runner: &Runner, (place, bytes): (Place, usize)| {
            let end = place.first + bytes;
            let low = runner.read(place.first.saturating_sub(MARGIN)..place.first)?;
            Ok::<_, CudaError>((low, runner.read(end..end + MARGIN)?))
        };
        if !changes_in_place(step) {
            for &(place, bytes) in &places {
                self.runner.write(place.first, &vec![0xFF; bytes])?;
            }
        }

        let margins: Vec<_> = places
            .iter()
            .map(|&place| before(&self.runner, place))
            .collect::<Result<_, _>>()?;
        if self.runner.run_step(index)? == 0 {
            return Ok(None);
        }
        // Outputs of one step may lie in each other's margins.
        if places.len() == 1 && before(&self.runner, places[0])? != margins[0] {
            return Err(wrong(step, "writes beside its output"));
        }
        let read =
            |&(place, bytes): &(Place, usize)| self.runner.read(place.first..place.first + bytes);
        places.iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// Returns the errors of the stems of every segment.
    fn stems(&self, step: &Step) -> Result<Vec<StepError>, CudaError> {
        let stems = self.runner.stream().clone_dtoh(self.runner.stems());
        let stems = stems.map_err(CudaError::during("read the stems"))?;
        let expected = &self.interpreter.stems;
        Ok(stems
            .chunks_exact(expected.len())
            .map(|stems| error_of(step.name.clone(), stems, expected))
            .collect())
    }

    /// Returns random numbers for a tensor as the GPU is able to hold them. Nothing is written of
    /// one that it does not store, which keeps what the interpreter has.
    fn fresh(&mut self, tensor: Tensor) -> Vec<f32> {
        let Some(place) = self.runner.place(tensor) else {
            return self.interpreter.tensors[tensor.0].clone();
        };
        let count = self.program.tensors[tensor.0].len();
        let numbers: Vec<f32> = (0..count).map(|_| self.noise.next()).collect();
        place.numbers(&place.bytes(&numbers))
    }

    /// Writes a tensor of every segment.
    fn upload(&mut self, tensor: Tensor, numbers: &[f32]) -> Result<(), CudaError> {
        let Some(place) = self.runner.place(tensor) else {
            return Ok(());
        };
        let bytes = match order_of(self.program, tensor) {
            None => place.bytes(numbers),
            Some(order) => {
                let mut ordered = vec![0.0; numbers.len()];
                for (&at, &number) in order.iter().zip(numbers) {
                    ordered[at] = number;
                }
                place.bytes(&ordered)
            }
        };
        self.runner.write(place.first, &bytes.repeat(self.batch))
    }
}

/// Returns whether a step's output is its input.
fn changes_in_place(step: &Step) -> bool {
    matches!(step.operation, Operation::DConv(_))
}

/// Returns the step that writes the moments which step number `index` needs, if it is a group norm.
fn producer_of_moments(program: &Program, index: usize) -> Option<usize> {
    let Operation::GroupNorm(norm) = &program.steps[index].operation else {
        return None;
    };
    (0..index).rev().find(|&before| {
        program.steps[before]
            .operation
            .outputs()
            .contains(&norm.input)
    })
}

/// Returns the error of a step that does what it must not do.
fn wrong(step: &Step, fault: &str) -> CudaError {
    GpuError::Cuda {
        action: "compare a step",
        code: format!("{} {fault}", step.name),
    }
    .into()
}

/// Numbers of mean 0 and deviation 1, nearly normal.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        let mut sum = -6.0;
        for _ in 0..12 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            sum += (self.0 >> 40) as f32 / (1 << 24) as f32;
        }
        sum
    }
}
