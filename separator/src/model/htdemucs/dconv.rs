//! The residual branch of every layer (`demucs.demucs.DConv`), written so that its wide tensor is touched as little as can be.
//!
//! A layer is conv1 (C -> H, kernel 3, dilated) -> GroupNorm(1) -> GELU -> conv2 (1x1, H -> 2C) -> GroupNorm(1) -> GLU ->
//! LayerScale, added to its input. The second norm takes mean and variance over all of 2C x T, which would mean to write the
//! widest tensor of the layer and read it twice more. But y = W h + b, so both follow from the moments of the narrow h:
//!
//! mean(y) = a . mu + mean(b) and E\[y^2\] = <G, M> + 2 v . mu + mean(b^2), with mu = E\[h\] and M = E\[h h'\] over time, and
//! a = mean of w_c, G = mean of w_c w_c', v = mean of b_c w_c over the 2C rows of W.
//!
//! The normalised y = gain (W h + b - mean) / deviation + shift is then one 1x1 convolution of h / deviation, with two more
//! input channels, 1 / deviation and mean / deviation, that carry what changes from row to row.
//!
//! In the frequency branch the reference folds frequencies into the batch; here the layers run on [B, C, F, T] as they are,
//! with statistics for each frequency.

use super::norm::{affine, inverse_deviation, whiten};
use crate::model::config::Config;
use crate::model::error::ModelError;
use crate::model::onnx::{Graph, Value, Window};
use crate::model::weights::{Array, Weights};

/// All layers of the branch called `name` on `x` [B, C, F, T].
pub(super) fn dconv(g: &mut Graph, w: &mut Weights, config: &Config, name: &str, x: Value) -> Result<Value, ModelError> {
    (0..config.dconv_depth).try_fold(x, |x, depth| {
        let dilation = if config.dconv_dilates { 1 << depth } else { 1 };
        let layer = Layer::take(w, config, &format!("{name}.layers.{depth}"), x.size(1))?;
        let h = layer.narrow(g, w, &x, dilation)?;
        Ok(layer.widen(g, &x, &h))
    })
}

/// The parameters of one layer.
struct Layer {
    name: String,
    conv1: (Array, Array),
    /// [2C, H] and [2C].
    conv2: (Array, Array),
    /// Gain and shift of the second norm, each [2C].
    norm2: (Array, Array),
    /// LayerScale, [C].
    scale: Array,
}

impl Layer {
    fn take(w: &mut Weights, config: &Config, name: &str, channels: usize) -> Result<Self, ModelError> {
        let hidden = config.dconv_hidden(channels);
        let mut take = |part: &str, shape: &[usize]| w.take(&format!("{name}.{part}"), shape);
        let conv1 = take("0.weight", &[hidden, channels, 3])?.reshape(&[hidden, channels, 1, 3]);
        let conv2 = take("3.weight", &[2 * channels, hidden, 1])?.reshape(&[2 * channels, hidden]);
        Ok(Self {
            conv1: (conv1, take("0.bias", &[hidden])?),
            conv2: (conv2, take("3.bias", &[2 * channels])?),
            norm2: (take("4.weight", &[2 * channels])?, take("4.bias", &[2 * channels])?),
            scale: take("6.scale", &[channels])?,
            name: name.to_owned(),
        })
    }

    /// conv1, its norm and GELU: [B, H, F, T].
    fn narrow(&self, g: &mut Graph, w: &mut Weights, x: &Value, dilation: usize) -> Result<Value, ModelError> {
        let (weight, bias) = (g.weight(&self.conv1.0), g.weight(&self.conv1.1));
        let window = Window { pads: [[0, 0], [dilation, dilation]], dilations: [1, dilation], ..Window::PLAIN };
        let h = g.conv(x, &weight, &bias, window);
        let h = whiten(g, &h, &[1, 3]);
        let h = affine(g, w, &format!("{}.1", self.name), &h)?;
        Ok(g.gelu(&h))
    }

    /// conv2 with its norm folded in, GLU, LayerScale and the sum with `x`.
    fn widen(&self, g: &mut Graph, x: &Value, h: &Value) -> Value {
        let (mean, inverse) = self.statistics(g, h);
        let row = [h.size(0), 1, h.size(2), h.size(3)];
        let one = g.scalar(1.0, &mean);
        let one = g.expand(&one, &row);
        let mean = g.expand(&mean, &row);
        let (one, mean, inverse) = (g.to_trunk(&one), g.to_trunk(&mean), g.to_trunk(&inverse));
        let h = g.concat(&[h, &one, &mean], 1);
        let h = g.mul(&h, &inverse);
        let half = self.scale.shape()[0];
        let value = self.half(g, &h, 0..half, self.scale.data());
        let gate = self.half(g, &h, half..2 * half, &vec![1.0; half]);
        let gate = g.sigmoid(&gate);
        let y = g.mul(&value, &gate);
        g.add(&y, x)
    }

    /// Mean and one over the deviation of conv2's output for each frequency: both [B, 1, F, 1], float32.
    fn statistics(&self, g: &mut Graph, h: &Value) -> (Value, Value) {
        let (batch, hidden, rows, frames) = (h.size(0), h.size(1), h.size(2), h.size(3));
        let sums = self.row_sums();
        let by_row = g.transpose(h, &[0, 2, 1, 3]);
        let by_row = g.to_f32(&by_row);
        let mu = g.mean(&by_row, &[3]);
        let over_frames = g.scalar(1.0 / frames as f32, &by_row);
        let scaled = g.mul(&by_row, &over_frames);
        let turned = g.transpose(&scaled, &[0, 1, 3, 2]);
        let moments = g.matmul(&by_row, &turned);
        let moments = g.reshape(&moments, &[batch * rows, hidden * hidden]);
        let mu = g.reshape(&mu, &[batch * rows, hidden]);
        let column = |g: &mut Graph, x: &Value, weights: &[f32]| {
            let weights = g.exact(&Array::new(&[weights.len(), 1], weights.to_vec()));
            g.matmul(x, &weights)
        };
        let mean = column(g, &mu, &sums.weight);
        let bias = g.scalar(sums.bias, &mean);
        let mean = g.add(&mean, &bias);
        let square = column(g, &moments, &sums.products);
        let cross = column(g, &mu, &sums.cross);
        let square = g.add(&square, &cross);
        let bias = g.scalar(sums.bias_square, &square);
        let square = g.add(&square, &bias);
        let mean_square = g.mul(&mean, &mean);
        let variance = g.sub(&square, &mean_square);
        let zero = g.scalar(0.0, &variance);
        let variance = g.max(&variance, &zero);
        let inverse = inverse_deviation(g, &variance);
        (g.reshape(&mean, &[batch, 1, rows, 1]), g.reshape(&inverse, &[batch, 1, rows, 1]))
    }

    /// Means over the 2C rows of conv2, in float64.
    fn row_sums(&self) -> RowSums {
        let (weight, bias) = (&self.conv2.0, self.conv2.1.data());
        let (rows, hidden) = (weight.shape()[0], weight.shape()[1]);
        let w = |row: usize, h: usize| f64::from(weight.at(&[row, h]));
        let b = |row: usize| f64::from(bias[row]);
        let mean = |value: &dyn Fn(usize) -> f64| ((0..rows).map(value).sum::<f64>() / rows as f64) as f32;
        let products = (0..hidden * hidden).map(|i| mean(&|row| w(row, i / hidden) * w(row, i % hidden)));
        RowSums {
            weight: (0..hidden).map(|h| mean(&|row| w(row, h))).collect(),
            products: products.collect(),
            cross: (0..hidden).map(|h| 2.0 * mean(&|row| b(row) * w(row, h))).collect(),
            bias: mean(&b),
            bias_square: mean(&|row| b(row) * b(row)),
        }
    }

    /// Channels `range` of the normalised output of conv2, each times its factor, from [h, 1, mean] / deviation.
    fn half(&self, g: &mut Graph, h: &Value, range: std::ops::Range<usize>, factors: &[f32]) -> Value {
        let hidden = h.size(1) - 2;
        let (gain, shift) = (self.norm2.0.data(), self.norm2.1.data());
        let start = range.start;
        let weight = Array::from_fn(&[range.len(), hidden + 2, 1, 1], |i| {
            let row = start + i[0];
            let part = match i[1].checked_sub(hidden) {
                None => self.conv2.0.at(&[row, i[1]]),
                Some(0) => self.conv2.1.data()[row],
                Some(_) => -1.0,
            };
            factors[i[0]] * gain[row] * part
        });
        let shift = Array::from_fn(&[range.len()], |i| factors[i[0]] * shift[start + i[0]]);
        let (weight, shift) = (g.weight(&weight), g.weight(&shift));
        g.conv(h, &weight, &shift, Window::PLAIN)
    }
}

/// Means over the rows of conv2: of its weights (a), of their products (G), of twice bias times weight (2v), of the bias
/// and of its square.
struct RowSums {
    weight: Vec<f32>,
    products: Vec<f32>,
    cross: Vec<f32>,
    bias: f32,
    bias_square: f32,
}
