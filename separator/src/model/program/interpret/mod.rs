//! Plain interpreter of programs in float32, the reference that engines are tested against: one
//! segment at a time, every tensor kept, means and deviations in float64.

mod attention;
mod fourier;
mod math;
mod product;

use std::borrow::Cow;

use rayon::prelude::*;

use self::math::{Moments, gelu, logistic, moments};
use self::product::{BLOCK, Packed, convolve};
use super::{
    Activation, Axis, Convolution, DConv, DConvLayer, Embedding, Finish, GroupNorm, LayerNorm,
    Operation, Program, Shape, Spectrum, Statistics, Step, Synthesis, Tensor, Upsampling, Waveform,
};
use crate::model::config::{CHANNELS, KERNEL, STRIDE};
use crate::model::weights::Array;

/// Constant that PyTorch's norms add to a variance, and HTDemucs to the deviation of its input.
const EPSILON: f64 = 1e-5;

/// Mean and unbiased deviation of the mix or of its spectrum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct MeanDeviation {
    pub(crate) mean: f32,
    pub(crate) deviation: f32,
}

/// Program with the tensors of one segment.
#[derive(Clone, Debug)]
pub(crate) struct Interpreter<'a> {
    program: &'a Program,
    /// Tensors [sequences, positions, channels], each empty until a step has written it.
    pub(crate) tensors: Vec<Vec<f32>>,
    pub(crate) statistics: Vec<MeanDeviation>,
    /// Stems [stems, 2, segment], empty until the last step.
    pub(crate) stems: Vec<f32>,
}

impl<'a> Interpreter<'a> {
    /// Runs all steps on `mix` [2, segment]. Every tensor stays as the last step left it.
    pub(crate) fn run(program: &'a Program, mix: &[f32]) -> Self {
        let mut interpreter = Self::new(program);
        for step in &program.steps {
            interpreter.run_step(step, mix);
        }
        interpreter
    }

    /// Creates an interpreter that has run no step.
    pub(crate) fn new(program: &'a Program) -> Self {
        Self {
            program,
            tensors: vec![Vec::new(); program.tensors.len()],
            statistics: vec![MeanDeviation::default(); program.statistics],
            stems: Vec::new(),
        }
    }

    /// Runs one step on the tensors that are there. Only the first steps read `mix`.
    pub(crate) fn run_step(&mut self, step: &Step, mix: &[f32]) {
        match &step.operation {
            Operation::Spectrum(operation) => self.spectrum(operation, mix),
            Operation::Waveform(operation) => self.waveform(operation, mix),
            Operation::Convolution(operation) => self.convolution(operation),
            Operation::Upsampling(operation) => self.upsampling(operation),
            Operation::Finish(operation) => self.finish(operation),
            Operation::DConv(operation) => self.dconv(operation),
            Operation::Embedding(operation) => self.embedding(operation),
            Operation::LayerNorm(operation) => self.layer_norm(operation),
            Operation::GroupNorm(operation) => self.group_norm(operation),
            Operation::Attention(operation) => self.attention(operation),
            Operation::Synthesis(operation) => self.synthesis(operation),
        }
    }

    fn shape(&self, tensor: Tensor) -> Shape {
        self.program.tensors[tensor.0]
    }

    fn data(&self, tensor: Tensor) -> &[f32] {
        let data = &self.tensors[tensor.0];
        assert_eq!(data.len(), self.shape(tensor).len(), "{tensor:?} is there");
        data
    }

    fn set(&mut self, tensor: Tensor, data: Vec<f32>) {
        assert_eq!(data.len(), self.shape(tensor).len(), "size of {tensor:?}");
        self.tensors[tensor.0] = data;
    }

    fn set_statistics(&mut self, statistics: Statistics, data: &[f32]) {
        let Moments { mean, variance } = moments(data);
        let count = data.len() as f64;
        self.statistics[statistics.0] = MeanDeviation {
            mean: mean as f32,
            deviation: (variance * count / (count - 1.0)).sqrt() as f32,
        };
    }

    fn spectrum(&mut self, operation: &Spectrum, mix: &[f32]) {
        let frames = self.shape(operation.output).positions;
        let spectrum = fourier::spectrum(mix, frames);
        self.set_statistics(operation.statistics, &spectrum);
        self.set(operation.output, spectrum);
    }

    fn waveform(&mut self, operation: &Waveform, mix: &[f32]) {
        let (left, right) = mix.split_at(mix.len() / CHANNELS);
        let interleaved: Vec<f32> = left.iter().zip(right).flat_map(|(&l, &r)| [l, r]).collect();
        self.set_statistics(operation.statistics, &interleaved);
        self.set(operation.output, interleaved);
    }

    fn convolution(&mut self, operation: &Convolution) {
        let output = self.shape(operation.output);
        let input = match operation.standardise {
            None => Cow::Borrowed(self.data(operation.input)),
            Some(statistics) => {
                let MeanDeviation { mean, deviation } = self.statistics[statistics.0];
                let factor = (f64::from(deviation) + EPSILON).recip() as f32;
                let data = self.data(operation.input).par_iter();
                Cow::Owned(data.map(|x| (x - mean) * factor).collect())
            }
        };

        let add = operation.add.map(|add| self.data(add));
        let table = operation.table.as_ref();
        let finish = |row: usize, sums: &mut [f32], to: &mut [f32]| {
            add_to(sums, operation.bias.data());
            activate(operation.activation, sums, to);
            if let Some(add) = add {
                add_to(to, &add[row * to.len()..]);
            }
            if let Some(table) = table {
                add_to(to, &table.data()[row / output.positions * to.len()..]);
            }
        };

        let weights = Packed::of(&operation.weight);
        let shape = self.shape(operation.input);
        let (taps, strides) = (&operation.taps, operation.strides);
        let y = convolve(&input, shape, &weights, taps, strides, output, finish);
        self.set(operation.output, y);
    }

    fn upsampling(&mut self, operation: &Upsampling) {
        let (input, output) = (self.shape(operation.input), self.shape(operation.output));
        let add = operation.add.map(|add| self.data(add));

        // Every tap's product with every input, [outputs, taps], of which each output sums two.
        let products = Shape {
            channels: output.channels * KERNEL,
            ..input
        };
        let weights =
            Packed::of(
                &operation
                    .weight
                    .clone()
                    .reshape(&[products.channels, 1, input.channels]),
            );
        let taps = [[0, 0]];
        let keep = |_, sums: &mut [f32], to: &mut [f32]| to.copy_from_slice(sums);
        let data = self.data(operation.input);
        let y = convolve(data, input, &weights, &taps, [1, 1], products, keep);

        let mut out = vec![0.0; output.len()];
        let rows = out.par_chunks_mut(output.channels).with_min_len(BLOCK);
        rows.enumerate().for_each(|(row, to)| {
            let (sequence, position) = (row / output.positions, row % output.positions);
            to.copy_from_slice(operation.bias.data());

            let (along, length) = match operation.axis {
                Axis::Sequences => (sequence, input.sequences),
                Axis::Positions => (position, input.positions),
            };
            let uncut = along + operation.cut;
            for tap in [uncut % STRIDE, uncut % STRIDE + STRIDE] {
                let Some(from) = uncut.checked_sub(tap).map(|start| start / STRIDE) else {
                    continue;
                };
                if from >= length {
                    continue;
                }

                let from = match operation.axis {
                    Axis::Sequences => from * input.positions + position,
                    Axis::Positions => sequence * input.positions + from,
                };
                let products = y[from * products.channels..].chunks_exact(KERNEL);
                to.iter_mut()
                    .zip(products)
                    .for_each(|(to, taps)| *to += taps[tap]);
            }

            if operation.gelu {
                to.iter_mut().for_each(|x| *x = gelu(*x));
            }
            if let Some(add) = add {
                add_to(to, &add[row * output.channels..]);
            }
        });

        self.set(operation.output, out);
    }

    fn finish(&mut self, operation: &Finish) {
        let (input, output) = (self.shape(operation.input), self.shape(operation.output));
        let mut x = self.data(operation.input).to_vec();
        if let Some(norm) = &operation.norm {
            let width = input.channels / norm.groups;
            for group in 0..norm.groups {
                let rows = x.chunks_exact(input.channels);
                let mut numbers: Vec<f32> = rows
                    .flat_map(|row| row[group * width..(group + 1) * width].iter().copied())
                    .collect();
                normalise(&mut numbers);
                let rows = x.chunks_exact_mut(input.channels);
                for (row, numbers) in rows.zip(numbers.chunks_exact(width)) {
                    row[group * width..(group + 1) * width].copy_from_slice(numbers);
                }
            }
            let rows = x.chunks_exact_mut(input.channels);
            rows.for_each(|row| affine(row, &norm.gain, &norm.shift));
        }

        let mut y = vec![0.0; output.len()];
        for (row, to) in y.chunks_exact_mut(output.channels).enumerate() {
            let (sequence, position) = (row / output.positions, row % output.positions);
            let [first_sequence, first_position] = operation.cut;
            let from = (sequence + first_sequence) * input.positions + position + first_position;
            let from = &x[from * input.channels..][..input.channels];
            activate(operation.activation, from, to);
            if let Some(add) = operation.add {
                add_to(to, &self.data(add)[row * output.channels..]);
            }
            if let Some(table) = &operation.table {
                add_to(to, &table.data()[sequence * output.channels..]);
            }
        }
        self.set(operation.output, y);
    }

    fn dconv(&mut self, operation: &DConv) {
        let shape = self.shape(operation.tensor);
        let mut x = std::mem::take(&mut self.tensors[operation.tensor.0]);
        for layer in &operation.layers {
            dconv_layer(layer, shape, &mut x);
        }
        self.set(operation.tensor, x);
    }

    fn embedding(&mut self, operation: &Embedding) {
        let channels = self.shape(operation.input).channels;
        let mut output = self.data(operation.input).to_vec();
        if let Some((gain, shift)) = &operation.norm {
            normalise_rows(&mut output, channels);
            output
                .chunks_mut(channels)
                .for_each(|row| affine(row, gain, shift));
        }

        add_to(&mut output, operation.positions.data());
        self.set_normalised(operation.normalised, &output);
        self.set(operation.output, output);
    }

    fn layer_norm(&mut self, operation: &LayerNorm) {
        let input = self.data(operation.input).to_vec();
        self.set_normalised(operation.output, &input);
    }

    fn group_norm(&mut self, operation: &GroupNorm) {
        let channels = self.shape(operation.input).channels;
        let mut output = self.data(operation.input).to_vec();
        normalise(&mut output);
        let rows = output.chunks_mut(channels);
        rows.for_each(|row| affine(row, &operation.gain, &operation.shift));

        if let Some(add) = operation.add {
            add_to(&mut output, self.data(add));
        }
        if let Some(normalised) = operation.normalised {
            self.set_normalised(normalised, &output);
        }
        self.set(operation.output, output);
    }

    /// Writes the layer norm of `x` to `output`.
    fn set_normalised(&mut self, output: Tensor, x: &[f32]) {
        let mut normalised = x.to_vec();
        normalise_rows(&mut normalised, self.shape(output).channels);
        self.set(output, normalised);
    }

    fn synthesis(&mut self, operation: &Synthesis) {
        let (spectra, waveforms) = (self.data(operation.spectra), self.data(operation.waveforms));
        let shape = self.shape(operation.spectra);
        let statistics = self.statistics[operation.spectra_statistics.0];
        let mut stems = fourier::signals(spectra, shape, statistics, self.program.segment_frames);

        let MeanDeviation { mean, deviation } = self.statistics[operation.waveforms_statistics.0];
        let planes = stems
            .par_chunks_mut(self.program.segment_frames)
            .enumerate();
        planes.for_each(|(plane, samples)| {
            let waveform = waveforms[plane..].iter().step_by(shape.channels / 2);
            let waveform = waveform.map(|x| x * deviation + mean);
            samples
                .iter_mut()
                .zip(waveform)
                .for_each(|(to, x)| *to += x);
        });

        self.stems = stems;
    }
}

/// Adds a layer of a residual branch to `x`.
fn dconv_layer(layer: &DConvLayer, shape: Shape, x: &mut [f32]) {
    let hidden = Shape {
        channels: layer.conv1.1.data().len(),
        ..shape
    };
    let wide = Shape {
        channels: 2 * shape.channels,
        ..shape
    };

    let dilation = layer.dilation as isize;
    let taps = [[0, -dilation], [0, 0], [0, dilation]];
    let weights = Packed::of(&layer.conv1.0);
    let finish = |bias: &Array, sums: &mut [f32], to: &mut [f32]| {
        to.copy_from_slice(sums);
        add_to(to, bias.data());
    };
    let add_bias = |_, sums: &mut [f32], to: &mut [f32]| finish(&layer.conv1.1, sums, to);
    let mut h = convolve(x, shape, &weights, &taps, [1, 1], hidden, add_bias);

    normalise_sequences(&mut h, hidden, &layer.norm1);
    h.par_iter_mut().for_each(|x| *x = gelu(*x));

    let weight = layer.conv2.0.clone();
    let weights = Packed::of(&weight.reshape(&[wide.channels, 1, hidden.channels]));
    let add_bias = |_, sums: &mut [f32], to: &mut [f32]| finish(&layer.conv2.1, sums, to);
    let mut y = convolve(&h, hidden, &weights, &[[0, 0]], [1, 1], wide, add_bias);

    normalise_sequences(&mut y, wide, &layer.norm2);
    let rows = x.par_chunks_mut(shape.channels).with_min_len(BLOCK);
    rows.zip(y.par_chunks(wide.channels)).for_each(|(x, y)| {
        let (values, gates) = y.split_at(shape.channels);
        let gated = values.iter().zip(gates).map(|(v, &g)| v * logistic(g));
        let scaled = gated.zip(layer.scale.data()).map(|(y, scale)| y * scale);
        x.iter_mut().zip(scaled).for_each(|(x, y)| *x += y);
    });
}

/// Normalises every sequence over its positions and channels, with a gain and a shift for each
/// channel.
fn normalise_sequences(x: &mut [f32], shape: Shape, (gain, shift): &(Array, Array)) {
    let sequences = x.par_chunks_mut(shape.positions * shape.channels);
    sequences.for_each(|sequence| {
        normalise(sequence);
        let rows = sequence.chunks_mut(shape.channels);
        rows.for_each(|row| affine(row, gain, shift));
    });
}

/// Normalises every row of `channels` numbers.
fn normalise_rows(x: &mut [f32], channels: usize) {
    let rows = x.par_chunks_mut(channels).with_min_len(BLOCK);
    rows.for_each(normalise);
}

/// Normalises numbers to mean 0 and variance 1.
fn normalise(x: &mut [f32]) {
    let Moments { mean, variance } = moments(x);
    let factor = (variance + EPSILON).sqrt().recip();
    x.iter_mut()
        .for_each(|x| *x = ((f64::from(*x) - mean) * factor) as f32);
}

/// Applies a gain and a shift for each channel.
fn affine(row: &mut [f32], gain: &Array, shift: &Array) {
    let parameters = gain.data().iter().zip(shift.data());
    row.iter_mut()
        .zip(parameters)
        .for_each(|(x, (gain, shift))| *x = *x * gain + shift);
}

/// Adds as many of `other`'s first elements as `to` has.
fn add_to(to: &mut [f32], other: &[f32]) {
    let other = &other[..to.len()];
    to.iter_mut().zip(other).for_each(|(to, x)| *to += x);
}

/// Writes the activations of `sums` to `to`.
fn activate(activation: Activation, sums: &[f32], to: &mut [f32]) {
    let (values, gates) = sums.split_at(to.len());
    let pairs = to.iter_mut().zip(values);
    match activation {
        Activation::None => to.copy_from_slice(values),
        Activation::Gelu => pairs.for_each(|(to, &x)| *to = gelu(x)),
        Activation::Relu => pairs.for_each(|(to, &x)| *to = x.max(0.0)),
        Activation::Glu => pairs
            .zip(gates)
            .for_each(|((to, x), &gate)| *to = x * logistic(gate)),
    }
}
