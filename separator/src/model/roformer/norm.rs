//! Norms (`RMSNorm`): a vector is divided by the root of the mean of its squares, and multiplied by
//! a gain. The gain is part of the weights of the product that follows, where one follows.

use crate::model::onnx::{Graph, Value};
use crate::model::weights::Array;

/// Smallest length by which a vector is divided (`torch.nn.functional.normalize`).
const SHORTEST: f32 = 1e-12;

/// Adds the norm of `x` over its last axis, without a gain, in float32.
pub(super) fn normalise(g: &mut Graph, x: &Value) -> Value {
    let x = g.cast_to_f32(x);
    let last = x.shape().len() - 1;
    let squares = g.mul(&x, &x);
    let mean = g.mean(&squares, &[last]);
    let root = g.sqrt(&mean);

    let shortest = SHORTEST / (x.size(last) as f32).sqrt();
    let shortest = g.scalar(shortest, &root);
    let root = g.max(&root, &shortest);
    let factor = g.reciprocal(&root);
    g.mul(&x, &factor)
}

/// Multiplies column i of `weight` [outputs, inputs] by `gain` i.
pub(super) fn fold(weight: &Array, gain: &Array) -> Array {
    let width = weight.shape()[1];
    let rows = weight.data().chunks_exact(width);
    let scaled = rows.flat_map(|row| row.iter().zip(gain.data()).map(|(w, g)| w * g));
    Array::new(weight.shape(), scaled.collect())
}
