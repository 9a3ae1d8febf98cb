//! Runs a program on one segment: its kernels one after the other, each on all threads.

use std::time::{Duration, Instant};

use rayon::prelude::*;
use sextet_cpu::{Buffer, Columns, Isa, Standardised, Statistics};

use super::lower::{Kernel, Lowering};
use super::slots::Slots;
use crate::model::CHANNELS;
use crate::model::program::{self, Channels, Program, Tensor};

/// Program with its weights in the kernels' order, and the memory of its tensors.
#[derive(Debug)]
pub(crate) struct Executor {
    isa: Isa,
    shapes: Vec<program::Shape>,
    stems: usize,
    pub(super) segment_frames: usize,
    /// Names of the steps.
    names: Vec<String>,
    kernels: Vec<Kernel>,
    slots: Slots,
    buffers: Vec<Buffer>,
    statistics: Vec<Statistics>,
}

/// Time of a step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepTime {
    /// Name of the step, such as `encoder.0.conv`.
    pub name: String,
    /// Kind of its kernel.
    pub kind: &'static str,
    /// Number of products of two numbers.
    pub products: u64,
    /// Time that it took.
    pub time: Duration,
}

impl Executor {
    /// Lowers `program` for the given instructions.
    pub(crate) fn new(isa: Isa, program: Program) -> Self {
        let slots = Slots::assign(&program);
        let lowering = Lowering::of(isa, &program);
        let steps = program.steps.par_iter();
        let kernels = steps.map(|step| lowering.lower(step)).collect();
        let buffers = slots.lengths.iter().map(|&length| Buffer::zeros(length));
        Self {
            isa,
            stems: program.stems,
            segment_frames: program.segment_frames,
            names: program.steps.iter().map(|step| step.name.clone()).collect(),
            kernels,
            buffers: buffers.collect(),
            slots,
            statistics: vec![Statistics::default(); program.statistics],
            shapes: program.tensors,
        }
    }

    /// Returns the number of samples of all stems.
    pub(super) fn samples(&self) -> usize {
        self.stems * CHANNELS * self.segment_frames
    }

    /// Computes the stems [stems, 2, segment] of `mix` [2, segment].
    pub(crate) fn run(&mut self, mix: &[f32], stems: &mut [f32]) {
        for index in 0..self.kernels.len() {
            self.run_step(index, mix, stems);
        }
    }

    /// Does the same, and returns the time of every step.
    pub(super) fn profile(&mut self, mix: &[f32], stems: &mut [f32]) -> Vec<StepTime> {
        let mut times = Vec::with_capacity(self.kernels.len());
        for index in 0..self.kernels.len() {
            let begun = Instant::now();
            self.run_step(index, mix, stems);
            let (kind, products) = self.describe(&self.kernels[index]);
            times.push(StepTime {
                name: self.names[index].clone(),
                kind,
                products,
                time: begun.elapsed(),
            });
        }
        times
    }

    fn describe(&self, kernel: &Kernel) -> (&'static str, u64) {
        match kernel {
            Kernel::Spectrum { .. } => ("spectrum", 0),
            Kernel::Waveform { .. } => ("waveform", 0),
            Kernel::Product { product, .. } => ("product", product.products()),
            Kernel::Finish { .. } => ("finish", 0),
            Kernel::DConv { dconv, .. } => ("DConv", dconv.products()),
            Kernel::Embedding { .. } => ("embedding", 0),
            Kernel::LayerNorm { .. } => ("layer norm", 0),
            Kernel::GroupNorm { .. } => ("group norm", 0),
            Kernel::Attention {
                query, key, output, ..
            } => {
                let rows = |tensor: Tensor| {
                    let shape = self.shapes[tensor.0];
                    shape.sequences * shape.positions
                };
                let channels = self.shapes[output.0].channels;
                let products = 2 * rows(query.tensor) * rows(key.tensor) * channels;
                ("attention", products as u64)
            }
            Kernel::Synthesis { .. } => ("synthesis", 0),
        }
    }

    fn run_step(&mut self, index: usize, mix: &[f32], stems: &mut [f32]) {
        // The kernel is borrowed while its outputs are taken out of their slots.
        let kernels = std::mem::take(&mut self.kernels);
        self.run_kernel(&kernels[index], mix, stems);
        self.kernels = kernels;
    }

    fn run_kernel(&mut self, kernel: &Kernel, mix: &[f32], stems: &mut [f32]) {
        match kernel {
            Kernel::Spectrum {
                fourier,
                output,
                statistics,
            } => {
                self.write(*output, |_, y| fourier.spectrum(mix, y));
                self.take_statistics(*statistics, *output);
            }
            Kernel::Waveform { output, statistics } => {
                let (left, right) = mix.split_at(self.segment_frames);
                self.write(*output, |_, y| interleave(left, right, y));
                self.take_statistics(*statistics, *output);
            }
            Kernel::Product {
                product,
                input,
                standardise,
                add,
                output,
            } => {
                if let Some(statistics) = standardise {
                    let statistics = self.statistics[statistics.0];
                    self.write(*input, |_, x| sextet_cpu::standardise(x, statistics));
                }
                self.write(*output, |of, y| {
                    let add = add.map(|add| of.data(add));
                    product.run(of.data(*input), add, y);
                });
            }
            Kernel::Finish {
                finish,
                input,
                add,
                output,
            } => self.write(*output, |of, y| {
                let add = add.map(|add| of.data(add));
                finish.run(of.data(*input), add, y);
            }),
            Kernel::DConv { dconv, tensor } => self.write(*tensor, |_, x| dconv.run(x)),
            Kernel::Embedding {
                norm,
                positions,
                input,
                output,
                normalised,
            } => self.write_two([*output, *normalised], |of, outputs| {
                let channels = of.shapes[input.0].channels;
                let x = of.data(*input);
                sextet_cpu::embed(of.isa, norm.as_ref(), positions, channels, x, outputs);
            }),
            Kernel::LayerNorm { input, output } => self.write(*output, |of, y| {
                let channels = of.shapes[input.0].channels;
                sextet_cpu::layer_norm(of.isa, channels, of.data(*input), y);
            }),
            Kernel::GroupNorm {
                affine,
                input,
                add,
                output,
                normalised,
            } => {
                let run = |of: &Self, y: &mut [f32], normalised: Option<&mut [f32]>| {
                    let add = add.map(|add| of.data(add));
                    let x = of.data(*input);
                    sextet_cpu::group_norm(of.isa, affine, x, add, y, normalised);
                };
                self.write_with(*output, *normalised, run);
            }
            Kernel::Attention {
                attention,
                query,
                key,
                value,
                output,
            } => self.write(*output, |of, y| {
                let [query, key, value] = [query, key, value].map(|&part| of.columns(part));
                attention.run(query, key, value, y);
            }),
            Kernel::Synthesis {
                fourier,
                spectra,
                spectra_statistics,
                waveforms,
                waveforms_statistics,
            } => {
                let standardised = Standardised {
                    spectra: self.data(*spectra),
                    spectra_statistics: self.statistics[spectra_statistics.0],
                    waveforms: self.data(*waveforms),
                    waveforms_statistics: self.statistics[waveforms_statistics.0],
                };
                fourier.synthesise(standardised, self.stems * CHANNELS, stems);
            }
        }
    }

    fn take_statistics(&mut self, statistics: program::Statistics, tensor: Tensor) {
        self.statistics[statistics.0] = sextet_cpu::statistics(self.isa, self.data(tensor));
    }

    fn data(&self, tensor: Tensor) -> &[f32] {
        &self.buffers[self.slots.of[tensor.0]][..self.shapes[tensor.0].len()]
    }

    fn columns(&self, part: Channels) -> Columns<'_> {
        Columns {
            data: self.data(part.tensor),
            channels: self.shapes[part.tensor.0].channels,
            first: part.first,
        }
    }

    /// Gives `write` a tensor to write; it can read all tensors that lie elsewhere.
    fn write(&mut self, tensor: Tensor, write: impl FnOnce(&Self, &mut [f32])) {
        let (slot, length) = (self.slots.of[tensor.0], self.shapes[tensor.0].len());
        let mut buffer = std::mem::take(&mut self.buffers[slot]);
        write(self, &mut buffer[..length]);
        self.buffers[slot] = buffer;
    }

    /// Gives `write` a tensor to write, and a second one if there is one.
    fn write_with(
        &mut self,
        first: Tensor,
        second: Option<Tensor>,
        write: impl FnOnce(&Self, &mut [f32], Option<&mut [f32]>),
    ) {
        match second {
            Some(second) => self.write_two([first, second], |of, [first, second]| {
                write(of, first, Some(second));
            }),
            None => self.write(first, |of, first| write(of, first, None)),
        }
    }

    /// Gives `write` two tensors to write.
    fn write_two(
        &mut self,
        [first, second]: [Tensor; 2],
        write: impl FnOnce(&Self, [&mut [f32]; 2]),
    ) {
        let (slot, length) = (self.slots.of[second.0], self.shapes[second.0].len());
        let mut buffer = std::mem::take(&mut self.buffers[slot]);
        self.write(first, |of, first| write(of, [first, &mut buffer[..length]]));
        self.buffers[slot] = buffer;
    }
}

/// Writes two channels to `output` [frames, 2].
fn interleave(left: &[f32], right: &[f32], output: &mut [f32]) {
    let frames = output.chunks_exact_mut(CHANNELS).zip(left).zip(right);
    for ((frame, &left), &right) in frames {
        frame.copy_from_slice(&[left, right]);
    }
}
