//! Residual branch of every layer (`demucs.demucs.DConv`), written so that its widest tensor is
//! read and written as rarely as possible.
//!
//! A layer is conv1 (C -> H, kernel 3, dilated) -> GroupNorm(1) -> GELU -> conv2 (1x1, H -> 2C) ->
//! GroupNorm(1) -> GLU -> LayerScale, added to its input. The second norm takes mean and variance
//! over all of 2C x T. Computed directly, it would write the widest tensor of the layer and read it
//! twice more. But y = W h + b, so both follow from the moments of h, the bottleneck:
//!
//! mean(y) = a . mu + mean(b) and var(y) = <G, K> + mu' S mu + 2 s . mu + v, with mu and K the mean
//! and the covariance of h over time, and over the 2C rows of W and b: a the mean of w_c, G the
//! mean of w_c w_c', S the covariance of w_c, s that of w_c and b_c, v the variance of b_c. Every
//! term is a variance: nothing cancels, as it would in E\[y^2\] - mean(y)^2.
//!
//! The normalised y = gain (W h + b - mean) / deviation + shift is then one 1x1 convolution of h /
//! deviation, with two more input channels, 1 / deviation and mean / deviation, for the values that
//! change from row to row.
//!
//! In the frequency branch the reference folds frequencies into the batch. Here the layers run on
//! [B, C, F, T] directly, with statistics for each frequency.

use std::cell::LazyCell;

use super::norm::{affine, inverse_deviation, normalise};
use crate::model::config::Config;
use crate::model::error::ModelError;
use crate::model::onnx::{Graph, Value, Window};
use crate::model::weights::{Array, Weights};

/// Adds all layers of the branch called `name` to `x` [B, C, F, T].
pub(super) fn dconv(
    g: &mut Graph,
    w: &mut Weights,
    config: &Config,
    name: &str,
    x: Value,
) -> Result<Value, ModelError> {
    (0..config.dconv_depth).try_fold(x, |x, depth| {
        let dilation = if config.dconv_dilates { 1 << depth } else { 1 };
        let layer = Layer::take(w, config, &format!("{name}.layers.{depth}"), x.size(1))?;
        let h = layer.squeeze(g, w, &x, dilation)?;
        Ok(layer.expand(g, &x, &h))
    })
}

/// Parameters of one layer.
struct Layer {
    name: String,
    conv1: (Array, Array),
    /// Weight and bias of conv2, [2C, H] and [2C].
    conv2: (Array, Array),
    /// Gain and shift of the second norm, each [2C].
    norm2: (Array, Array),
    /// LayerScale, [C].
    scale: Array,
}

impl Layer {
    fn take(
        w: &mut Weights,
        config: &Config,
        name: &str,
        channels: usize,
    ) -> Result<Self, ModelError> {
        let hidden = config.dconv_hidden(channels);
        let mut take = |part: &str, shape: &[usize]| w.take(&format!("{name}.{part}"), shape);
        let conv1 = take("0.weight", &[hidden, channels, 3])?.reshape(&[hidden, channels, 1, 3]);

        let conv2 = take("3.weight", &[2 * channels, hidden, 1])?.reshape(&[2 * channels, hidden]);
        Ok(Self {
            conv1: (conv1, take("0.bias", &[hidden])?),
            conv2: (conv2, take("3.bias", &[2 * channels])?),
            norm2: (
                take("4.weight", &[2 * channels])?,
                take("4.bias", &[2 * channels])?,
            ),
            scale: take("6.scale", &[channels])?,
            name: name.to_owned(),
        })
    }

    /// Adds the convolution into the bottleneck: conv1, its norm and GELU, [B, H, F, T].
    fn squeeze(
        &self,
        g: &mut Graph,
        w: &mut Weights,
        x: &Value,
        dilation: usize,
    ) -> Result<Value, ModelError> {
        let h = self.conv1(g, x, dilation);
        let h = normalise(g, &h, &[1, 3]);
        let h = affine(g, w, &format!("{}.1", self.name), &h)?;
        Ok(g.gelu(&h))
    }

    fn conv1(&self, g: &mut Graph, x: &Value, dilation: usize) -> Value {
        let (weight, bias) = (g.weight(&self.conv1.0), g.weight(&self.conv1.1));
        let window = Window {
            pads: [[0, 0], [dilation, dilation]],
            dilations: [1, dilation],
            ..Window::PLAIN
        };
        g.conv(x, &weight, &bias, window)
    }

    /// Adds the convolution out of the bottleneck: conv2 with its norm folded in, GLU, LayerScale
    /// and the sum with `x`.
    fn expand(&self, g: &mut Graph, x: &Value, h: &Value) -> Value {
        let (mean, inverse) = self.statistics(g, h);
        let row = [h.size(0), 1, h.size(2), h.size(3)];
        let one = g.scalar(1.0, &mean);
        let one = g.expand(&one, &row);

        let mean = g.expand(&mean, &row);
        let (one, mean, inverse) = (
            g.cast_to_compute_type(&one),
            g.cast_to_compute_type(&mean),
            g.cast_to_compute_type(&inverse),
        );

        let h = g.concat(&[h, &one, &mean], 1);
        let h = g.mul(&h, &inverse);
        let half = self.scale.shape()[0];
        let value = self.half(g, &h, 0..half, self.scale.data());

        let gate = self.half(g, &h, half..2 * half, &vec![1.0; half]);
        let gate = g.sigmoid(&gate);

        let y = g.mul(&value, &gate);
        g.add(&y, x)
    }

    /// Computes the mean and the reciprocal of the deviation of conv2's output for each frequency:
    /// both [B, 1, F, 1], float32.
    fn statistics(&self, g: &mut Graph, h: &Value) -> (Value, Value) {
        let (batch, hidden, rows, frames) = (h.size(0), h.size(1), h.size(2), h.size(3));
        let over_rows = LazyCell::new(|| OverRows::of(&self.conv2.0, self.conv2.1.data()));

        // Mean and covariance of h over time.
        let by_row = g.transpose(h, &[0, 2, 1, 3]);
        let by_row = g.cast_to_f32(&by_row);

        let mu = g.mean(&by_row, &[3]);
        let centred = g.sub(&by_row, &mu);
        let over_frames = g.scalar(1.0 / frames as f32, &centred);
        let scaled = g.mul(&centred, &over_frames);

        let transposed = g.transpose(&scaled, &[0, 1, 3, 2]);
        let covariance = g.matmul(&centred, &transposed);
        let covariance = g.reshape(&covariance, &[batch * rows, hidden * hidden]);
        let mu = g.reshape(&mu, &[batch * rows, hidden]);

        let product = |g: &mut Graph, x: &Value, columns: usize, weights: &dyn Fn() -> Vec<f32>| {
            let shape = [x.size(1), columns];
            let weights = g.constant_from(&shape, || Array::new(&shape, weights()));
            g.matmul(x, &weights)
        };

        // Mean of the output.
        let mean = product(g, &mu, 1, &|| over_rows.mean_weight.clone());
        let bias = g.scalar_from(|| over_rows.mean_bias, &mean);
        let mean = g.add(&mean, &bias);

        // Mean variance within the rows.
        let within = product(g, &covariance, 1, &|| over_rows.products.clone());

        // Spread of the rows' own means: mu' S mu + 2 s . mu + v.
        let spread = product(g, &mu, hidden, &|| over_rows.weight_covariance.clone());
        let cross = g.constant_from(&[1, hidden], || {
            Array::new(&[1, hidden], over_rows.cross.clone())
        });
        let spread = g.add(&spread, &cross);
        let spread = g.mul(&spread, &mu);

        let between = product(g, &spread, 1, &|| vec![1.0; hidden]);
        let bias = g.scalar_from(|| over_rows.bias_variance, &between);
        let between = g.add(&between, &bias);

        // Variance of the output, never below 0.
        let variance = g.add(&within, &between);
        let zero = g.scalar(0.0, &variance);
        let variance = g.max(&variance, &zero);

        let inverse = inverse_deviation(g, &variance);
        (
            g.reshape(&mean, &[batch, 1, rows, 1]),
            g.reshape(&inverse, &[batch, 1, rows, 1]),
        )
    }

    /// Computes the channels `range` of the normalised output of conv2, each times its factor, from
    /// [h, 1, mean] / deviation.
    fn half(
        &self,
        g: &mut Graph,
        h: &Value,
        range: std::ops::Range<usize>,
        factors: &[f32],
    ) -> Value {
        let hidden = h.size(1) - 2;
        let (gain, shift) = (self.norm2.0.data(), self.norm2.1.data());

        let start = range.start;
        let element = |i: &[usize]| {
            let row = start + i[0];
            let part = match i[1].checked_sub(hidden) {
                None => self.conv2.0.at(&[row, i[1]]),
                Some(0) => self.conv2.1.data()[row],
                Some(_) => -1.0,
            };
            factors[i[0]] * gain[row] * part
        };
        let shape = [range.len(), hidden + 2, 1, 1];
        let weight = g.weight_from(&shape, || Array::from_fn(&shape, element));

        let shift = Array::from_fn(&[range.len()], |i| factors[i[0]] * shift[start + i[0]]);
        let shift = g.weight(&shift);
        g.conv(h, &weight, &shift, Window::PLAIN)
    }
}

/// Moments over the 2C rows of conv2, computed in float64.
pub(crate) struct OverRows {
    /// Mean of the weights, [H]: `a`.
    pub(crate) mean_weight: Vec<f32>,
    pub(crate) mean_bias: f32,
    /// Mean of the products of weights, [H, H]: `G`.
    pub(crate) products: Vec<f32>,
    /// Covariance of the weights, [H, H]: `S`.
    pub(crate) weight_covariance: Vec<f32>,
    /// Twice the covariance of weights and bias, [H]: `2 s`.
    pub(crate) cross: Vec<f32>,
    /// Variance of the bias: `v`.
    pub(crate) bias_variance: f32,
}

impl OverRows {
    pub(crate) fn of(weight: &Array, bias: &[f32]) -> Self {
        let (rows, hidden) = (weight.shape()[0], weight.shape()[1]);
        let w = |row: usize, h: usize| f64::from(weight.at(&[row, h]));
        let b = |row: usize| f64::from(bias[row]);
        let mean = |value: &dyn Fn(usize) -> f64| (0..rows).map(value).sum::<f64>() / rows as f64;
        let mean_weight: Vec<f64> = (0..hidden).map(|h| mean(&|row| w(row, h))).collect();

        let mean_bias = mean(&b);
        let products: Vec<f64> = (0..hidden * hidden)
            .map(|i| mean(&|row| w(row, i / hidden) * w(row, i % hidden)))
            .collect();
        let covariance = |i: usize| products[i] - mean_weight[i / hidden] * mean_weight[i % hidden];
        let cross =
            |h: usize| 2.0 * mean(&|row| (w(row, h) - mean_weight[h]) * (b(row) - mean_bias));

        Self {
            weight_covariance: (0..hidden * hidden).map(|i| covariance(i) as f32).collect(),
            cross: (0..hidden).map(|h| cross(h) as f32).collect(),
            bias_variance: mean(&|row| (b(row) - mean_bias).powi(2)) as f32,
            mean_weight: mean_weight.iter().map(|&x| x as f32).collect(),
            mean_bias: mean_bias as f32,
            products: products.iter().map(|&x| x as f32).collect(),
        }
    }
}
