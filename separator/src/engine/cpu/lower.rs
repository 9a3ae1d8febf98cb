//! From the steps of a program to kernels, with their weights in the kernels' order.

use sextet_cpu::{
    Activation, Affine, Attention, Axis, Convolution, DConv, DConvLayer, Finish, Fourier, Frames,
    GroupedNorm, Isa, Product, Shape, Upsampling,
};

use crate::model::program::{self, Channels, Operation, Program, Statistics, Step, Tensor};
use crate::model::weights::Array;
use crate::model::{FFT_SIZE, HOP, MARGIN, inverse_envelope, window};

/// Step whose weights are in a kernel's order.
#[derive(Debug)]
pub(super) enum Kernel {
    Spectrum {
        fourier: Fourier,
        output: Tensor,
        statistics: Statistics,
    },
    Waveform {
        output: Tensor,
        statistics: Statistics,
    },
    Product {
        product: Box<Product>,
        input: Tensor,
        /// Statistics by which the input is standardised first, in place: no other step reads it.
        standardise: Option<Statistics>,
        add: Option<Tensor>,
        output: Tensor,
    },
    Finish {
        finish: Finish,
        input: Tensor,
        add: Option<Tensor>,
        output: Tensor,
    },
    DConv {
        dconv: DConv,
        tensor: Tensor,
    },
    Embedding {
        norm: Option<Affine>,
        positions: Vec<f32>,
        input: Tensor,
        output: Tensor,
        normalised: Tensor,
    },
    LayerNorm {
        input: Tensor,
        output: Tensor,
    },
    GroupNorm {
        affine: Affine,
        input: Tensor,
        add: Option<Tensor>,
        output: Tensor,
        normalised: Option<Tensor>,
    },
    Attention {
        attention: Attention,
        query: Channels,
        key: Channels,
        value: Channels,
        output: Tensor,
    },
    Synthesis {
        fourier: Fourier,
        spectra: Tensor,
        spectra_statistics: Statistics,
        waveforms: Tensor,
        waveforms_statistics: Statistics,
    },
}

/// Sizes that steps are lowered with.
pub(super) struct Lowering<'a> {
    pub(super) isa: Isa,
    pub(super) tensors: &'a [program::Shape],
    pub(super) segment_frames: usize,
}

impl<'a> Lowering<'a> {
    pub(super) fn of(isa: Isa, program: &'a Program) -> Self {
        Self {
            isa,
            tensors: &program.tensors,
            segment_frames: program.segment_frames,
        }
    }

    fn shape(&self, Tensor(tensor): Tensor) -> Shape {
        shape(self.tensors[tensor])
    }

    pub(super) fn lower(&self, step: &Step) -> Kernel {
        match &step.operation {
            Operation::Spectrum(of) => Kernel::Spectrum {
                fourier: self.fourier(of.output),
                output: of.output,
                statistics: of.statistics,
            },
            Operation::Waveform(of) => Kernel::Waveform {
                output: of.output,
                statistics: of.statistics,
            },
            Operation::Convolution(of) => Kernel::Product {
                product: Box::new(self.convolution(of)),
                input: of.input,
                standardise: of.standardise,
                add: of.add,
                output: of.output,
            },
            Operation::Upsampling(of) => Kernel::Product {
                product: Box::new(self.upsampling(of)),
                input: of.input,
                standardise: None,
                add: of.add,
                output: of.output,
            },
            Operation::Finish(of) => Kernel::Finish {
                finish: Finish {
                    isa: self.isa,
                    input: self.shape(of.input),
                    norm: of.norm.as_ref().map(|norm| GroupedNorm {
                        groups: norm.groups,
                        affine: affine(&norm.gain, &norm.shift),
                    }),
                    activation: activation(of.activation),
                    cut: of.cut,
                    table: of.table.as_ref().map(|table| table.data().to_vec()),
                    output: self.shape(of.output),
                },
                input: of.input,
                add: of.add,
                output: of.output,
            },
            Operation::DConv(of) => Kernel::DConv {
                dconv: self.dconv(of),
                tensor: of.tensor,
            },
            Operation::Embedding(of) => Kernel::Embedding {
                norm: of.norm.as_ref().map(|(gain, shift)| affine(gain, shift)),
                positions: of.positions.data().to_vec(),
                input: of.input,
                output: of.output,
                normalised: of.normalised,
            },
            Operation::LayerNorm(of) => Kernel::LayerNorm {
                input: of.input,
                output: of.output,
            },
            Operation::GroupNorm(of) => Kernel::GroupNorm {
                affine: affine(&of.gain, &of.shift),
                input: of.input,
                add: of.add,
                output: of.output,
                normalised: of.normalised,
            },
            Operation::Attention(of) => {
                let width = self.shape(of.output).channels / of.heads;
                Kernel::Attention {
                    attention: Attention::new(self.isa, of.heads, width),
                    query: of.query,
                    key: of.key,
                    value: of.value,
                    output: of.output,
                }
            }
            Operation::Synthesis(of) => Kernel::Synthesis {
                fourier: self.fourier(of.spectra),
                spectra: of.spectra,
                spectra_statistics: of.spectra_statistics,
                waveforms: of.waveforms,
                waveforms_statistics: of.waveforms_statistics,
            },
        }
    }

    fn fourier(&self, spectrum: Tensor) -> Fourier {
        let count = self.shape(spectrum).positions;
        let window: Vec<f64> = (0..FFT_SIZE).map(window).collect();
        Fourier::new(&Frames {
            count,
            hop: HOP,
            margin: MARGIN,
            window: &window,
            envelope: inverse_envelope(count).data(),
            segment: self.segment_frames,
        })
    }

    fn convolution(&self, of: &program::Convolution) -> Product {
        Product::convolution(
            self.isa,
            Convolution {
                input: self.shape(of.input),
                taps: &of.taps,
                strides: of.strides,
                weight: of.weight.data(),
                bias: of.bias.data(),
                activation: activation(of.activation),
                table: of.table.as_ref().map(Array::data),
                output: self.shape(of.output),
            },
        )
    }

    fn upsampling(&self, of: &program::Upsampling) -> Product {
        Product::upsampling(
            self.isa,
            Upsampling {
                input: self.shape(of.input),
                axis: match of.axis {
                    program::Axis::Sequences => Axis::Sequences,
                    program::Axis::Positions => Axis::Positions,
                },
                cut: of.cut,
                weight: of.weight.data(),
                bias: of.bias.data(),
                gelu: of.gelu,
                output: self.shape(of.output),
            },
        )
    }

    fn dconv(&self, of: &program::DConv) -> DConv {
        let layers: Vec<DConvLayer<'_>> = of
            .layers
            .iter()
            .map(|layer| DConvLayer {
                dilation: layer.dilation,
                conv1: data(&layer.conv1),
                norm1: data(&layer.norm1),
                conv2: data(&layer.conv2),
                norm2: data(&layer.norm2),
                scale: layer.scale.data(),
            })
            .collect();
        DConv::new(self.isa, self.shape(of.tensor), &layers)
    }
}

fn activation(of: program::Activation) -> Activation {
    match of {
        program::Activation::None => Activation::None,
        program::Activation::Gelu => Activation::Gelu,
        program::Activation::Relu => Activation::Relu,
        program::Activation::Glu => Activation::Glu,
    }
}

fn data(pair: &(Array, Array)) -> [&[f32]; 2] {
    [pair.0.data(), pair.1.data()]
}

fn affine(gain: &Array, shift: &Array) -> Affine {
    Affine {
        gain: gain.data().to_vec(),
        shift: shift.data().to_vec(),
    }
}

/// Returns the kernels' form of a shape.
fn shape(of: program::Shape) -> Shape {
    Shape {
        sequences: of.sequences,
        positions: of.positions,
        channels: of.channels,
    }
}
