//! Program of a network: encoder, transformer and decoder of both branches, with the weights in the
//! order in which the steps read them.
//!
//! Source: `demucs/htdemucs.py` and `demucs/hdemucs.py` of demucs 4.1.0, as in `htdemucs/`, which
//! writes the same network as a graph.

mod transformer;

use super::{
    Activation, Axis, Branch, Convolution, DConv, DConvLayer, Finish, GroupedNorm, Operation,
    Program, Shape, Spectrum, Statistics, Step, Synthesis, Tensor, Upsampling, Waveform,
};
use crate::model::config::{CHANNELS, Config, FFT_SIZE, KERNEL, STRIDE};
use crate::model::error::ModelError;
use crate::model::weights::{Array, Weights};

/// Number of zeros before the input of a downsampling convolution.
const PAD: isize = KERNEL as isize / 4;

/// Writes the program of a network.
///
/// # Errors
/// Fails when a tensor is missing, has another shape than the configuration requires, or is left
/// over.
pub(crate) fn write(config: &Config, weights: Weights) -> Result<Program, ModelError> {
    let mut writer = Writer::new(config, weights);
    let spectrum = writer.spectrum();
    let waveform = writer.waveform();

    let encoded = writer.encode(spectrum, waveform)?;
    let middle = writer.middle(&encoded)?;
    let [spectra, waveforms] = writer.decode(&encoded, middle)?;
    writer.step(
        Branch::Frequency,
        "synthesis",
        Operation::Synthesis(Synthesis {
            spectra,
            spectra_statistics: spectrum.1,
            waveforms,
            waveforms_statistics: waveform.1,
        }),
    );

    writer.weights.finish()?;
    Ok(writer.program)
}

impl Branch {
    /// Both branches, in the order of every pair.
    const BOTH: [Self; 2] = [Branch::Frequency, Branch::Time];

    /// Returns the beginning of the names of the branch's layers.
    fn prefix(self) -> &'static str {
        match self {
            Branch::Frequency => "",
            Branch::Time => "t",
        }
    }

    /// Returns the end of the names of the branch's other parts.
    fn suffix(self) -> &'static str {
        match self {
            Branch::Frequency => "",
            Branch::Time => "_t",
        }
    }

    /// Returns the axis along which the branch's layers downsample and upsample.
    fn axis(self) -> Axis {
        match self {
            Branch::Frequency => Axis::Sequences,
            Branch::Time => Axis::Positions,
        }
    }

    /// Returns the length of a tensor along that axis.
    fn length(self, shape: Shape) -> usize {
        match self.axis() {
            Axis::Sequences => shape.sequences,
            Axis::Positions => shape.positions,
        }
    }

    /// Orders two values, one for the branch's own axis and one for the other, as [sequences,
    /// positions].
    fn order<T>(self, own: T, other: T) -> [T; 2] {
        match self {
            Branch::Frequency => [own, other],
            Branch::Time => [other, own],
        }
    }
}

/// Program that is being written, with the weights that are left.
struct Writer<'a> {
    config: &'a Config,
    weights: Weights,
    program: Program,
}

/// Outputs of the encoder.
struct Encoded {
    /// Outputs of the last layers.
    last: [Tensor; 2],
    /// Outputs of the layers, the outermost first: the skip connections. The time branch has none
    /// for a layer in which it ends.
    skips: [Vec<Tensor>; 2],
    /// Shapes of the layers' inputs.
    inputs: [Vec<Shape>; 2],
}

/// Matrix product with its bias: a convolution with one tap.
struct Product {
    input: Tensor,
    /// [outputs, input channels]
    weight: Array,
    bias: Array,
    activation: Activation,
    add: Option<Tensor>,
}

impl<'a> Writer<'a> {
    fn new(config: &'a Config, weights: Weights) -> Self {
        Self {
            config,
            weights,
            program: Program {
                segment_frames: config.segment_frames,
                stems: config.sources.len(),
                tensors: Vec::new(),
                statistics: 0,
                steps: Vec::new(),
            },
        }
    }

    fn tensor(&mut self, shape: Shape) -> Tensor {
        self.program.tensors.push(shape);
        Tensor(self.program.tensors.len() - 1)
    }

    fn shape(&self, tensor: Tensor) -> Shape {
        self.program.tensors[tensor.0]
    }

    fn statistics(&mut self) -> Statistics {
        self.program.statistics += 1;
        Statistics(self.program.statistics - 1)
    }

    fn step(&mut self, branch: Branch, name: &str, operation: Operation) {
        self.program.steps.push(Step {
            name: name.to_owned(),
            branch,
            operation,
        });
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Array, ModelError> {
        self.weights.take(name, shape)
    }

    fn spectrum(&mut self) -> (Tensor, Statistics) {
        let output = self.tensor(Shape {
            sequences: FFT_SIZE / 2,
            positions: self.config.spectrogram_frames(),
            channels: 2 * CHANNELS,
        });
        let statistics = self.statistics();
        let operation = Operation::Spectrum(Spectrum { output, statistics });
        self.step(Branch::Frequency, "spectrum", operation);
        (output, statistics)
    }

    fn waveform(&mut self) -> (Tensor, Statistics) {
        let output = self.tensor(Shape {
            sequences: 1,
            positions: self.config.segment_frames,
            channels: CHANNELS,
        });
        let statistics = self.statistics();
        let operation = Operation::Waveform(Waveform { output, statistics });
        self.step(Branch::Time, "waveform", operation);
        (output, statistics)
    }

    fn encode(
        &mut self,
        spectrum: (Tensor, Statistics),
        waveform: (Tensor, Statistics),
    ) -> Result<Encoded, ModelError> {
        let mut encoded = Encoded {
            last: [spectrum.0, waveform.0],
            skips: [Vec::new(), Vec::new()],
            inputs: [Vec::new(), Vec::new()],
        };
        let mut inputs = [spectrum.0, waveform.0];
        let statistics = [spectrum.1, waveform.1];

        for index in 0..self.config.depth {
            for of in [0, 1] {
                encoded.inputs[of].push(self.shape(inputs[of]));
            }
            let standardise = statistics.map(|of| Some(of).filter(|_| index == 0));
            if self.ends_time_branch(inputs[0]) {
                inputs = self.merging_layer(index, inputs, standardise)?;
                encoded.skips[0].push(inputs[0]);
                continue;
            }
            for branch in Branch::BOTH {
                let of = branch as usize;
                inputs[of] = self.encoder_layer(branch, index, inputs[of], standardise[of])?;
                encoded.skips[of].push(inputs[of]);
            }
        }

        encoded.last = inputs;
        Ok(encoded)
    }

    /// Returns whether the layer that downsamples `frequency` leaves one frequency. Its kernel then
    /// spans all of them, and the time branch ends in the frequency branch.
    fn ends_time_branch(&self, frequency: Tensor) -> bool {
        self.shape(frequency).sequences <= KERNEL
    }

    /// Adds the encoder layer in which the time branch ends: its convolution is added to that of
    /// the frequency branch.
    fn merging_layer(
        &mut self,
        index: usize,
        [frequency, time]: [Tensor; 2],
        standardise: [Option<Statistics>; 2],
    ) -> Result<[Tensor; 2], ModelError> {
        let name = format!("tencoder.{index}.conv");
        let time = self.downsample(Branch::Time, &name, index, time, standardise[1])?;
        let time = self.convolution(Branch::Time, &name, time);

        let name = format!("encoder.{index}");
        let conv = format!("{name}.conv");
        let mut sum =
            self.downsample(Branch::Frequency, &conv, index, frequency, standardise[0])?;
        sum.add = Some(time);
        let y = self.convolution(Branch::Frequency, &conv, sum);
        let norm = self.take_norm(&format!("{name}.norm1"), index, self.shape(y).channels)?;
        let y = self.finish(
            Branch::Frequency,
            &format!("{name}.norm1"),
            y,
            norm,
            Activation::Gelu,
        );
        let y = self.mix_channels(Branch::Frequency, index, &name, y)?;
        Ok([y, time])
    }

    /// Adds an encoder layer (`HEncLayer`): a convolution that gives a quarter of the length, the
    /// residual branch, and the convolution that mixes channels.
    fn encoder_layer(
        &mut self,
        branch: Branch,
        index: usize,
        input: Tensor,
        standardise: Option<Statistics>,
    ) -> Result<Tensor, ModelError> {
        let name = format!("{}encoder.{index}", branch.prefix());
        let conv = format!("{name}.conv");
        let mut downsampling = self.downsample(branch, &conv, index, input, standardise)?;
        let norm = self.take_norm(
            &format!("{name}.norm1"),
            index,
            self.shape(downsampling.output).channels,
        )?;
        let y = if norm.is_some() {
            let y = self.convolution(branch, &conv, downsampling);
            self.finish(branch, &format!("{name}.norm1"), y, norm, Activation::Gelu)
        } else {
            downsampling.activation = Activation::Gelu;
            self.convolution(branch, &conv, downsampling)
        };
        self.mix_channels(branch, index, &name, y)
    }

    /// Adds the rest of an encoder layer, after its first convolution and activation.
    fn mix_channels(
        &mut self,
        branch: Branch,
        index: usize,
        name: &str,
        y: Tensor,
    ) -> Result<Tensor, ModelError> {
        if self.config.dconv_encoder {
            self.dconv(branch, &format!("{name}.dconv"), y)?;
        }

        let mixing = self.rewrite(branch, name, y, self.config.context_enc)?;
        let table = match (branch, index, self.config.freq_emb) {
            (Branch::Frequency, 0, Some(weight)) => {
                let shape = self.shape(y);
                let size = [shape.sequences, shape.channels];
                let table = self.take("freq_emb.embedding.weight", &size)?;
                Some(table.scale(self.config.emb_scale * weight))
            }
            _ => None,
        };
        self.gated(branch, index, &format!("{name}.norm2"), mixing, table)
    }

    /// Adds a convolution that mixes channels, with its norm if the layer has one, its gates and
    /// the sum with `table`.
    fn gated(
        &mut self,
        branch: Branch,
        index: usize,
        norm_name: &str,
        (name, mut mixing): (String, Convolution),
        table: Option<Array>,
    ) -> Result<Tensor, ModelError> {
        let shape = self.shape(mixing.output);
        let norm = self.take_norm(norm_name, index, 2 * shape.channels)?;
        if norm.is_none() {
            mixing.activation = Activation::Glu;
            mixing.table = table;
            return Ok(self.convolution(branch, &name, mixing));
        }

        let output = mixing.output;
        mixing.output = self.tensor(Shape {
            channels: 2 * shape.channels,
            ..shape
        });
        let input = self.convolution(branch, &name, mixing);
        let finish = Finish {
            input,
            norm,
            activation: Activation::Glu,
            cut: [0, 0],
            add: None,
            table,
            output,
        };
        self.step(branch, norm_name, Operation::Finish(finish));
        Ok(output)
    }

    /// Takes the norm called `name` of `channels` channels if layer `index` has one.
    fn take_norm(
        &mut self,
        name: &str,
        index: usize,
        channels: usize,
    ) -> Result<Option<GroupedNorm>, ModelError> {
        if index < self.config.norm_starts {
            return Ok(None);
        }
        Ok(Some(GroupedNorm {
            groups: self.config.norm_groups,
            gain: self.take(&format!("{name}.weight"), &[channels])?,
            shift: self.take(&format!("{name}.bias"), &[channels])?,
        }))
    }

    /// Adds a norm, if there is one, and an activation that keeps the shape.
    fn finish(
        &mut self,
        branch: Branch,
        name: &str,
        input: Tensor,
        norm: Option<GroupedNorm>,
        activation: Activation,
    ) -> Tensor {
        let output = self.tensor(self.shape(input));
        let finish = Finish {
            input,
            norm,
            activation,
            cut: [0, 0],
            add: None,
            table: None,
            output,
        };
        self.step(branch, name, Operation::Finish(finish));
        output
    }

    /// Returns the first convolution of an encoder layer, without its activation, for the caller
    /// to add.
    fn downsample(
        &mut self,
        branch: Branch,
        name: &str,
        index: usize,
        input: Tensor,
        standardise: Option<Statistics>,
    ) -> Result<Convolution, ModelError> {
        let shape = self.shape(input);
        let outputs = self.config.channels_after(index + 1);
        let weight = self.take(
            &format!("{name}.weight"),
            &kernel_shape(branch, [outputs, shape.channels]),
        )?;
        let bias = self.take(&format!("{name}.bias"), &[outputs])?;

        let mut short = shape;
        short.channels = outputs;
        match branch.axis() {
            Axis::Sequences => short.sequences = shape.sequences.div_ceil(STRIDE),
            Axis::Positions => short.positions = shape.positions.div_ceil(STRIDE),
        }

        let spans_all = branch == Branch::Frequency && self.ends_time_branch(input);
        let pad = if spans_all { 0 } else { PAD };
        if spans_all {
            short.sequences = 1;
        }

        Ok(Convolution {
            input,
            standardise,
            taps: (0..KERNEL as isize)
                .map(|tap| branch.order(tap - pad, 0))
                .collect(),
            strides: branch.order(STRIDE, 1),
            weight: channels_innermost(&weight),
            bias,
            activation: Activation::None,
            add: None,
            table: None,
            output: self.tensor(short),
        })
    }

    /// Returns the convolution that mixes the channels of the layer called `name`, without its
    /// gates, for the caller to add, and its name.
    fn rewrite(
        &mut self,
        branch: Branch,
        name: &str,
        input: Tensor,
        context: usize,
    ) -> Result<(String, Convolution), ModelError> {
        let name = format!("{name}.rewrite");
        let shape = self.shape(input);
        let (channels, size) = (shape.channels, 1 + 2 * context);
        let mut expected = vec![2 * channels, channels, size];
        let around = -(context as isize)..=context as isize;
        let taps = match branch {
            Branch::Frequency => {
                expected.push(size);
                around
                    .clone()
                    .flat_map(|sequence| around.clone().map(move |position| [sequence, position]))
                    .collect()
            }
            Branch::Time => around.map(|position| [0, position]).collect(),
        };

        let weight = self.take(&format!("{name}.weight"), &expected)?;
        let bias = self.take(&format!("{name}.bias"), &[2 * channels])?;
        let convolution = Convolution {
            input,
            standardise: None,
            taps,
            strides: [1, 1],
            weight: channels_innermost(&weight),
            bias,
            activation: Activation::None,
            add: None,
            table: None,
            output: self.tensor(shape),
        };
        Ok((name, convolution))
    }

    fn convolution(&mut self, branch: Branch, name: &str, convolution: Convolution) -> Tensor {
        let output = convolution.output;
        self.step(branch, name, Operation::Convolution(convolution));
        output
    }

    fn product(&mut self, branch: Branch, name: &str, product: Product) -> Tensor {
        let (outputs, channels) = (product.weight.shape()[0], product.weight.shape()[1]);
        let output = self.tensor(Shape {
            channels: outputs,
            ..self.shape(product.input)
        });

        let convolution = Convolution {
            input: product.input,
            standardise: None,
            taps: vec![[0, 0]],
            strides: [1, 1],
            weight: product.weight.reshape(&[outputs, 1, channels]),
            bias: product.bias,
            activation: product.activation,
            add: product.add,
            table: None,
            output,
        };
        self.convolution(branch, name, convolution)
    }

    fn dconv(&mut self, branch: Branch, name: &str, tensor: Tensor) -> Result<(), ModelError> {
        let layers = (0..self.config.dconv_depth)
            .map(|depth| self.dconv_layer(&format!("{name}.layers.{depth}"), depth, tensor))
            .collect::<Result<Vec<_>, _>>()?;
        if !layers.is_empty() {
            self.step(branch, name, Operation::DConv(DConv { tensor, layers }));
        }
        Ok(())
    }

    fn dconv_layer(
        &mut self,
        name: &str,
        depth: usize,
        tensor: Tensor,
    ) -> Result<DConvLayer, ModelError> {
        let channels = self.shape(tensor).channels;
        let hidden = self.config.dconv_hidden(channels);
        let dilation = if self.config.dconv_dilates {
            1 << depth
        } else {
            1
        };
        let mut take = |part: &str, shape: &[usize]| self.take(&format!("{name}.{part}"), shape);

        let conv1 = channels_innermost(&take("0.weight", &[hidden, channels, 3])?);
        let conv2 = take("3.weight", &[2 * channels, hidden, 1])?;
        Ok(DConvLayer {
            dilation,
            conv1: (conv1, take("0.bias", &[hidden])?),
            norm1: (take("1.weight", &[hidden])?, take("1.bias", &[hidden])?),
            conv2: (
                conv2.reshape(&[2 * channels, hidden]),
                take("3.bias", &[2 * channels])?,
            ),
            norm2: (
                take("4.weight", &[2 * channels])?,
                take("4.bias", &[2 * channels])?,
            ),
            scale: take("6.scale", &[channels])?,
        })
    }

    /// Adds the transformer, with the products before and after it if the model has them. Returns
    /// the decoder's input, to which the innermost skip connection is added already.
    fn middle(&mut self, encoded: &Encoded) -> Result<Option<[Tensor; 2]>, ModelError> {
        let skips = encoded.innermost();
        let Some(width) = self.config.bottom_channels else {
            if self.config.transformer.layers == 0 {
                return Ok(None);
            }
            return self.transformer(encoded.last, skips).map(Some);
        };

        let resamplers =
            |up: &str| Branch::BOTH.map(|b| format!("channel_{up}sampler{}", b.suffix()));
        let (up, down) = (resamplers("up"), resamplers("down"));
        let narrow = self.config.channels_after(self.config.depth);
        if self.config.transformer.layers == 0 {
            // The reference skips these convolutions too, but its checkpoint still contains them.
            for branch in Branch::BOTH {
                self.take_pointwise(&up[branch as usize], [width, narrow])?;
                self.take_pointwise(&down[branch as usize], [narrow, width])?;
            }
            return Ok(None);
        }

        let mut inputs = encoded.last;
        for branch in Branch::BOTH {
            let of = branch as usize;
            inputs[of] = self.pointwise(branch, &up[of], [width, narrow], inputs[of], None)?;
        }

        let mut outputs = self.transformer(inputs, [None, None])?;
        for branch in Branch::BOTH {
            let of = branch as usize;
            let shape = [narrow, width];
            outputs[of] = self.pointwise(branch, &down[of], shape, outputs[of], skips[of])?;
        }

        Ok(Some(outputs))
    }

    fn pointwise(
        &mut self,
        branch: Branch,
        name: &str,
        shape: [usize; 2],
        input: Tensor,
        add: Option<Tensor>,
    ) -> Result<Tensor, ModelError> {
        let (weight, bias) = self.take_pointwise(name, shape)?;
        let product = Product {
            input,
            weight,
            bias,
            activation: Activation::None,
            add,
        };
        Ok(self.product(branch, name, product))
    }

    fn take_pointwise(
        &mut self,
        name: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<(Array, Array), ModelError> {
        let weight = self.take(&format!("{name}.weight"), &[outputs, inputs, 1])?;
        let bias = self.take(&format!("{name}.bias"), &[outputs])?;
        Ok((weight.reshape(&[outputs, inputs]), bias))
    }

    /// Adds the decoder to the sums of the innermost skip connections and the transformer's
    /// outputs. Without a transformer, `middle` is `None`.
    fn decode(
        &mut self,
        encoded: &Encoded,
        middle: Option<[Tensor; 2]>,
    ) -> Result<[Tensor; 2], ModelError> {
        let mut inputs = middle.unwrap_or(encoded.last);
        for position in 0..self.config.depth {
            let index = self.config.depth - 1 - position;
            let mut frequency = inputs[0];
            for branch in Branch::BOTH {
                let of = branch as usize;
                let name = format!("{}decoder.{position}", branch.prefix());
                let y = if index < encoded.skips[of].len() {
                    let doubled = position == 0 && middle.is_none();
                    self.unmix_channels(branch, index, &name, inputs[of], doubled)?
                } else {
                    // The time branch begins again from the input of the frequency branch's last
                    // convolution.
                    frequency
                };
                if branch == Branch::Frequency {
                    frequency = y;
                }

                let skip = index.checked_sub(1).map(|next| encoded.skips[of][next]);
                let length = encoded.inputs[of][index];
                inputs[of] = self.upsample(branch, index, &name, y, length, skip)?;
            }
        }

        Ok(inputs)
    }

    /// Adds a decoder layer up to its last convolution. With `doubled`, the input is added to
    /// itself first.
    fn unmix_channels(
        &mut self,
        branch: Branch,
        index: usize,
        name: &str,
        input: Tensor,
        doubled: bool,
    ) -> Result<Tensor, ModelError> {
        let (rewrite, mut mixing) = self.rewrite(branch, name, input, self.config.context)?;
        if doubled {
            mixing.weight = mixing.weight.scale(2.0);
        }

        let norm = format!("{name}.norm1");
        let y = self.gated(branch, index, &norm, (rewrite, mixing), None)?;
        if self.config.dconv_decoder {
            self.dconv(branch, &format!("{name}.dconv"), y)?;
        }
        Ok(y)
    }

    /// Adds the transposed convolution of a decoder layer. `input` is the shape of the input of the
    /// encoder's layer, and `skip` the skip connection of the next layer, if there is one.
    fn upsample(
        &mut self,
        branch: Branch,
        index: usize,
        layer: &str,
        y: Tensor,
        input: Shape,
        skip: Option<Tensor>,
    ) -> Result<Tensor, ModelError> {
        let name = format!("{layer}.conv_tr");
        let channels = self.shape(y).channels;
        let outputs = match (skip, branch) {
            (Some(_), _) => input.channels,
            (None, Branch::Frequency) => 2 * CHANNELS * self.config.sources.len(),
            (None, Branch::Time) => CHANNELS * self.config.sources.len(),
        };

        let weight = self.take(
            &format!("{name}.weight"),
            &kernel_shape(branch, [channels, outputs]),
        )?;
        let weight = weight.reshape(&[channels, outputs * KERNEL]).transposed();
        let bias = self.take(&format!("{name}.bias"), &[outputs])?;

        let output = self.tensor(Shape {
            channels: outputs,
            ..input
        });
        let norm_name = format!("{layer}.norm2");
        let norm = self.take_norm(&norm_name, index, outputs)?;
        let mut upsampling = Upsampling {
            input: y,
            axis: branch.axis(),
            cut: PAD as usize,
            weight: weight.reshape(&[outputs, KERNEL, channels]),
            bias,
            gelu: skip.is_some(),
            add: skip,
            output,
        };

        // One frequency becomes eight, and none of them is cut.
        let from_one = branch == Branch::Frequency
            && branch.length(self.shape(y)) == 1
            && branch.length(input) == KERNEL;
        if from_one {
            upsampling.cut = 0;
        }

        let finish = norm.map(|norm| self.norm_after(branch, &mut upsampling, norm));
        self.step(branch, &name, Operation::Upsampling(upsampling));
        if let Some(finish) = finish {
            self.step(branch, &norm_name, Operation::Finish(finish));
        }
        Ok(output)
    }

    /// Takes what follows the sums of `upsampling` out of it and returns it with `norm` as a step
    /// of its own. The norm includes what is cut off after it.
    fn norm_after(
        &mut self,
        branch: Branch,
        upsampling: &mut Upsampling,
        norm: GroupedNorm,
    ) -> Finish {
        let output = upsampling.output;
        let uncut = STRIDE * (branch.length(self.shape(upsampling.input)) + 1);
        let mut shape = self.shape(output);
        let is_cut = uncut >= branch.length(shape) + 2 * PAD as usize;
        match branch.axis() {
            Axis::Sequences => shape.sequences = uncut,
            Axis::Positions => shape.positions = uncut,
        }

        upsampling.cut = 0;
        upsampling.output = self.tensor(shape);
        let gelu = std::mem::take(&mut upsampling.gelu);
        Finish {
            input: upsampling.output,
            norm: Some(norm),
            activation: if gelu {
                Activation::Gelu
            } else {
                Activation::None
            },
            cut: branch.order(if is_cut { PAD as usize } else { 0 }, 0),
            add: upsampling.add.take(),
            table: None,
            output,
        }
    }
}

impl Encoded {
    /// Returns the innermost skip connections, which the decoder's input is added to. The time
    /// branch has none there if it ends before.
    fn innermost(&self) -> [Option<Tensor>; 2] {
        [0, 1].map(|of| {
            let is_last = self.skips[of].len() == self.inputs[of].len();
            self.skips[of].last().copied().filter(|_| is_last)
        })
    }
}

/// Returns the shape of a one-dimensional kernel along the branch's axis, as in the checkpoint.
fn kernel_shape(branch: Branch, [first, second]: [usize; 2]) -> Vec<usize> {
    match branch {
        Branch::Frequency => vec![first, second, KERNEL, 1],
        Branch::Time => vec![first, second, KERNEL],
    }
}

/// Turns a convolution's weights [outputs, channels, taps ...] into [outputs, taps, channels].
fn channels_innermost(weight: &Array) -> Array {
    let [outputs, channels] = [weight.shape()[0], weight.shape()[1]];
    let taps: usize = weight.shape()[2..].iter().product();
    let mut data = Vec::with_capacity(weight.data().len());
    for row in weight.data().chunks_exact(channels * taps) {
        for tap in 0..taps {
            data.extend(row[tap..].iter().step_by(taps));
        }
    }

    Array::new(&[outputs, taps, channels], data)
}
