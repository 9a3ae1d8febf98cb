//! Transformer between encoder and decoder (`demucs.transformer.CrossTransformerEncoder`): one
//! stack of layers for each branch, whose layers attend to the branch itself and to the other
//! branch in turn.

use super::norm::{EPSILON, normalise};
use crate::model::config::Config;
use crate::model::error::ModelError;
use crate::model::onnx::{Graph, Value};
use crate::model::weights::{Array, Weights};

/// Adds the transformer for both branches: frequency [B, C, F, T] and time [B, C, 1, T'].
pub(super) fn transformer(
    g: &mut Graph,
    w: &mut Weights,
    config: &Config,
    x: &Value,
    xt: &Value,
) -> Result<(Value, Value), ModelError> {
    let t = &config.transformer;
    let name = "crosstransformer";
    let (rows, frames) = (x.size(2), x.size(3));
    let mut tokens = to_tokens(g, x);
    let mut tokens_t = to_tokens(g, xt);

    let width = tokens.size(2);
    if t.norm_in {
        tokens = layer_norm(g, w, &format!("{name}.norm_in"), &tokens)?;
        tokens_t = layer_norm(g, w, &format!("{name}.norm_in_t"), &tokens_t)?;
    }

    // Check the width before the tables are made: they are as wide as these matrices, so a wide
    // table needs weights to match.
    let first = if t.cross_first {
        "cross_attn"
    } else {
        "self_attn"
    };

    w.expect(
        &format!("{name}.layers.0.{first}.in_proj_weight"),
        &[3 * width, width],
    )?;
    let position = g.weight_from(&[1, frames * rows, width], || {
        position_2d(width, rows, frames, t.max_period).scale(t.weight_pos_embed)
    });
    tokens = g.add(&tokens, &position);
    let frames_t = xt.size(3);
    let position = g.weight_from(&[1, frames_t, width], || {
        position_1d(width, frames_t, t.max_period).scale(t.weight_pos_embed)
    });

    tokens_t = g.add(&tokens_t, &position);
    for index in 0..t.layers {
        let layer = |stack: &str| Layer {
            config,
            name: format!("{name}.{stack}.{index}"),
        };
        (tokens, tokens_t) = if index % 2 == usize::from(t.cross_first) {
            (
                layer("layers").attend_self(g, w, &tokens)?,
                layer("layers_t").attend_self(g, w, &tokens_t)?,
            )
        } else {
            let crossed = layer("layers").attend_cross(g, w, &tokens, &tokens_t)?;
            (
                crossed,
                layer("layers_t").attend_cross(g, w, &tokens_t, &tokens)?,
            )
        };
    }

    Ok((from_tokens(g, &tokens, rows), from_tokens(g, &tokens_t, 1)))
}

/// Converts [B, C, F, T] to [B, T F, C]: time first, then frequency.
fn to_tokens(g: &mut Graph, x: &Value) -> Value {
    let shape = [x.size(0), x.size(3) * x.size(2), x.size(1)];
    let x = g.transpose(x, &[0, 3, 2, 1]);
    g.reshape(&x, &shape)
}

/// Converts [B, T F, C] to [B, C, F, T].
fn from_tokens(g: &mut Graph, x: &Value, rows: usize) -> Value {
    let x = g.reshape(x, &[x.size(0), x.size(1) / rows, rows, x.size(2)]);
    g.transpose(&x, &[0, 3, 2, 1])
}

/// Returns the sine embedding of time for the time branch, [1, T, C] (`create_sin_embedding`):
/// cosines, then sines.
pub(in crate::model) fn position_1d(width: usize, frames: usize, max_period: f64) -> Array {
    let half = width / 2;
    let periods: Vec<f64> = (0..half)
        .map(|n| max_period.powf(n as f64 / (half as f64 - 1.0)))
        .collect();
    Array::from_fn(&[1, frames, width], |i| {
        let phase = i[1] as f64 / periods[i[2] % half];
        (if i[2] < half {
            phase.cos()
        } else {
            phase.sin()
        }) as f32
    })
}

/// Returns the sine embedding of time and frequency, [1, T F, C] (`create_2d_sin_embedding`): the
/// first half of the channels for time, the second for frequency, each with sines and cosines in
/// turn.
pub(in crate::model) fn position_2d(
    width: usize,
    rows: usize,
    frames: usize,
    max_period: f64,
) -> Array {
    let half = width / 2;
    let rate = |channel: usize| (-((channel & !1) as f64) * max_period.ln() / half as f64).exp();

    let rates: Vec<f64> = (0..half).map(rate).collect();
    Array::from_fn(&[1, frames * rows, width], |i| {
        let position = if i[2] < half {
            i[1] / rows
        } else {
            i[1] % rows
        };

        let channel = i[2] % half;
        let phase = position as f64 * rates[channel];
        (if channel.is_multiple_of(2) {
            phase.sin()
        } else {
            phase.cos()
        }) as f32
    })
}

fn layer_norm(g: &mut Graph, w: &mut Weights, name: &str, x: &Value) -> Result<Value, ModelError> {
    let width = x.size(2);
    let mut take = |part: &str| w.take(&format!("{name}.{part}"), &[width]);
    let (gain, shift) = (take("weight")?, take("bias")?);
    let (gain, shift) = (g.weight(&gain), g.weight(&shift));
    Ok(g.layer_norm(x, &gain, &shift, EPSILON))
}

/// Layer of one branch.
struct Layer<'a> {
    config: &'a Config,
    name: String,
}

impl Layer<'_> {
    /// Adds a `MyTransformerEncoderLayer` with the norm first.
    fn attend_self(&self, g: &mut Graph, w: &mut Weights, x: &Value) -> Result<Value, ModelError> {
        let normed = self.norm(g, w, "norm1", x)?;
        let attended = self.attention(g, w, "self_attn", &normed, &normed)?;
        let x = g.add(x, &attended);
        self.feed_forward(g, w, "norm2", &x)
    }

    /// Adds a `CrossTransformerEncoderLayer` with the norm first: queries from `x`, keys and values
    /// from `other`.
    fn attend_cross(
        &self,
        g: &mut Graph,
        w: &mut Weights,
        x: &Value,
        other: &Value,
    ) -> Result<Value, ModelError> {
        let normed = self.norm(g, w, "norm1", x)?;
        let other = self.norm(g, w, "norm2", other)?;
        let attended = self.attention(g, w, "cross_attn", &normed, &other)?;
        let x = g.add(x, &attended);
        self.feed_forward(g, w, "norm3", &x)
    }

    fn norm(
        &self,
        g: &mut Graph,
        w: &mut Weights,
        norm: &str,
        x: &Value,
    ) -> Result<Value, ModelError> {
        layer_norm(g, w, &format!("{}.{norm}", self.name), x)
    }

    /// Returns the layer's scale called `gamma`, [C], or ones if the model has none.
    fn scale(&self, w: &mut Weights, gamma: &str, width: usize) -> Result<Vec<f32>, ModelError> {
        if !self.config.transformer.layer_scale {
            return Ok(vec![1.0; width]);
        }
        Ok(w.take(&format!("{}.{gamma}.scale", self.name), &[width])?
            .data()
            .to_vec())
    }

    /// Computes `x` times `weight` [out, in] plus `bias` [out], of which the rows from `start` on
    /// are taken, as many as there are factors. Each output is multiplied by its factor.
    fn linear(
        &self,
        g: &mut Graph,
        x: &Value,
        (weight, bias): (&Array, &Array),
        start: usize,
        factors: &[f32],
    ) -> Value {
        let rows = |array: &Array| array.rows(start, start + factors.len()).scale_rows(factors);
        let shape = [weight.shape()[1], factors.len()];
        let weight = g.weight_from(&shape, || rows(weight).transposed());
        let bias = g.weight_from(&[factors.len()], || rows(bias));
        let y = g.matmul(x, &weight);
        g.add(&y, &bias)
    }

    /// Adds a `torch.nn.MultiheadAttention`, its output already multiplied by `gamma_1`.
    fn attention(
        &self,
        g: &mut Graph,
        w: &mut Weights,
        name: &str,
        x: &Value,
        other: &Value,
    ) -> Result<Value, ModelError> {
        let width = x.size(2);
        let mut take =
            |part: &str, shape: &[usize]| w.take(&format!("{}.{name}.{part}", self.name), shape);
        let (weight, bias) = (
            take("in_proj_weight", &[3 * width, width])?,
            take("in_proj_bias", &[3 * width])?,
        );

        let (out_weight, out_bias) = (
            take("out_proj.weight", &[width, width])?,
            take("out_proj.bias", &[width])?,
        );
        let heads = self.config.transformer.heads;

        // The usual factor 1 / sqrt(width of a head) is folded into the queries' weights.
        let query_factor = ((width / heads) as f32).sqrt().recip();
        let project = |g: &mut Graph, part: usize, x: &Value, factor: f32| {
            let factors = vec![factor; width];
            self.linear(g, x, (&weight, &bias), part * width, &factors)
        };
        let query = project(g, 0, x, query_factor);
        let key = project(g, 1, other, 1.0);

        let value = project(g, 2, other, 1.0);
        let y = attend(g, &query, &key, &value, heads);

        let scale = self.scale(w, "gamma_1", width)?;
        Ok(self.linear(g, &y, (&out_weight, &out_bias), 0, &scale))
    }

    /// Adds the feed-forward part with its residual, and the norm over the whole layer that follows
    /// it.
    fn feed_forward(
        &self,
        g: &mut Graph,
        w: &mut Weights,
        norm: &str,
        x: &Value,
    ) -> Result<Value, ModelError> {
        let width = x.size(2);
        let hidden = self.config.transformer_hidden();
        let y = self.norm(g, w, norm, x)?;
        let mut take =
            |part: &str, shape: &[usize]| w.take(&format!("{}.{part}", self.name), shape);

        let (weight, bias) = (
            take("linear1.weight", &[hidden, width])?,
            take("linear1.bias", &[hidden])?,
        );
        let y = self.linear(g, &y, (&weight, &bias), 0, &vec![1.0; hidden]);
        let y = if self.config.transformer.gelu {
            g.gelu(&y)
        } else {
            g.relu(&y)
        };

        let (weight, bias) = (
            take("linear2.weight", &[width, hidden])?,
            take("linear2.bias", &[width])?,
        );
        let scale = self.scale(w, "gamma_2", width)?;
        let y = self.linear(g, &y, (&weight, &bias), 0, &scale);

        let x = g.add(x, &y);
        if self.config.transformer.norm_out {
            self.norm_out(g, w, &x)
        } else {
            Ok(x)
        }
    }

    /// Adds a `MyGroupNorm` with one group: statistics over all tokens and channels.
    fn norm_out(&self, g: &mut Graph, w: &mut Weights, x: &Value) -> Result<Value, ModelError> {
        let width = x.size(2);
        let mut take = |part: &str| w.take(&format!("{}.norm_out.{part}", self.name), &[width]);
        let (gain, shift) = (take("weight")?, take("bias")?);
        let (gain, shift) = (g.weight(&gain), g.weight(&shift));
        let x = normalise(g, x, &[1, 2]);
        let x = g.mul(&x, &gain);
        Ok(g.add(&x, &shift))
    }
}

/// Computes softmax(query key') value with operators that every runtime has: [B, N, C], [B, S, C]
/// and [B, S, C] give [B, N, C].
fn attend(g: &mut Graph, query: &Value, key: &Value, value: &Value, heads: usize) -> Value {
    let mut split = |x: &Value, order: &[usize]| {
        let x = g.reshape(x, &[x.size(0), x.size(1), heads, x.size(2) / heads]);
        g.transpose(&x, order)
    };
    let by_head = split(query, &[0, 2, 1, 3]);
    let key = split(key, &[0, 2, 3, 1]);
    let value = split(value, &[0, 2, 1, 3]);

    let scores = g.matmul(&by_head, &key);
    let weights = g.softmax(&scores);
    let y = g.matmul(&weights, &value);

    let y = g.transpose(&y, &[0, 2, 1, 3]);
    g.reshape(&y, query.shape())
}
