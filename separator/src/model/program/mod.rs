//! A network as a program: a list of steps on tensors whose channels lie innermost. Engines of our
//! own run it; the ONNX graph in `htdemucs/` describes the same network for other runtimes.
//!
//! | file | contents |
//! |---|---|
//! | `mod.rs` | the program and its steps |
//! | `operands.rs` | the tensors that a step reads and writes |
//! | `write/` | the program of a network: encoder, transformer, decoder |
//! | `interpret/` | a plain interpreter in float32, the reference that engines are tested against |
//!
//! A tensor has the shape [batch, sequences, positions, channels]. In the frequency branch a
//! sequence is a frequency and a position is a frame of the spectrogram. In the time branch there
//! is one sequence, and a position is a sample or a stretch of samples. The transformer's tokens
//! are a tensor's positions, sequence by sequence: attention does not depend on their order, so
//! nothing has to be moved.

pub(crate) mod interpret;
mod operands;
#[cfg(test)]
mod tests;
mod write;

use crate::model::weights::Array;

pub(crate) use write::write;

/// Number of a tensor in [`Program::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tensor(pub(crate) usize);

/// Number of a pair of mean and deviation, one for each segment of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Statistics(pub(crate) usize);

/// Size of a tensor for one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) sequences: usize,
    pub(crate) positions: usize,
    pub(crate) channels: usize,
}

impl Shape {
    /// Returns the number of elements.
    pub(crate) fn len(self) -> usize {
        self.sequences * self.positions * self.channels
    }
}

/// Steps of a network, in an order in which they may run.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Number of frames of a segment.
    pub(crate) segment_frames: usize,
    /// Number of stems.
    pub(crate) stems: usize,
    pub(crate) tensors: Vec<Shape>,
    /// Number of pairs of statistics.
    pub(crate) statistics: usize,
    pub(crate) steps: Vec<Step>,
}

/// A step with the branch that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Name for reports, such as `encoder.0.conv`.
    pub(crate) name: String,
    pub(crate) branch: Branch,
    pub(crate) operation: Operation,
}

/// Branch of the network. Steps of different branches may run side by side unless one reads what
/// the other writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Branch {
    Frequency,
    Time,
}

/// Operation of a step.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Spectrum(Spectrum),
    Waveform(Waveform),
    Convolution(Convolution),
    Upsampling(Upsampling),
    Finish(Finish),
    DConv(DConv),
    Embedding(Embedding),
    LayerNorm(LayerNorm),
    GroupNorm(GroupNorm),
    Attention(Attention),
    Synthesis(Synthesis),
}

/// Short-time Fourier transform of the mix (`HTDemucs._spec`): [2048 frequencies, frames, 4
/// channels], which are real and imaginary part of the left and of the right channel. The output
/// is not standardised; its statistics are (`HTDemucs.forward`) the mean over all of it and the
/// unbiased deviation.
#[derive(Clone, Debug)]
pub(crate) struct Spectrum {
    pub(crate) output: Tensor,
    pub(crate) statistics: Statistics,
}

/// The mix itself, [1, frames, 2 channels], with its mean and unbiased deviation.
#[derive(Clone, Debug)]
pub(crate) struct Waveform {
    pub(crate) output: Tensor,
    pub(crate) statistics: Statistics,
}

/// Function applied to the outputs of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Activation {
    None,
    /// x Phi(x), exact.
    Gelu,
    Relu,
    /// The first half of the outputs times the logistic function of the second half.
    Glu,
}

/// Convolution: output (s, p) is the sum over taps of the input at (s stride + tap, p stride +
/// tap), which is 0 outside of the tensor, times the tap's matrix. A matrix product is a
/// convolution with one tap.
#[derive(Clone, Debug)]
pub(crate) struct Convolution {
    pub(crate) input: Tensor,
    /// Statistics by which the input is standardised first: (x - mean) / (deviation + 1e-5). Zeros
    /// outside of the tensor are zeros after that.
    pub(crate) standardise: Option<Statistics>,
    /// Offsets of the taps along sequences and positions.
    pub(crate) taps: Vec<[isize; 2]>,
    /// Strides along sequences and positions.
    pub(crate) strides: [usize; 2],
    /// [outputs, taps, input channels]
    pub(crate) weight: Array,
    /// [outputs]
    pub(crate) bias: Array,
    pub(crate) activation: Activation,
    /// Tensor of the output's shape that is added after the activation.
    pub(crate) add: Option<Tensor>,
    /// Table [sequences, channels] that is added after the activation.
    pub(crate) table: Option<Array>,
    pub(crate) output: Tensor,
}

/// Axis of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Axis {
    Sequences,
    Positions,
}

/// Transposed convolution of kernel 8 and stride 4: output o along the axis is the sum of the
/// inputs i times tap o + cut - 4 i, where that is from 0 to 7. The output's shape says where it
/// ends.
#[derive(Clone, Debug)]
pub(crate) struct Upsampling {
    pub(crate) input: Tensor,
    pub(crate) axis: Axis,
    /// Number of outputs that are cut before the first: 2, or 0 where a [`Finish`] cuts them.
    pub(crate) cut: usize,
    /// [outputs, 8 taps, input channels]
    pub(crate) weight: Array,
    /// [outputs]
    pub(crate) bias: Array,
    /// Whether GELU follows.
    pub(crate) gelu: bool,
    /// Tensor of the output's shape that is added after the activation.
    pub(crate) add: Option<Tensor>,
    pub(crate) output: Tensor,
}

/// Norm and activation apart from the product before them, where a layer has a norm of its own.
/// No published model has one.
#[derive(Clone, Debug)]
pub(crate) struct Finish {
    pub(crate) input: Tensor,
    pub(crate) norm: Option<GroupedNorm>,
    pub(crate) activation: Activation,
    /// First sequence and position that are kept.
    pub(crate) cut: [usize; 2],
    /// Tensor of the output's shape that is added after the activation.
    pub(crate) add: Option<Tensor>,
    /// Table [sequences, channels] that is added after the activation.
    pub(crate) table: Option<Array>,
    pub(crate) output: Tensor,
}

/// Norm over all sequences and positions and a group of neighbouring channels
/// (`torch.nn.GroupNorm`).
#[derive(Clone, Debug)]
pub(crate) struct GroupedNorm {
    pub(crate) groups: usize,
    /// Gain and shift, [channels] each.
    pub(crate) gain: Array,
    pub(crate) shift: Array,
}

/// Residual branch along each sequence (`demucs.demucs.DConv`), in place.
#[derive(Clone, Debug)]
pub(crate) struct DConv {
    pub(crate) tensor: Tensor,
    pub(crate) layers: Vec<DConvLayer>,
}

/// x + scale GLU(norm(conv2(GELU(norm(conv1(x)))))): conv1 has three taps that are `dilation`
/// positions apart and gives an eighth of the channels or so, conv2 gives twice the channels, and
/// both norms go over all positions and channels of a sequence.
#[derive(Clone, Debug)]
pub(crate) struct DConvLayer {
    pub(crate) dilation: usize,
    /// conv1: [hidden, 3 taps, channels], [hidden].
    pub(crate) conv1: (Array, Array),
    /// Gain and shift of the first norm, [hidden] each.
    pub(crate) norm1: (Array, Array),
    /// conv2: [2 channels, hidden], [2 channels].
    pub(crate) conv2: (Array, Array),
    /// Gain and shift of the second norm, [2 channels] each.
    pub(crate) norm2: (Array, Array),
    /// LayerScale, [channels].
    pub(crate) scale: Array,
}

/// Beginning of the transformer: layer norm if the model has one, and the sum with the embedding
/// of the positions.
#[derive(Clone, Debug)]
pub(crate) struct Embedding {
    pub(crate) input: Tensor,
    /// Gain and shift of the layer norm, [channels] each.
    pub(crate) norm: Option<(Array, Array)>,
    /// [sequences positions, channels]
    pub(crate) positions: Array,
    pub(crate) output: Tensor,
    /// Layer norm of the output, without gain and shift.
    pub(crate) normalised: Tensor,
}

/// Layer norm over channels, without gain and shift, which are part of the next product's weights.
#[derive(Clone, Debug)]
pub(crate) struct LayerNorm {
    pub(crate) input: Tensor,
    pub(crate) output: Tensor,
}

/// Norm over all of a segment's tensor, with a gain and a shift for each channel (`MyGroupNorm`
/// with one group).
#[derive(Clone, Debug)]
pub(crate) struct GroupNorm {
    pub(crate) input: Tensor,
    pub(crate) gain: Array,
    pub(crate) shift: Array,
    /// Tensor that is added after the norm.
    pub(crate) add: Option<Tensor>,
    pub(crate) output: Tensor,
    /// Layer norm of the output, without gain and shift.
    pub(crate) normalised: Option<Tensor>,
}

/// Channels of a tensor, from `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Channels {
    pub(crate) tensor: Tensor,
    pub(crate) first: usize,
}

/// softmax(query key') value for each head, over all positions of all sequences. The factor
/// 1 / sqrt(channels of a head) is part of the queries.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    pub(crate) query: Channels,
    pub(crate) key: Channels,
    pub(crate) value: Channels,
    pub(crate) heads: usize,
    /// As many channels as the query has in all heads.
    pub(crate) output: Tensor,
}

/// The stems: the inverse transform (`HTDemucs._ispec`) of the spectra times the deviation plus the
/// mean of the mix' spectrum, plus the waveforms times the deviation plus the mean of the mix.
#[derive(Clone, Debug)]
pub(crate) struct Synthesis {
    /// [2048, frames, stems x 4], with each stem's channels as in [`Spectrum`].
    pub(crate) spectra: Tensor,
    pub(crate) spectra_statistics: Statistics,
    /// [1, segment, stems x 2]
    pub(crate) waveforms: Tensor,
    pub(crate) waveforms_statistics: Statistics,
}
