//! Transformer of a program. Gain and shift of every layer norm are part of the products that read
//! the normalised tokens, LayerScale is part of the products that it follows, and the factor 1 /
//! sqrt(channels of a head) is part of the queries' product.

use super::{Product, Writer};
use crate::model::error::ModelError;
use crate::model::htdemucs::{position_1d, position_2d};
use crate::model::program::{
    Activation, Attention, Branch, Channels, Embedding, GroupNorm, LayerNorm, Operation, Shape,
    Tensor,
};
use crate::model::weights::Array;

/// Name of the transformer in the checkpoint.
const NAME: &str = "crosstransformer";

/// Tokens of a branch before a layer.
#[derive(Clone, Copy)]
struct Tokens {
    x: Tensor,
    /// Layer norm of `x`, without gain and shift.
    normalised: Tensor,
}

/// Gain and shift of a norm, [channels] each.
type Affine = (Array, Array);

impl Writer<'_> {
    /// Adds the transformer for both branches. `skips` are added to its outputs where there are
    /// any.
    pub(super) fn transformer(
        &mut self,
        inputs: [Tensor; 2],
        skips: [Option<Tensor>; 2],
    ) -> Result<[Tensor; 2], ModelError> {
        let t = &self.config.transformer;
        let width = self.shape(inputs[0]).channels;
        self.expect_width(width)?;
        let [frequency, time] = inputs;
        let mut tokens = [
            self.embedding(Branch::Frequency, frequency)?,
            self.embedding(Branch::Time, time)?,
        ];

        let mut outputs = inputs;
        for index in 0..t.layers {
            let before = tokens;
            for branch in Branch::BOTH {
                let of = branch as usize;
                let layer = Layer {
                    branch,
                    name: format!("{NAME}.layers{}.{index}", branch.suffix()),
                    width,
                };

                let (attended, norm) = if index % 2 == usize::from(t.cross_first) {
                    (self.attend_self(&layer, before[of])?, "norm2")
                } else {
                    let attended = self.attend_cross(&layer, before[of], before[1 - of])?;
                    (attended, "norm3")
                };

                let x = self.feed_forward(&layer, norm, attended)?;
                if index + 1 < t.layers {
                    tokens[of] = self.norm_out(&layer, x)?;
                } else {
                    outputs[of] = self.last_norm_out(&layer, x, skips[of])?;
                }
            }
        }

        Ok(outputs)
    }

    /// Checks the width before the tables of positions are made: they are as wide as these
    /// matrices, so a wide table needs weights to match.
    fn expect_width(&self, width: usize) -> Result<(), ModelError> {
        let first = if self.config.transformer.cross_first {
            "cross_attn"
        } else {
            "self_attn"
        };
        self.weights.expect(
            &format!("{NAME}.layers.0.{first}.in_proj_weight"),
            &[3 * width, width],
        )
    }

    fn embedding(&mut self, branch: Branch, input: Tensor) -> Result<Tokens, ModelError> {
        let t = &self.config.transformer;
        let shape = self.shape(input);
        let norm = if t.norm_in {
            let name = format!("{NAME}.norm_in{}", branch.suffix());
            Some(self.take_affine(&name, shape.channels)?)
        } else {
            None
        };

        let positions = match branch {
            Branch::Frequency => positions_by_sequence(shape, t.max_period),
            Branch::Time => position_1d(shape.channels, shape.positions, t.max_period),
        };
        let rows = shape.sequences * shape.positions;
        let [x, normalised] = [self.tensor(shape), self.tensor(shape)];
        let embedding = Embedding {
            input,
            norm,
            positions: positions
                .reshape(&[rows, shape.channels])
                .scale(t.weight_pos_embed),
            output: x,
            normalised,
        };

        let name = format!("{NAME}.embedding{}", branch.suffix());
        self.step(branch, &name, Operation::Embedding(embedding));
        Ok(Tokens { x, normalised })
    }

    /// Takes gain and shift of the norm called `name`.
    fn take_affine(&mut self, name: &str, width: usize) -> Result<Affine, ModelError> {
        let gain = self.take(&format!("{name}.weight"), &[width])?;
        Ok((gain, self.take(&format!("{name}.bias"), &[width])?))
    }

    /// Adds attention of a `MyTransformerEncoderLayer`, with its residual.
    fn attend_self(&mut self, layer: &Layer, own: Tokens) -> Result<Tensor, ModelError> {
        let width = layer.width;
        let norm = self.take_affine(&layer.part("norm1"), width)?;
        let in_proj = self.take_in_proj(layer, "self_attn")?;
        let (weight, bias) = fold(in_proj, &norm);

        let query = self.query_factor(width);
        let factors = [vec![query; width], vec![1.0; 2 * width]].concat();
        let (weight, bias) = (weight.scale_rows(&factors), bias.scale_rows(&factors));
        let projected = self.linear(layer, "qkv", own.normalised, weight, bias);

        let part = |index| Channels {
            tensor: projected,
            first: index * width,
        };
        self.attention(layer, "self_attn", [part(0), part(1), part(2)], own.x)
    }

    /// Adds attention of a `CrossTransformerEncoderLayer`, with its residual: queries from `own`,
    /// keys and values from `other`.
    fn attend_cross(
        &mut self,
        layer: &Layer,
        own: Tokens,
        other: Tokens,
    ) -> Result<Tensor, ModelError> {
        let width = layer.width;
        let norm1 = self.take_affine(&layer.part("norm1"), width)?;
        let norm2 = self.take_affine(&layer.part("norm2"), width)?;
        let (weight, bias) = self.take_in_proj(layer, "cross_attn")?;
        let rows = |start, end| (weight.rows(start, end), bias.rows(start, end));

        let (weight, bias) = fold(rows(0, width), &norm1);
        let factors = vec![self.query_factor(width); width];
        let (weight, bias) = (weight.scale_rows(&factors), bias.scale_rows(&factors));
        let query = self.linear(layer, "q", own.normalised, weight, bias);

        let (weight, bias) = fold(rows(width, 3 * width), &norm2);
        let projected = self.linear(layer, "kv", other.normalised, weight, bias);

        let channels = |tensor, first| Channels { tensor, first };
        let parts = [
            channels(query, 0),
            channels(projected, 0),
            channels(projected, width),
        ];
        self.attention(layer, "cross_attn", parts, own.x)
    }

    /// Takes the projections of queries, keys and values, one below the other.
    fn take_in_proj(&mut self, layer: &Layer, attention: &str) -> Result<Affine, ModelError> {
        let name = layer.part(attention);
        let width = layer.width;
        Ok((
            self.take(&format!("{name}.in_proj_weight"), &[3 * width, width])?,
            self.take(&format!("{name}.in_proj_bias"), &[3 * width])?,
        ))
    }

    /// Returns 1 / sqrt(channels of a head).
    fn query_factor(&self, width: usize) -> f32 {
        ((width / self.config.transformer.heads) as f32)
            .sqrt()
            .recip()
    }

    fn linear(
        &mut self,
        layer: &Layer,
        part: &str,
        input: Tensor,
        weight: Array,
        bias: Array,
    ) -> Tensor {
        let product = Product {
            input,
            weight,
            bias,
            activation: Activation::None,
            add: None,
        };
        self.product(layer.branch, &layer.part(part), product)
    }

    /// Adds the attention called `name` of query, key and value, its output projection and the sum
    /// with `residual`.
    fn attention(
        &mut self,
        layer: &Layer,
        name: &str,
        [query, key, value]: [Channels; 3],
        residual: Tensor,
    ) -> Result<Tensor, ModelError> {
        let width = layer.width;
        let name = layer.part(name);
        let output = self.tensor(self.shape(residual));
        let attention = Attention {
            query,
            key,
            value,
            heads: self.config.transformer.heads,
            output,
        };
        self.step(layer.branch, &name, Operation::Attention(attention));

        let out_proj = format!("{name}.out_proj");
        let weight = self.take(&format!("{out_proj}.weight"), &[width, width])?;
        let bias = self.take(&format!("{out_proj}.bias"), &[width])?;
        let scale = self.take_scale(layer, "gamma_1")?;
        let product = Product {
            input: output,
            weight: weight.scale_rows(&scale),
            bias: bias.scale_rows(&scale),
            activation: Activation::None,
            add: Some(residual),
        };
        Ok(self.product(layer.branch, &out_proj, product))
    }

    /// Takes the layer's scale called `gamma`, or returns ones if the model has none.
    fn take_scale(&mut self, layer: &Layer, gamma: &str) -> Result<Vec<f32>, ModelError> {
        if !self.config.transformer.layer_scale {
            return Ok(vec![1.0; layer.width]);
        }
        let name = format!("{}.scale", layer.part(gamma));
        Ok(self.take(&name, &[layer.width])?.data().to_vec())
    }

    /// Adds the feed-forward part, after the norm called `norm`, with its residual.
    fn feed_forward(&mut self, layer: &Layer, norm: &str, x: Tensor) -> Result<Tensor, ModelError> {
        let width = layer.width;
        let hidden = self.config.transformer_hidden();
        let normalised = self.layer_norm(layer.branch, &layer.part(norm), x);
        let norm = self.take_affine(&layer.part(norm), width)?;

        let mut take = |part: &str, shape: &[usize]| self.take(&layer.part(part), shape);
        let linear1 = (
            take("linear1.weight", &[hidden, width])?,
            take("linear1.bias", &[hidden])?,
        );
        let linear2 = (
            take("linear2.weight", &[width, hidden])?,
            take("linear2.bias", &[width])?,
        );

        let (weight, bias) = fold(linear1, &norm);
        let product = Product {
            input: normalised,
            weight,
            bias,
            activation: if self.config.transformer.gelu {
                Activation::Gelu
            } else {
                Activation::Relu
            },
            add: None,
        };
        let y = self.product(layer.branch, &layer.part("linear1"), product);

        let scale = self.take_scale(layer, "gamma_2")?;
        let product = Product {
            input: y,
            weight: linear2.0.scale_rows(&scale),
            bias: linear2.1.scale_rows(&scale),
            activation: Activation::None,
            add: Some(x),
        };
        Ok(self.product(layer.branch, &layer.part("linear2"), product))
    }

    fn layer_norm(&mut self, branch: Branch, name: &str, input: Tensor) -> Tensor {
        let output = self.tensor(self.shape(input));
        let norm = LayerNorm { input, output };
        self.step(branch, name, Operation::LayerNorm(norm));
        output
    }

    /// Adds the norm over the whole layer, if the model has one, and the next layer's layer norm.
    fn norm_out(&mut self, layer: &Layer, x: Tensor) -> Result<Tokens, ModelError> {
        if !self.config.transformer.norm_out {
            let normalised = self.layer_norm(layer.branch, &layer.part("norm_next"), x);
            return Ok(Tokens { x, normalised });
        }

        let normalised = self.tensor(self.shape(x));
        let x = self.group_norm(layer, x, None, Some(normalised))?;
        Ok(Tokens { x, normalised })
    }

    /// Adds the last layer's norm over the whole layer, if the model has one, and the sum with
    /// `skip`.
    fn last_norm_out(
        &mut self,
        layer: &Layer,
        x: Tensor,
        skip: Option<Tensor>,
    ) -> Result<Tensor, ModelError> {
        if self.config.transformer.norm_out {
            return self.group_norm(layer, x, skip, None);
        }
        let Some(skip) = skip else {
            return Ok(x);
        };

        // The product before has a sum of its own already. This one has the identity as its
        // weights, which is exact, and no published model has it.
        let width = layer.width;
        let product = Product {
            input: x,
            weight: Array::from_fn(&[width, width], |i| f32::from(u8::from(i[0] == i[1]))),
            bias: Array::new(&[width], vec![0.0; width]),
            activation: Activation::None,
            add: Some(skip),
        };
        let name = format!("{NAME}.skip{}", layer.branch.suffix());
        Ok(self.product(layer.branch, &name, product))
    }

    fn group_norm(
        &mut self,
        layer: &Layer,
        input: Tensor,
        add: Option<Tensor>,
        normalised: Option<Tensor>,
    ) -> Result<Tensor, ModelError> {
        let name = layer.part("norm_out");
        let (gain, shift) = self.take_affine(&name, layer.width)?;
        let output = self.tensor(self.shape(input));
        let norm = GroupNorm {
            input,
            gain,
            shift,
            add,
            output,
            normalised,
        };
        self.step(layer.branch, &name, Operation::GroupNorm(norm));
        Ok(output)
    }
}

/// Layer of one branch.
struct Layer {
    branch: Branch,
    name: String,
    /// Number of channels of its tokens.
    width: usize,
}

impl Layer {
    /// Returns the name of a part of the layer.
    fn part(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }
}

/// Folds gain and shift of a norm into the product that follows it: W (g x + s) + b = (W g) x + (b
/// + W s). The sum is computed in float64.
fn fold((weight, bias): Affine, (gain, shift): &Affine) -> Affine {
    let width = weight.shape()[1];
    let shifted = weight
        .data()
        .chunks_exact(width)
        .zip(bias.data())
        .map(|(row, &bias)| {
            let products = row.iter().zip(shift.data());
            let sum: f64 = products.map(|(&w, &s)| f64::from(w) * f64::from(s)).sum();
            (f64::from(bias) + sum) as f32
        });
    let bias = Array::new(bias.shape(), shifted.collect());

    let rows = weight.data().chunks_exact(width);
    let scaled = rows.flat_map(|row| row.iter().zip(gain.data()).map(|(w, g)| w * g));
    let weight = Array::new(weight.shape(), scaled.collect());
    (weight, bias)
}

/// Returns the embedding of time and frequency sequence by sequence, [sequences, positions,
/// channels]. The reference orders it position by position.
fn positions_by_sequence(shape: Shape, max_period: f64) -> Array {
    let (sequences, width) = (shape.sequences, shape.channels);
    let by_position = position_2d(width, sequences, shape.positions, max_period);
    let mut data = Vec::with_capacity(by_position.data().len());
    for sequence in 0..sequences {
        for position in 0..shape.positions {
            let row = width * (position * sequences + sequence);
            data.extend_from_slice(&by_position.data()[row..row + width]);
        }
    }

    Array::new(&[sequences, shape.positions, width], data)
}
