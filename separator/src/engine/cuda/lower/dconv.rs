//! The launches of a DConv: three a layer, or one for all of it where its sequences are short.

use super::super::error::Unsupported;
use super::super::kernel::{self, Kernel};
use super::super::parameters::{self, Pointer, Region};
use super::super::weights;
use super::{FLOAT, HALF, Lowering, MOMENTS, PAIR, check_channels};
use crate::model::program::{Activation, Branch, DConv, Operation};

/// Buffers of one branch for the layers of its DConvs, as large as the largest needs.
#[derive(Clone, Copy)]
pub(super) struct DConvBuffers {
    raw: Pointer,
    hidden: Pointer,
    moments: Pointer,
    parts: Pointer,
    before: Pointer,
    after: Pointer,
    counters: Pointer,
}
impl<'a> Lowering<'a> {
    /// Reserves the buffers of all DConvs of a branch.
    pub(super) fn dconv_buffers(&mut self, branch: Branch) -> DConvBuffers {
        let (mut elements, mut sequences, mut moments, mut parts) = (0, 0, 0, 0);
        for step in &self.program.steps {
            let Operation::DConv(dconv) = &step.operation else {
                continue;
            };
            if step.branch != branch {
                continue;
            }

            let shape = self.shape(dconv.tensor);
            let tiles = shape.positions.div_ceil(kernel::DCONV_TILE);
            for layer in &dconv.layers {
                let hidden = layer.conv1.1.shape()[0].next_multiple_of(8);
                let blocks = tiles.div_ceil(tiles_of_block(tiles, shape.sequences));
                elements = elements.max(shape.sequences * shape.positions * hidden);
                sequences = sequences.max(shape.sequences);
                moments = moments.max(shape.sequences * tiles);
                parts = parts.max(shape.sequences * blocks * (hidden + 1) * hidden);
            }
        }

        let batch = self.batch;
        let mut tensor =
            |bytes: usize| Pointer::new(Region::Tensors, self.sizes.reserve(batch * bytes));
        let (raw, hidden, parts) = (
            tensor(elements * FLOAT),
            tensor(elements * HALF),
            tensor(parts * FLOAT),
        );
        DConvBuffers {
            raw,
            hidden,
            parts,
            moments: self.reserve(batch * moments * MOMENTS),
            before: self.reserve(batch * sequences * PAIR),
            after: self.reserve(batch * sequences * PAIR),
            counters: self.reserve(batch * sequences * FLOAT),
        }
    }

    pub(super) fn dconv(&mut self, dconv: &DConv) -> Result<(), Unsupported> {
        let shape = self.shape(dconv.tensor);
        let (sequences, positions, channels) = (shape.sequences, shape.positions, shape.channels);
        check_channels(channels, 8)?;
        if self.dconv_of_rows(dconv) {
            return Ok(());
        }

        let x = self.halves(dconv.tensor);
        let buffers = self.dconv[&self.branch];

        let tiles = positions.div_ceil(kernel::DCONV_TILE);
        let each = tiles_of_block(tiles, sequences);
        let depth = channels.next_multiple_of(16);
        let pitch = (depth + 8) as u32;

        for layer in &dconv.layers {
            let hidden = layer.conv1.1.shape()[0];
            let blocks = hidden.div_ceil(8);
            if ![1, 2, 3, 6].contains(&blocks) {
                return Err(Unsupported::new(
                    "dconv_comp",
                    hidden,
                    "1 to 24 or 41 to 48 hidden channels",
                ));
            }

            let padded = blocks * 8;
            let squeeze = parameters::Squeeze {
                x,
                weight: self.pool.halves(weights::conv1(layer)),
                bias: self.pool.floats(weights::padded(&layer.conv1.1)),
                hidden: buffers.raw,
                moments: buffers.moments,
                statistics: buffers.before,
                counters: buffers.counters,
                sequences: sequences as i32,
                positions: positions as i32,
                channels: channels as i32,
                dilation: layer.dilation as i32,
                hidden_channels: hidden as i32,
            };
            let rows = (kernel::DCONV_TILE + 2 * layer.dilation) as u32;
            self.launch(
                Kernel::Squeeze(blocks),
                [tiles, sequences, self.batch],
                rows * pitch * HALF as u32,
                squeeze,
            );

            let part = ((padded + 1) * padded) as u32;
            let normed = parameters::Hidden {
                hidden: buffers.raw,
                before: buffers.before,
                gain: self.pool.floats(weights::padded(&layer.norm1.0)),
                shift: self.pool.floats(weights::padded(&layer.norm1.1)),
                over_rows: self.pool.floats(weights::over_rows(layer)),
                output: buffers.hidden,
                parts: buffers.parts,
                after: buffers.after,
                counters: buffers.counters,
                sequences: sequences as i32,
                positions: positions as i32,
                tiles: each as i32,
            };
            self.launch(
                Kernel::Hidden(blocks),
                [tiles.div_ceil(each), sequences, self.batch],
                7 * part * FLOAT as u32,
                normed,
            );

            let expand = parameters::Expand {
                x,
                hidden: buffers.hidden,
                norm: buffers.after,
                weight: self.pool.halves(weights::conv2(layer)),
                columns: self.pool.floats(weights::conv2_columns(layer)),
                sequences: sequences as i32,
                positions: positions as i32,
                channels: channels as i32,
            };
            self.launch(
                Kernel::Expand(blocks),
                [tiles, sequences, self.batch],
                kernel::DCONV_TILE as u32 * pitch * HALF as u32,
                expand,
            );
        }

        Ok(())
    }

    /// Adds a DConv whose sequences fit into shared memory as one launch, together with the 1x1
    /// convolution that follows it in the encoder. Returns whether it could.
    fn dconv_of_rows(&mut self, dconv: &DConv) -> bool {
        let shape = self.shape(dconv.tensor);
        let (sequences, channels) = (shape.sequences, shape.channels);
        let shared = row_bytes(channels);
        let [first, second] = &dconv.layers[..] else {
            return false;
        };
        let fits = shape.positions == kernel::ROW_FRAMES
            && kernel::ROW_CHANNELS.contains(&channels)
            && (first.dilation, second.dilation) == (1, 2)
            && [first, second]
                .iter()
                .all(|layer| layer.conv1.1.shape()[0] == channels / 8)
            && shared <= self.limits.shared;
        if !fits {
            return false;
        }

        let x = self.halves(dconv.tensor);
        let pool = &mut self.pool;
        let mut parameters = parameters::Row {
            x,
            output: x,
            conv1_0: pool.halves(weights::conv1(first)),
            conv1_1: pool.halves(weights::conv1(second)),
            norm1_0: pool.floats(weights::norm1(first)),
            norm1_1: pool.floats(weights::norm1(second)),
            conv2_0: pool.halves(weights::conv2(first)),
            conv2_1: pool.halves(weights::conv2(second)),
            columns_0: pool.floats(weights::conv2_columns(first)),
            columns_1: pool.floats(weights::conv2_columns(second)),
            over_rows_0: pool.floats(weights::over_rows(first)),
            over_rows_1: pool.floats(weights::over_rows(second)),
            sequences: sequences as i32,
            ..Default::default()
        };

        if let Some(Operation::Convolution(rewrite)) = self.rewrite_after(dconv) {
            let rewrite = rewrite.clone();
            parameters.output = self.halves(rewrite.output);
            parameters.rewrite = self.pool.halves(weights::rewrite(&rewrite.weight));
            parameters.rewrite_bias = self.pool.floats(weights::rewrite_bias(&rewrite.bias));
            parameters.table = rewrite.table.as_ref().map_or(Pointer::NULL, |table| {
                self.pool.halves(table.data().iter().copied())
            });
            self.merged = Some(self.step + 1);
            // What lies there is the input of the DConv.
            self.hidden.push(dconv.tensor);
        }
        let grid = [self.batch * sequences, 1, 1];
        self.launch(Kernel::Row(channels), grid, shared as u32, parameters);
        true
    }

    /// Returns the 1x1 convolution with GLU that is the next step and reads the DConv's tensor, if
    /// it is one of those that `dconv_row.cu` computes.
    fn rewrite_after(&self, dconv: &DConv) -> Option<&'a Operation> {
        let operation = &self.program.steps.get(self.step + 1)?.operation;
        let Operation::Convolution(convolution) = operation else {
            return None;
        };
        let channels = self.shape(dconv.tensor).channels;
        let is_one = convolution.input == dconv.tensor
            && convolution.taps == [[0, 0]]
            && convolution.strides == [1, 1]
            && convolution.activation == Activation::Glu
            && convolution.add.is_none()
            && channels.is_multiple_of(16)
            && self.shape(convolution.output).channels == channels;
        is_one.then_some(operation)
    }
}

/// Returns the number of tiles of a block of `dconv_hidden.cu`: enough that few parts are to be
/// joined, and few enough that there are blocks for all multiprocessors. It does not depend on the
/// batch, so neither do the samples.
fn tiles_of_block(tiles: usize, sequences: usize) -> usize {
    if sequences > 1 {
        tiles.min(4)
    } else {
        (tiles / 96).clamp(1, 8)
    }
}

/// Bytes of shared memory of `dconv_row.cu` for sequences of `channels` channels.
fn row_bytes(channels: usize) -> usize {
    let hidden_tiles = (channels / 8).div_ceil(8);
    let (depth, hidden) = (channels.div_ceil(16), hidden_tiles * 8);
    let rows = (kernel::ROW_FRAMES + 4) * (depth * 16 + 8) * HALF;
    let part = (hidden + 1) * hidden;
    let sums = 16 + 7 * part + part.next_multiple_of(4);
    let weights = 3 * depth * hidden_tiles * 64 + channels / 8 * (2 * hidden_tiles * 32 + 64);
    rows + (sums + weights) * FLOAT
}
