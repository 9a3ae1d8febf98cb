//! Encoder and decoder layers of both branches (`demucs.hdemucs.HEncLayer` and `HDecLayer`).
//!
//! The reference runs the time branch in three dimensions and the frequency branch in four. Here
//! both are [B, C, F, T], the time branch with F = 1, and a branch is the axis along which its
//! layers downsample and upsample.

use super::dconv::dconv;
use super::norm::group_norm;
use crate::model::config::{Config, KERNEL, STRIDE};
use crate::model::error::ModelError;
use crate::model::onnx::{Graph, Value, Window};
use crate::model::weights::{Array, Weights};

/// Number of zeros on either side of a downsampling convolution, and of samples cut off either side
/// of an upsampling one.
const PAD: usize = KERNEL / 4;

/// Axis along which a branch works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    Frequency,
    Time,
}

impl Branch {
    /// Returns the position of the branch's axis in [B, C, F, T].
    pub(super) fn axis(self) -> usize {
        match self {
            Branch::Frequency => 2,
            Branch::Time => 3,
        }
    }

    /// Orders two values, one for the branch's own axis and one for the other, as (frequency,
    /// time).
    fn order<T>(self, own: T, other: T) -> [T; 2] {
        match self {
            Branch::Frequency => [own, other],
            Branch::Time => [other, own],
        }
    }
}

/// Selection of the four outputs that a transposed convolution has for every input.
#[derive(Clone, Copy)]
enum Part {
    /// First two outputs, counted after the cut.
    First,
    /// Last two outputs, counted after the cut.
    Last,
    /// All four outputs, counted before the cut, for one additional input.
    Uncut,
}

/// Layer with the names of its parameters and its position.
pub(super) struct Layer<'a> {
    pub(super) config: &'a Config,
    pub(super) branch: Branch,
    /// Name of the layer: `encoder.0`, `tdecoder.3` and so on.
    pub(super) name: String,
    /// Number of the layer, counted from the outside, beginning with 0.
    pub(super) index: usize,
}

impl Layer<'_> {
    /// Returns whether the frequency branch is reduced to one row here. The kernel then spans all
    /// remaining rows, unpadded.
    fn last_frequency(&self, rows: usize) -> bool {
        self.branch == Branch::Frequency && rows <= KERNEL
    }

    fn take(&self, w: &mut Weights, part: &str, shape: &[usize]) -> Result<Array, ModelError> {
        w.take(&format!("{}.{part}", self.name), shape)
    }

    /// Returns the shape of a one-dimensional kernel along the branch's axis, as in the checkpoint.
    fn kernel_shape(&self, channels: [usize; 2]) -> Vec<usize> {
        match self.branch {
            Branch::Frequency => vec![channels[0], channels[1], KERNEL, 1],
            Branch::Time => vec![channels[0], channels[1], KERNEL],
        }
    }

    /// Adds the first convolution: `channels` channels, a quarter as long along the branch's axis.
    pub(super) fn downsample(
        &self,
        g: &mut Graph,
        w: &mut Weights,
        x: &Value,
        channels: usize,
    ) -> Result<Value, ModelError> {
        let weight = self.take(w, "conv.weight", &self.kernel_shape([channels, x.size(1)]))?;
        let [kf, kt] = self.branch.order(KERNEL, 1);
        let weight = g.weight(&weight.reshape(&[channels, x.size(1), kf, kt]));
        let bias = g.weight(&self.take(w, "conv.bias", &[channels])?);

        let length = x.size(self.branch.axis());
        let pads = if self.last_frequency(length) {
            [0, 0]
        } else {
            [PAD, PAD + length.next_multiple_of(STRIDE) - length]
        };

        let window = Window {
            strides: self.branch.order(STRIDE, 1),
            pads: self.branch.order(pads, [0, 0]),
            ..Window::PLAIN
        };

        Ok(g.conv(x, &weight, &bias, window))
    }

    /// Adds the rest of an encoder layer, after [`Layer::downsample`].
    pub(super) fn encode(
        &self,
        g: &mut Graph,
        w: &mut Weights,
        y: Value,
    ) -> Result<Value, ModelError> {
        let y = self.norm(g, w, "norm1", y)?;
        let y = g.gelu(&y);
        let y = if self.config.dconv_encoder {
            self.dconv(g, w, y)?
        } else {
            y
        };
        self.rewrite(g, w, &y, self.config.context_enc, "norm2")
    }

    /// Adds a decoder layer up to its last convolution.
    pub(super) fn decode(
        &self,
        g: &mut Graph,
        w: &mut Weights,
        x: &Value,
        skip: &Value,
    ) -> Result<Value, ModelError> {
        let x = g.add(x, skip);
        let y = self.rewrite(g, w, &x, self.config.context, "norm1")?;
        if self.config.dconv_decoder {
            self.dconv(g, w, y)
        } else {
            Ok(y)
        }
    }

    fn dconv(&self, g: &mut Graph, w: &mut Weights, y: Value) -> Result<Value, ModelError> {
        dconv(g, w, self.config, &format!("{}.dconv", self.name), y)
    }

    fn norm(
        &self,
        g: &mut Graph,
        w: &mut Weights,
        name: &str,
        x: Value,
    ) -> Result<Value, ModelError> {
        group_norm(
            g,
            w,
            self.config,
            self.index,
            &format!("{}.{name}", self.name),
            x,
        )
    }

    /// Adds the convolution that mixes channels, and its GLU.
    fn rewrite(
        &self,
        g: &mut Graph,
        w: &mut Weights,
        x: &Value,
        context: usize,
        norm: &str,
    ) -> Result<Value, ModelError> {
        let (channels, size) = (x.size(1), 1 + 2 * context);
        let [kf, kt] = match self.branch {
            Branch::Frequency => [size, size],
            Branch::Time => [1, size],
        };
        let shape = match self.branch {
            Branch::Frequency => vec![2 * channels, channels, size, size],
            Branch::Time => vec![2 * channels, channels, size],
        };

        let weight =
            self.take(w, "rewrite.weight", &shape)?
                .reshape(&[2 * channels, channels, kf, kt]);
        let bias = self.take(w, "rewrite.bias", &[2 * channels])?;
        let pad = |kernel: usize| [kernel / 2, kernel / 2];
        let window = Window {
            pads: [pad(kf), pad(kt)],
            ..Window::PLAIN
        };

        let (weight, bias) = (g.weight(&weight), g.weight(&bias));
        let y = g.conv(x, &weight, &bias, window);
        let y = self.norm(g, w, norm, y)?;
        let [value, gate] = [0, channels].map(|start| g.slice(&y, 1, start, start + channels));

        let gate = g.sigmoid(&gate);
        Ok(g.mul(&value, &gate))
    }

    /// Adds the transposed convolution: `channels` channels, four times as long along the branch's
    /// axis, cut to `length`.
    ///
    /// With a stride of 4 and a kernel of 8, each output depends on two inputs, selected by its
    /// position modulo 4. The convolution is therefore written as two convolutions of kernel 2, for
    /// the first and the last two positions of every four, whose channels are then distributed
    /// along the axis.
    pub(super) fn upsample(
        &self,
        g: &mut Graph,
        w: &mut Weights,
        x: &Value,
        channels: usize,
        length: usize,
    ) -> Result<Value, ModelError> {
        let weight = self.take(
            w,
            "conv_tr.weight",
            &self.kernel_shape([x.size(1), channels]),
        )?;

        let weight = weight.reshape(&[x.size(1), channels, KERNEL]);
        let bias = self.take(w, "conv_tr.bias", &[channels])?;

        let axis = self.branch.axis();
        let y = if self.last_frequency(x.size(axis)) && length == KERNEL {
            self.unfold(g, x, &weight, &bias)
        } else if self.index < self.config.norm_starts {
            let parts = [
                self.phases(g, x, &weight, &bias, Part::First),
                self.phases(g, x, &weight, &bias, Part::Last),
            ];
            let y = g.concat(&[&parts[0], &parts[1]], 1);
            self.depth_to_space(g, &y, channels)
        } else {
            // The norm includes the samples that are cut off after it.
            let y = self.phases(g, x, &weight, &bias, Part::Uncut);
            self.depth_to_space(g, &y, channels)
        };

        let y = self.norm(g, w, "norm2", y)?;
        let start = if y.size(axis) >= length + 2 * PAD && self.index >= self.config.norm_starts {
            PAD
        } else {
            0
        };

        let y = if y.size(axis) == length {
            y
        } else {
            g.slice(&y, axis, start, start + length)
        };

        Ok(if self.index == 0 { y } else { g.gelu(&y) })
    }

    /// Adds some of the four outputs that belong to every input `j`, as channels [(phases) C].
    ///
    /// Before it is cut, output `o` of the transposed convolution is the sum of input `j` times tap
    /// `o - 4 j`: for phase `p` of four, tap `p` of input `j` and tap `p + 4` of `j - 1`. Output
    /// `i` after the cut is `o = i + 2`: for `i = 4 j + p` with `p` of 0 or 1, taps `p + 2` of
    /// input `j` and `p + 6` of `j - 1`; with `p` of 2 or 3, taps `p - 2` of input `j + 1` and `p +
    /// 2` of `j`.
    fn phases(&self, g: &mut Graph, x: &Value, weight: &Array, bias: &Array, part: Part) -> Value {
        let channels = bias.shape()[0];
        let [kf, kt] = self.branch.order(2, 1);

        // Number of phases, taps of the earlier and the later input for the first of them, and
        // zeros around the input.
        let (count, taps, pads) = match part {
            Part::First => (2, [6, 2], [1, 0]),
            Part::Last => (2, [4, 0], [0, 1]),
            Part::Uncut => (4, [4, 0], [1, 1]),
        };

        let shape = [count * channels, x.size(1), kf, kt];
        let kernel = g.weight_from(&shape, || {
            Array::from_fn(&shape, |i| {
                weight.at(&[i[1], i[0] % channels, taps[i[2] + i[3]] + i[0] / channels])
            })
        });
        let bias = Array::from_fn(&[count * channels], |i| bias.data()[i[0] % channels]);
        let window = Window {
            pads: self.branch.order(pads, [0, 0]),
            ..Window::PLAIN
        };

        let bias = g.weight(&bias);
        g.conv(x, &kernel, &bias, window)
    }

    /// Moves four phases of `channels` channels each to the branch's axis.
    fn depth_to_space(&self, g: &mut Graph, y: &Value, channels: usize) -> Value {
        let (batch, rows, frames) = (y.size(0), y.size(2), y.size(3));
        let y = g.reshape(y, &[batch, STRIDE, channels, rows, frames]);
        match self.branch {
            Branch::Frequency => {
                let y = g.transpose(&y, &[0, 2, 3, 1, 4]);
                g.reshape(&y, &[batch, channels, rows * STRIDE, frames])
            }
            Branch::Time => {
                let y = g.transpose(&y, &[0, 2, 3, 4, 1]);
                g.reshape(&y, &[batch, channels, rows, frames * STRIDE])
            }
        }
    }

    /// Unfolds one row to eight, without a cut: every tap of the transposed convolution becomes a
    /// row of its own.
    fn unfold(&self, g: &mut Graph, x: &Value, weight: &Array, bias: &Array) -> Value {
        let channels = bias.shape()[0];
        let shape = [channels * KERNEL, x.size(1), 1, 1];
        let kernel = g.weight_from(&shape, || {
            Array::from_fn(&shape, |i| weight.at(&[i[1], i[0] / KERNEL, i[0] % KERNEL]))
        });
        let bias = Array::from_fn(&[channels * KERNEL], |i| bias.data()[i[0] / KERNEL]);
        let bias = g.weight(&bias);
        let y = g.conv(x, &kernel, &bias, Window::PLAIN);
        g.reshape(&y, &[x.size(0), channels, KERNEL, x.size(3)])
    }
}
