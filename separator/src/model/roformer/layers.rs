//! Transformers along time and along the bands (`Transformer`, `Attention`, `FeedForward`).

use super::config::{Config, Kind};
use super::norm::{fold, normalise};
use super::tensors;
use crate::model::error::ModelError;
use crate::model::onnx::{Graph, Value};
use crate::model::weights::{Array, Weights};

/// Adds the transformer at `depth` along time (`axis` 0) or the bands (1) to tokens [B, others,
/// positions, dim], in which every row of positions is a sequence of its own.
pub(super) fn transformer(
    g: &mut Graph,
    w: &mut Weights,
    config: &Config,
    depth: usize,
    axis: usize,
    mut x: Value,
) -> Result<Value, ModelError> {
    for index in 0..config.layers[axis] {
        let name = tensors::layer(depth, axis, index);
        let attended = attention(g, w, config, &format!("{name}.0"), &x)?;
        x = g.add(&x, &attended);
        let fed = feed_forward(g, w, config, &format!("{name}.1"), &x)?;
        x = g.add(&x, &fed);
    }

    if config.kind == Kind::BandSplit {
        return Ok(x);
    }
    let gain = w.take(&format!("layers.{depth}.{axis}.norm.gamma"), &[config.dim])?;
    let gain = g.constant_f32(&gain);
    let x = normalise(g, &x);
    Ok(g.mul(&x, &gain))
}

/// Adds a product with `weight` [outputs, inputs] over the last axis, and `bias` if there is one.
fn linear(g: &mut Graph, x: &Value, weight: &Array, bias: Option<&Array>) -> Value {
    let weight = g.weight(&weight.transposed());
    let y = g.matmul(x, &weight);
    match bias {
        None => y,
        Some(bias) => {
            let bias = g.weight(bias);
            g.add(&y, &bias)
        }
    }
}

/// Adds what attention adds to tokens [B, others, positions, dim].
fn attention(
    g: &mut Graph,
    w: &mut Weights,
    config: &Config,
    name: &str,
    x: &Value,
) -> Result<Value, ModelError> {
    let (dim, heads, head) = (config.dim, config.heads, config.head);
    let inner = heads * head;
    let mut take = |part: &str, shape: &[usize]| w.take(&format!("{name}.{part}"), shape);
    let gain = take("norm.gamma", &[dim])?;
    let turns = turns(&take("rotary_embed.freqs", &[head / 2])?, x.size(2));
    let projection = take("to_qkv.weight", &[3 * inner, dim])?;
    let gates = take("to_gates.weight", &[heads, dim])?;
    let gates_bias = take("to_gates.bias", &[heads])?;
    let out = take("to_out.0.weight", &[dim, inner])?;

    let x = normalise(g, x);
    let x = g.cast_to_compute_type(&x);
    let [query, key, value] = {
        let projection = fold(&in_halves(projection, config), &gain);
        let projected = linear(g, &x, &projection, None);
        [0, 1, 2].map(|part| {
            let part = g.slice(&projected, 3, part * inner, (part + 1) * inner);
            by_heads(g, &part, heads)
        })
    };

    // The attention itself, [B, others, heads, positions, head].
    let turns = turns.map(|turns| g.weight(&turns));
    let query = rotate(g, &query, &turns);
    let key = rotate(g, &key, &turns);
    let key = g.transpose(&key, &[0, 1, 2, 4, 3]);
    let scores = g.matmul(&query, &key);
    let scores = g.softmax(&scores);
    let y = g.matmul(&scores, &value);

    let gates = linear(g, &x, &fold(&gates, &gain), Some(&gates_bias));
    let gates = g.sigmoid(&gates);
    let gates = by_heads(g, &gates, heads);
    let y = g.mul(&y, &gates);

    let shape = [x.size(0), x.size(1), x.size(2), inner];
    let y = g.transpose(&y, &[0, 1, 3, 2, 4]);
    let y = g.reshape(&y, &shape);
    let y = linear(g, &y, &out, None);
    Ok(g.cast_to_f32(&y))
}

/// Converts [B, others, positions, heads x n] to [B, others, heads, positions, n].
fn by_heads(g: &mut Graph, x: &Value, heads: usize) -> Value {
    let [batch, others, positions, all] = [0, 1, 2, 3].map(|axis| x.size(axis));
    let x = g.reshape(x, &[batch, others, positions, heads, all / heads]);
    g.transpose(&x, &[0, 1, 3, 2, 4])
}

/// Orders the rows of queries and keys so that of every head the first of each pair that is turned
/// together comes in the first half, and scales the queries by 1 / sqrt(head). Products of queries
/// with keys do not depend on the order.
fn in_halves(projection: Array, config: &Config) -> Array {
    let (head, inner) = (config.head, config.heads * config.head);
    let width = projection.shape()[1];
    let scale = (head as f64).sqrt().recip() as f32;

    let row = |row: usize| {
        let (start, place) = (row / head * head, row % head);
        let pair = place % (head / 2) * 2 + place / (head / 2);
        let from = if row < 2 * inner { start + pair } else { row };
        let factor = if row < inner { scale } else { 1.0 };
        let values = &projection.data()[from * width..(from + 1) * width];
        values.iter().map(move |value| value * factor)
    };
    let data = (0..3 * inner).flat_map(row).collect();
    Array::new(projection.shape(), data)
}

/// Returns cosines and sines by which positions are turned (rotary embeddings, Su et al. 2021,
/// `rotary_embedding_torch`), [positions, head] each: the sines with the signs of both halves.
fn turns(frequencies: &Array, positions: usize) -> [Array; 2] {
    let half = frequencies.shape()[0];
    let angle = |i: &[usize]| i[0] as f64 * f64::from(frequencies.data()[i[1] % half]);
    let shape = [positions, 2 * half];
    let cosines = Array::from_fn(&shape, |i| angle(i).cos() as f32);
    let sines = Array::from_fn(&shape, |i| {
        let sign = if i[1] < half { -1.0 } else { 1.0 };
        (sign * angle(i).sin()) as f32
    });
    [cosines, sines]
}

/// Turns every pair of [B, others, heads, positions, head] by its position's angle.
fn rotate(g: &mut Graph, x: &Value, [cosines, sines]: &[Value; 2]) -> Value {
    let head = x.size(4);
    let [first, second] = [0, 1].map(|half| g.slice(x, 4, half * head / 2, (half + 1) * head / 2));
    let swapped = g.concat(&[&second, &first], 4);
    let (x, swapped) = (g.mul(x, cosines), g.mul(&swapped, sines));
    g.add(&x, &swapped)
}

/// Adds what the feed-forward part adds to tokens.
fn feed_forward(
    g: &mut Graph,
    w: &mut Weights,
    config: &Config,
    name: &str,
    x: &Value,
) -> Result<Value, ModelError> {
    let (dim, hidden) = (config.dim, 4 * config.dim);
    let mut take = |part: &str, shape: &[usize]| w.take(&format!("{name}.net.{part}"), shape);
    let gain = take("0.gamma", &[dim])?;
    let first = (
        take("1.weight", &[hidden, dim])?,
        take("1.bias", &[hidden])?,
    );
    let second = (take("4.weight", &[dim, hidden])?, take("4.bias", &[dim])?);

    let x = normalise(g, x);
    let x = g.cast_to_compute_type(&x);
    let y = linear(g, &x, &fold(&first.0, &gain), Some(&first.1));
    let y = g.gelu(&y);
    let y = linear(g, &y, &second.0, Some(&second.1));
    Ok(g.cast_to_f32(&y))
}
