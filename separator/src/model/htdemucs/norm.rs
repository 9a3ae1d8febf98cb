//! Means, deviations and the norms built on them. Statistics are computed in float32, whatever the
//! precision of the rest of the graph.

use crate::model::config::Config;
use crate::model::error::ModelError;
use crate::model::onnx::{Graph, Value};
use crate::model::weights::{Array, Weights};

/// Constant that PyTorch's norms add to a variance, and HTDemucs to the deviation of its input.
pub(super) const EPSILON: f32 = 1e-5;

/// Standardised value `x`, with the mean and the deviation of its input over all axes but the first
/// (`HTDemucs.forward`). The deviation is unbiased, and `x` is divided by the deviation plus 1e-5.
pub(super) struct Standardised {
    pub(super) x: Value,
    pub(super) mean: Value,
    pub(super) deviation: Value,
}

/// Standardises `x` [B, ...].
pub(super) fn standardise(g: &mut Graph, x: &Value) -> Standardised {
    let axes: Vec<usize> = (1..x.shape().len()).collect();
    let count: usize = x.shape()[1..].iter().product();
    let mean = g.mean(x, &axes);
    let centred = g.sub(x, &mean);

    let square = g.mul(&centred, &centred);
    let variance = g.mean(&square, &axes);
    let unbiased = g.scalar((count as f64 / (count - 1) as f64) as f32, &variance);
    let variance = g.mul(&variance, &unbiased);

    let deviation = g.sqrt(&variance);
    let epsilon = g.scalar(EPSILON, &deviation);
    let divisor = g.add(&deviation, &epsilon);
    let factor = g.reciprocal(&divisor);

    let x = g.mul(&centred, &factor);
    Standardised { x, mean, deviation }
}

/// Normalises `x` to mean 0 and variance 1 over `axes` (biased, eps 1e-5), before gain and shift.
pub(super) fn normalise(g: &mut Graph, x: &Value, axes: &[usize]) -> Value {
    let x = g.cast_to_f32(x);
    let mean = g.mean(&x, axes);
    let centred = g.sub(&x, &mean);
    let square = g.mul(&centred, &centred);
    let variance = g.mean(&square, axes);
    let factor = inverse_deviation(g, &variance);
    let x = g.mul(&centred, &factor);
    g.cast_to_compute_type(&x)
}

/// Computes 1 / sqrt(variance + eps).
pub(super) fn inverse_deviation(g: &mut Graph, variance: &Value) -> Value {
    let epsilon = g.scalar(EPSILON, variance);
    let variance = g.add(variance, &epsilon);
    let deviation = g.sqrt(&variance);
    g.reciprocal(&deviation)
}

/// Applies a gain and a shift for each channel, `name.weight` and `name.bias`, on axis 1 of `x` [B,
/// C, F, T].
pub(super) fn affine(
    g: &mut Graph,
    w: &mut Weights,
    name: &str,
    x: &Value,
) -> Result<Value, ModelError> {
    let channels = x.size(1);
    let mut parameter = |g: &mut Graph, part: &str| -> Result<Value, ModelError> {
        let array: Array = w.take(&format!("{name}.{part}"), &[channels])?;
        Ok(g.weight(&array.reshape(&[1, channels, 1, 1])))
    };
    let gain = parameter(g, "weight")?;
    let x = g.mul(x, &gain);
    let shift = parameter(g, "bias")?;
    Ok(g.add(&x, &shift))
}

/// Applies the `torch.nn.GroupNorm` called `name` to `x` [B, C, F, T] if layer `index` has one.
/// Returns `x` unchanged otherwise.
pub(super) fn group_norm(
    g: &mut Graph,
    w: &mut Weights,
    config: &Config,
    index: usize,
    name: &str,
    x: Value,
) -> Result<Value, ModelError> {
    if index < config.norm_starts {
        return Ok(x);
    }

    let shape = x.shape().to_vec();
    let groups = config.norm_groups;
    let rows = g.reshape(
        &x,
        &[
            shape[0],
            groups,
            shape[1..].iter().product::<usize>() / groups,
        ],
    );

    let normalised = normalise(g, &rows, &[2]);
    let normalised = g.reshape(&normalised, &shape);
    affine(g, w, name, &normalised)
}
