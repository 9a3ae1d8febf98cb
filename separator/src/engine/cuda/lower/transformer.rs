//! Lowering of the transformer: `token_norm.cu`, `attention.cu` and `attention_hopper.cu`. Its
//! products are convolutions.

use super::{HALF, Lowering, Unsupported, check_channels};
use crate::engine::cuda::boxes::Boxes;
use crate::engine::cuda::kernel::{self, Kernel};
use crate::engine::cuda::parameters::{self, WithMaps};
use crate::engine::cuda::pointer::Pointer;
use crate::model::program::{Attention, Channels, Embedding, GroupNorm, LayerNorm, Shape, Tensor};

/// Most channels of a token that `token_norm.cu` takes.
const MAX_TOKEN_CHANNELS: usize = 512;

/// Modes of `token_norm.cu`.
const LAYER: i32 = 0;
const EMBED: i32 = 1;
const GROUP: i32 = 2;

impl Lowering<'_> {
    /// Launches a norm of tokens with the operands that `fill` adds.
    fn token_norm(
        &mut self,
        input: Tensor,
        fill: impl FnOnce(&mut Self, &mut parameters::TokenNorm),
    ) -> Result<(), Unsupported> {
        let shape = self.shape(input);
        let tokens = shape.sequences * shape.positions;
        check_channels(shape.channels, 8)?;
        if shape.channels > MAX_TOKEN_CHANNELS {
            return Err(Unsupported::new(
                "bottom_channels",
                shape.channels,
                "at most 512",
            ));
        }

        let mut parameters = parameters::TokenNorm {
            input: self.halves(input),
            tokens: tokens as i32,
            channels: shape.channels as i32,
            ..Default::default()
        };
        fill(self, &mut parameters);
        let grid = [tokens.div_ceil(kernel::NORM_TOKENS), self.batch, 1];
        self.launch(Kernel::TokenNorm, grid, 0, parameters);
        Ok(())
    }

    pub(super) fn embedding(&mut self, e: &Embedding) -> Result<(), Unsupported> {
        self.token_norm(e.input, |this, p| {
            p.mode = EMBED;
            if let Some((gain, shift)) = &e.norm {
                p.gain = this.pool.floats(gain.data().iter().copied());
                p.shift = this.pool.floats(shift.data().iter().copied());
            }
            p.positions = this.pool.floats(e.positions.data().iter().copied());
            p.output = this.halves(e.output);
            p.normalised = this.halves(e.normalised);
        })
    }

    pub(super) fn layer_norm(&mut self, n: &LayerNorm) -> Result<(), Unsupported> {
        self.token_norm(n.input, |this, p| {
            p.mode = LAYER;
            p.normalised = this.halves(n.output);
        })
    }

    pub(super) fn group_norm(&mut self, n: &GroupNorm) -> Result<(), Unsupported> {
        self.token_norm(n.input, |this, p| {
            p.mode = GROUP;
            p.gain = this.pool.floats(n.gain.data().iter().copied());
            p.shift = this.pool.floats(n.shift.data().iter().copied());
            p.add = n.add.map_or(Pointer::NULL, |add| this.halves(add));
            p.output = this.halves(n.output);
            p.normalised = n.normalised.map_or(Pointer::NULL, |to| this.halves(to));

            let (moments, blocks) = this.moments[&n.input];
            p.moments = moments;
            p.blocks = blocks as i32;
        })
    }

    pub(super) fn attention(&mut self, a: &Attention) -> Result<(), Unsupported> {
        let tokens = |shape: Shape| shape.sequences * shape.positions;
        let (query, key) = (self.shape(a.query.tensor), self.shape(a.key.tensor));
        let width = self.shape(a.output).channels / a.heads;
        if ![24, 48, 64].contains(&width) {
            return Err(Unsupported::new(
                "t_heads",
                width,
                "24, 48 or 64 channels a head",
            ));
        }

        if self.limits.hopper {
            self.boxed_attention(a, width);
            return Ok(());
        }

        let mut at =
            |channels: Channels| self.halves(channels.tensor).advanced(channels.first * HALF);
        let parameters = parameters::Attention {
            query: at(a.query),
            key: at(a.key),
            value: at(a.value),
            output: self.halves(a.output),
            queries: tokens(query) as i32,
            keys: tokens(key) as i32,
            query_stride: query.channels as i32,
            key_stride: key.channels as i32,
            heads: a.heads as i32,
        };

        let pitch = width.next_multiple_of(16) + 8;
        let (keys, stages) = kernel::attention_stages(width);
        let rows = (stages - 1) * 2 * keys + kernel::ATTENTION_QUERIES.max(2 * keys);
        let shared = rows * pitch * HALF;
        let grid = [
            tokens(query).div_ceil(kernel::ATTENTION_QUERIES),
            a.heads,
            self.batch,
        ];
        self.launch(Kernel::Attention(width), grid, shared as u32, parameters);
        Ok(())
    }

    /// Launches `attention_hopper.cu` for heads of `width` channels.
    fn boxed_attention(&mut self, a: &Attention, width: usize) {
        let row = if width <= 32 { 32 } else { 64 };
        let mut boxes = |channels: Channels| {
            let shape = self.shape(channels.tensor);
            Boxes {
                tensor: self.halves(channels.tensor),
                lengths: vec![
                    shape.channels,
                    shape.sequences * shape.positions,
                    self.batch,
                ],
                sizes: vec![row, kernel::ATTENTION_HOPPER_KEYS, 1],
                steps: vec![1, 1, 1],
            }
        };
        let boxes = [boxes(a.key), boxes(a.value)];

        let (query, keys) = (self.shape(a.query.tensor), boxes[0].lengths[1]);
        let queries = query.sequences * query.positions;
        let parameters = parameters::AttentionHopper {
            query: self.halves(a.query.tensor).advanced(a.query.first * HALF),
            output: self.halves(a.output),
            queries: queries as i32,
            keys: keys as i32,
            query_stride: query.channels as i32,
            heads: a.heads as i32,
            first_key: a.key.first as i32,
            first_value: a.value.first as i32,
            ..Default::default()
        };

        let stages = 2 * kernel::ATTENTION_HOPPER_STAGES;
        let shared = stages * kernel::ATTENTION_HOPPER_KEYS * row * HALF + 64;
        let grid = [
            queries.div_ceil(kernel::ATTENTION_HOPPER_QUERIES),
            a.heads,
            self.batch,
        ];
        self.launch(
            Kernel::AttentionHopper(width),
            grid,
            shared as u32,
            WithMaps::new(parameters, boxes),
        );
    }
}
