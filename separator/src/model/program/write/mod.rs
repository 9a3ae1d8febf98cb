//! Program of a network: encoder, transformer and decoder of both branches, with the weights in the
//! order in which the steps read them.
//!
//! Source: `demucs/htdemucs.py` and `demucs/hdemucs.py` of demucs 4.1.0, as in `htdemucs/`, which
//! writes the same network as a graph.

mod transformer;

use super::{
    Activation, Axis, Branch, Convolution, DConv, DConvLayer, Operation, Program, Shape, Spectrum,
    Statistics, Step, Synthesis, Tensor, Upsampling, Waveform,
};
use crate::model::config::{CHANNELS, Config, FFT_SIZE, KERNEL, STRIDE};
use crate::model::error::ModelError;
use crate::model::weights::{Array, Weights};

/// Most layers of the encoder. With more, few enough frequencies are left for the kernel to span
/// all of them, and the time branch ends in the frequency branch.
const MOST_LAYERS: usize = 4;
/// Number of zeros before the input of a downsampling convolution.
const PAD: isize = KERNEL as isize / 4;

/// Writes the program of a network.
///
/// # Errors
/// Fails when a program cannot express the configuration, and when a tensor is missing, has another
/// shape than the configuration requires, or is left over.
pub(crate) fn write(config: &Config, weights: Weights) -> Result<Program, ModelError> {
    refuse_unsupported(config)?;
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

fn refuse_unsupported(config: &Config) -> Result<(), ModelError> {
    let refuse = |feature, name, found: usize, expected| {
        Err(ModelError::UnsupportedByProgram {
            feature,
            name,
            found: found.to_string(),
            expected,
        })
    };

    if config.depth > MOST_LAYERS {
        let feature = "a time branch that ends in the frequency branch";
        return refuse(feature, "depth", config.depth, "4 at most");
    }

    if config.norm_starts < config.depth {
        let feature = "norms in the encoder and the decoder";
        return refuse(
            feature,
            "norm_starts",
            config.norm_starts,
            "the depth or more",
        );
    }

    Ok(())
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

/// Outputs of the encoder's layers, the outermost first: the skip connections.
struct Encoded {
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
            skips: [Vec::new(), Vec::new()],
            inputs: [Vec::new(), Vec::new()],
        };
        let mut inputs = [spectrum.0, waveform.0];
        let statistics = [spectrum.1, waveform.1];

        for index in 0..self.config.depth {
            for branch in Branch::BOTH {
                let of = branch as usize;
                encoded.inputs[of].push(self.shape(inputs[of]));
                let standardise = Some(statistics[of]).filter(|_| index == 0);
                inputs[of] = self.encoder_layer(branch, index, inputs[of], standardise)?;
                encoded.skips[of].push(inputs[of]);
            }
        }

        Ok(encoded)
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
        let y = self.downsample(branch, &format!("{name}.conv"), index, input, standardise)?;
        if self.config.dconv_encoder {
            self.dconv(branch, &format!("{name}.dconv"), y)?;
        }

        let rewrite = format!("{name}.rewrite");
        let mut mixing = self.rewrite(branch, &rewrite, y, self.config.context_enc)?;
        if let (Branch::Frequency, 0, Some(weight)) = (branch, index, self.config.freq_emb) {
            let shape = self.shape(y);
            let table = self.take(
                "freq_emb.embedding.weight",
                &[shape.sequences, shape.channels],
            )?;
            mixing.table = Some(table.scale(self.config.emb_scale * weight));
        }

        Ok(self.convolution(branch, &rewrite, mixing))
    }

    fn downsample(
        &mut self,
        branch: Branch,
        name: &str,
        index: usize,
        input: Tensor,
        standardise: Option<Statistics>,
    ) -> Result<Tensor, ModelError> {
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

        let output = self.tensor(short);
        let convolution = Convolution {
            input,
            standardise,
            taps: (0..KERNEL as isize)
                .map(|tap| branch.order(tap - PAD, 0))
                .collect(),
            strides: branch.order(STRIDE, 1),
            weight: channels_innermost(&weight),
            bias,
            activation: Activation::Gelu,
            add: None,
            table: None,
            output,
        };
        Ok(self.convolution(branch, name, convolution))
    }

    /// Returns the convolution that mixes channels, with its GLU, for the caller to add.
    fn rewrite(
        &mut self,
        branch: Branch,
        name: &str,
        input: Tensor,
        context: usize,
    ) -> Result<Convolution, ModelError> {
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
        Ok(Convolution {
            input,
            standardise: None,
            taps,
            strides: [1, 1],
            weight: channels_innermost(&weight),
            bias,
            activation: Activation::Glu,
            add: None,
            table: None,
            output: self.tensor(shape),
        })
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
            return self.transformer(skips, Some(skips)).map(Some);
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

        let mut inputs = skips;
        for branch in Branch::BOTH {
            let of = branch as usize;
            inputs[of] = self.pointwise(branch, &up[of], [width, narrow], skips[of], None)?;
        }

        let mut outputs = self.transformer(inputs, None)?;
        for branch in Branch::BOTH {
            let of = branch as usize;
            let shape = [narrow, width];
            outputs[of] = self.pointwise(branch, &down[of], shape, outputs[of], Some(skips[of]))?;
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
        let mut inputs = middle.unwrap_or(encoded.innermost());
        for position in 0..self.config.depth {
            let index = self.config.depth - 1 - position;
            for branch in Branch::BOTH {
                let of = branch as usize;
                let name = format!("{}decoder.{position}", branch.prefix());

                let rewrite = format!("{name}.rewrite");
                let mut mixing = self.rewrite(branch, &rewrite, inputs[of], self.config.context)?;
                if position == 0 && middle.is_none() {
                    // The skip connection is added to itself here.
                    mixing.weight = mixing.weight.scale(2.0);
                }

                let y = self.convolution(branch, &rewrite, mixing);
                if self.config.dconv_decoder {
                    self.dconv(branch, &format!("{name}.dconv"), y)?;
                }

                let skip = index.checked_sub(1).map(|next| encoded.skips[of][next]);
                let length = encoded.inputs[of][index];
                inputs[of] = self.upsample(branch, &format!("{name}.conv_tr"), y, length, skip)?;
            }
        }

        Ok(inputs)
    }

    /// Adds the transposed convolution of a decoder layer. `input` is the shape of the input of the
    /// encoder's layer, and `skip` the skip connection of the next layer, if there is one.
    fn upsample(
        &mut self,
        branch: Branch,
        name: &str,
        y: Tensor,
        input: Shape,
        skip: Option<Tensor>,
    ) -> Result<Tensor, ModelError> {
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
        let upsampling = Upsampling {
            input: y,
            axis: branch.axis(),
            weight: weight.reshape(&[outputs, KERNEL, channels]),
            bias,
            gelu: skip.is_some(),
            add: skip,
            output,
        };
        self.step(branch, name, Operation::Upsampling(upsampling));
        Ok(output)
    }
}

impl Encoded {
    /// Returns the outputs of the innermost layers.
    fn innermost(&self) -> [Tensor; 2] {
        [0, 1].map(|of| self.skips[of][self.skips[of].len() - 1])
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
