//! Operands of a step: the tensors that it reads and writes.

use super::{Operation, Tensor};

impl Operation {
    /// Returns all tensors that the operation reads or writes, one that it changes in place once.
    pub(crate) fn tensors(&self) -> Vec<Tensor> {
        let (mut all, optional): (Vec<Tensor>, Vec<Option<Tensor>>) = match self {
            Self::Spectrum(o) => (vec![o.output], vec![]),
            Self::Waveform(o) => (vec![o.output], vec![]),
            Self::Convolution(o) => (vec![o.input, o.output], vec![o.add]),
            Self::Upsampling(o) => (vec![o.input, o.output], vec![o.add]),
            Self::Finish(o) => (vec![o.input, o.output], vec![o.add]),
            Self::DConv(o) => (vec![o.tensor], vec![]),
            Self::Embedding(o) => (vec![o.input, o.output, o.normalised], vec![]),
            Self::LayerNorm(o) => (vec![o.input, o.output], vec![]),
            Self::GroupNorm(o) => (vec![o.input, o.output], vec![o.add, o.normalised]),
            Self::Attention(o) => (
                vec![o.query.tensor, o.key.tensor, o.value.tensor, o.output],
                vec![],
            ),
            Self::Synthesis(o) => (vec![o.spectra, o.waveforms], vec![]),
        };

        all.extend(optional.into_iter().flatten());
        all
    }

    /// Returns the tensors that the operation writes.
    pub(crate) fn outputs(&self) -> Vec<Tensor> {
        match self {
            Self::Spectrum(o) => vec![o.output],
            Self::Waveform(o) => vec![o.output],
            Self::Convolution(o) => vec![o.output],
            Self::Upsampling(o) => vec![o.output],
            Self::Finish(o) => vec![o.output],
            Self::DConv(o) => vec![o.tensor],
            Self::Embedding(o) => vec![o.output, o.normalised],
            Self::LayerNorm(o) => vec![o.output],
            Self::GroupNorm(o) => [Some(o.output), o.normalised]
                .into_iter()
                .flatten()
                .collect(),
            Self::Attention(o) => vec![o.output],
            Self::Synthesis(_) => vec![],
        }
    }
}
