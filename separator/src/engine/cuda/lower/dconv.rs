//! Lowering of DConvs: in one launch where a kernel has the shape and it fits on the GPU, else in
//! three launches a layer.

use super::{FLOAT, HALF, Lowering, MOMENTS, PAIR, Unsupported, check_channels};
use crate::engine::cuda::kernel::{self, Kernel};
use crate::engine::cuda::parameters;
use crate::engine::cuda::pointer::{Pointer, Region};
use crate::engine::cuda::weights;
use crate::model::program::{Activation, Branch, Convolution, DConv, DConvLayer, Operation, Shape};

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

/// DConv whose layers are three launches each.
struct Unfused {
    x: Pointer,
    buffers: DConvBuffers,
    shape: Shape,
    /// Number of tiles of a sequence.
    tiles: usize,
}

impl Unfused {
    /// Returns the bytes of a row of the tensor in shared memory.
    fn pitch_bytes(&self) -> u32 {
        let depth = self.shape.channels.next_multiple_of(16);
        ((depth + 8) * HALF) as u32
    }
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
                let blocks = tiles.div_ceil(tiles_of_block(tiles));
                elements = elements.max(shape.sequences * shape.positions * hidden);
                sequences = sequences.max(shape.sequences);
                moments = moments.max(shape.sequences * tiles);
                parts = parts.max(shape.sequences * blocks * (hidden + 1) * hidden);
            }
        }

        let batch = self.batch;
        let mut tensor =
            |bytes: usize| Pointer::new(Region::Tensors, self.memory.reserve(batch * bytes));
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
        check_channels(shape.channels, 8)?;
        if self.fused_dconv(dconv) {
            return Ok(());
        }

        let of = Unfused {
            x: self.halves(dconv.tensor),
            buffers: self.dconv[&self.branch],
            shape,
            tiles: shape.positions.div_ceil(kernel::DCONV_TILE),
        };
        for layer in &dconv.layers {
            let hidden = layer.conv1.1.shape()[0];
            if ![1, 2, 3, 6].contains(&hidden.div_ceil(8)) {
                return Err(Unsupported::new(
                    "dconv_comp",
                    hidden,
                    "1 to 24 or 41 to 48 hidden channels",
                ));
            }

            self.squeeze(&of, layer);
            self.hidden_norm(&of, layer);
            self.expand(&of, layer);
        }

        Ok(())
    }

    /// Launches conv1 of a layer, and the statistics of its output.
    fn squeeze(&mut self, of: &Unfused, layer: &DConvLayer) {
        let (shape, buffers) = (of.shape, of.buffers);
        let hidden = layer.conv1.1.shape()[0];
        let blocks = hidden.div_ceil(8) as u32;
        let parameters = parameters::Squeeze {
            x: of.x,
            weight: self.pool.halves(weights::conv1(layer)),
            bias: self.pool.floats(weights::padded(&layer.conv1.1)),
            hidden: buffers.raw,
            moments: buffers.moments,
            statistics: buffers.before,
            counters: buffers.counters,
            sequences: shape.sequences as i32,
            positions: shape.positions as i32,
            channels: shape.channels as i32,
            dilation: layer.dilation as i32,
            hidden_channels: hidden as i32,
        };

        let rows = (kernel::DCONV_TILE + 2 * layer.dilation) as u32;
        let weights = self.dconv_step_bytes() * blocks;
        let shared = (rows * of.pitch_bytes() + weights).max(7 * 512 * blocks);
        let grid = [of.tiles, shape.sequences, self.batch];
        self.launch(Kernel::Squeeze(blocks as usize), grid, shared, parameters);
    }

    /// Launches norm and GELU of a layer's hidden channels, and the statistics of conv2's output,
    /// which follow from them.
    fn hidden_norm(&mut self, of: &Unfused, layer: &DConvLayer) {
        let (shape, buffers) = (of.shape, of.buffers);
        let blocks = layer.conv1.1.shape()[0].div_ceil(8);
        let each = tiles_of_block(of.tiles);
        let parameters = parameters::Hidden {
            hidden: buffers.raw,
            before: buffers.before,
            gain: self.pool.floats(weights::padded(&layer.norm1.0)),
            shift: self.pool.floats(weights::padded(&layer.norm1.1)),
            over_rows: self.pool.floats(weights::over_rows(layer)),
            output: buffers.hidden,
            parts: buffers.parts,
            after: buffers.after,
            counters: buffers.counters,
            sequences: shape.sequences as i32,
            positions: shape.positions as i32,
            tiles: each as i32,
        };

        let padded = (blocks * 8) as u32;
        let shared = 7 * (padded + 1) * padded * FLOAT as u32;
        let grid = [of.tiles.div_ceil(each), shape.sequences, self.batch];
        self.launch(Kernel::Hidden(blocks), grid, shared, parameters);
    }

    /// Launches conv2 of a layer with norm, GLU and scale, added to `x`.
    fn expand(&mut self, of: &Unfused, layer: &DConvLayer) {
        let (shape, buffers) = (of.shape, of.buffers);
        let blocks = layer.conv1.1.shape()[0].div_ceil(8);
        let parameters = parameters::Expand {
            x: of.x,
            hidden: buffers.hidden,
            norm: buffers.after,
            weight: self.pool.halves(weights::conv2(layer)),
            columns: self.pool.floats(weights::conv2_columns(layer)),
            sequences: shape.sequences as i32,
            positions: shape.positions as i32,
            channels: shape.channels as i32,
        };

        // Besides weights, a step has what belongs to columns: as much as one block more.
        let weights = self.dconv_step_bytes() * (blocks as u32 + 1);
        let shared = kernel::DCONV_TILE as u32 * of.pitch_bytes() + weights;
        let grid = [of.tiles, shape.sequences, self.batch];
        self.launch(Kernel::Expand(blocks), grid, shared, parameters);
    }

    /// Returns the bytes of all steps of weights in shared memory, for each block of eight hidden
    /// channels.
    fn dconv_step_bytes(&self) -> u32 {
        kernel::dconv_steps(self.limits.hopper) * 256
    }

    /// Adds a DConv as one launch, together with the 1x1 convolution that follows it in the
    /// encoder, if there is a kernel for its shape that fits on the GPU. Returns whether there was.
    fn fused_dconv(&mut self, dconv: &DConv) -> bool {
        let shape = self.shape(dconv.tensor);
        let channels = shape.channels;
        let [first, second] = &dconv.layers[..] else {
            return false;
        };
        let has_kernel = kernel::FUSED_CHANNELS.contains(&channels)
            && (first.dilation, second.dilation) == (1, 2)
            && [first, second]
                .iter()
                .all(|layer| layer.conv1.1.shape()[0] == channels / 8);
        if !has_kernel {
            return false;
        }

        if shape.positions == kernel::ROW_FRAMES {
            self.dconv_row(dconv, [first, second])
        } else if shape.sequences == 1 {
            self.dconv_line(dconv, [first, second])
        } else {
            false
        }
    }

    /// Adds a DConv whose sequences fit into shared memory.
    fn dconv_row(&mut self, dconv: &DConv, layers: [&DConvLayer; 2]) -> bool {
        let Shape {
            sequences,
            channels,
            ..
        } = self.shape(dconv.tensor);
        let shared = fused_bytes(channels, kernel::ROW_FRAMES, kernel::ROW_WARPS);
        if shared > self.limits.shared {
            return false;
        }

        let w = self.fused_weights(dconv, layers);
        let parameters = parameters::Row {
            x: w.x,
            output: w.output,
            conv1_0: w.conv1[0],
            conv1_1: w.conv1[1],
            norm1_0: w.norm1[0],
            norm1_1: w.norm1[1],
            conv2_0: w.conv2[0],
            conv2_1: w.conv2[1],
            columns_0: w.columns[0],
            columns_1: w.columns[1],
            over_rows_0: w.over_rows[0],
            over_rows_1: w.over_rows[1],
            rewrite: w.rewrite,
            rewrite_bias: w.rewrite_bias,
            table: w.table,
            sequences: sequences as i32,
        };
        let grid = [self.batch * sequences, 1, 1];
        self.launch(Kernel::Row(channels), grid, shared as u32, parameters);
        true
    }

    /// Adds a DConv of the only sequence. The blocks of a segment wait for one another, so all of
    /// them have to fit on the GPU.
    fn dconv_line(&mut self, dconv: &DConv, layers: [&DConvLayer; 2]) -> bool {
        let Shape {
            positions,
            channels,
            ..
        } = self.shape(dconv.tensor);
        let block = kernel::LineBlock::of(channels);
        let blocks = positions.div_ceil(block.length);
        let shared = fused_bytes(channels, block.computed, block.warps);
        // A block takes a kilobyte for the system besides its own.
        let registers_for = if self.limits.hopper {
            block.resident
        } else {
            1
        };
        let resident = registers_for.min(self.limits.shared_of_all / (shared + 2048));
        if shared > self.limits.shared || blocks > resident * self.limits.multiprocessors {
            return false;
        }

        let w = self.fused_weights(dconv, layers);
        let hidden = (channels / 8).next_multiple_of(8);
        let part = (hidden + 1) * hidden;
        let parameters = parameters::Line {
            x: w.x,
            output: w.output,
            conv1_0: w.conv1[0],
            conv1_1: w.conv1[1],
            norm1_0: w.norm1[0],
            norm1_1: w.norm1[1],
            conv2_0: w.conv2[0],
            conv2_1: w.conv2[1],
            columns_0: w.columns[0],
            columns_1: w.columns[1],
            over_rows_0: w.over_rows[0],
            over_rows_1: w.over_rows[1],
            rewrite: w.rewrite,
            rewrite_bias: w.rewrite_bias,
            moments: self.reserve(self.batch * 2 * blocks * MOMENTS),
            sums: self.reserve(self.batch * 2 * part * PAIR),
            counters: self.reserve((2 + 4 * self.batch) * FLOAT),
            positions: positions as i32,
            blocks: blocks as i32,
            batch: self.batch as i32,
        };
        let grid = [self.batch * blocks, 1, 1];
        self.launch(Kernel::Line(channels), grid, shared as u32, parameters);
        true
    }

    /// Places the weights of a fused DConv and of the convolution that goes with it.
    fn fused_weights(&mut self, dconv: &DConv, layers: [&DConvLayer; 2]) -> FusedWeights {
        let x = self.halves(dconv.tensor);
        let pool = &mut self.pool;
        let mut w = FusedWeights {
            x,
            output: x,
            conv1: layers.map(|layer| pool.halves(weights::conv1(layer))),
            norm1: layers.map(|layer| pool.floats(weights::norm1(layer))),
            conv2: layers.map(|layer| pool.halves(weights::conv2(layer))),
            columns: layers.map(|layer| pool.floats(weights::conv2_columns(layer))),
            over_rows: layers.map(|layer| pool.floats(weights::over_rows(layer))),
            rewrite: Pointer::NULL,
            rewrite_bias: Pointer::NULL,
            table: Pointer::NULL,
        };

        if let Some(rewrite) = self.rewrite_after(dconv) {
            w.output = self.halves(rewrite.output);
            w.rewrite = self.pool.halves(weights::rewrite(&rewrite.weight));
            w.rewrite_bias = self.pool.floats(weights::rewrite_bias(&rewrite.bias));
            w.table = rewrite.table.as_ref().map_or(Pointer::NULL, |table| {
                self.pool.halves(table.data().iter().copied())
            });
            self.merged.extend(self.step_after());
            // The tensor's memory holds the DConv's input: its output is never stored.
            self.hidden.push(dconv.tensor);
        }

        w
    }

    /// Returns the next step of the branch.
    fn step_after(&self) -> Option<usize> {
        let steps = &self.program.steps;
        (self.step + 1..steps.len()).find(|&index| steps[index].branch == self.branch)
    }

    /// Returns the 1x1 convolution with GLU that is the branch's next step and reads the DConv's
    /// tensor, if it is one of those that the fused kernels compute.
    fn rewrite_after(&self, dconv: &DConv) -> Option<&'a Convolution> {
        let Operation::Convolution(convolution) = &self.program.steps[self.step_after()?].operation
        else {
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
        is_one.then_some(convolution)
    }
}

/// Returns the number of tiles of a block of `dconv_hidden.cu`: enough that few parts are to be
/// joined, and few enough that there are blocks for all multiprocessors. It does not depend on the
/// batch, so neither do the samples.
fn tiles_of_block(tiles: usize) -> usize {
    (tiles / 96).clamp(1, 8)
}

/// Bytes of shared memory of a fused DConv with blocks of `positions` positions and `warps` warps.
fn fused_bytes(channels: usize, positions: usize, warps: usize) -> usize {
    let hidden_tiles = (channels / 8).div_ceil(8);
    let (depth, hidden) = (channels.div_ceil(16), hidden_tiles * 8);
    let rows = (positions + 4) * (depth * 16 + 8) * HALF;
    let part = (hidden + 1) * hidden;
    let sums = 32 + warps * part + part.next_multiple_of(4);
    let weights = 3 * depth * hidden_tiles * 64 + channels / 8 * (2 * hidden_tiles * 32 + 64);
    rows + (sums + weights) * FLOAT
}

/// Weights of a fused DConv in both forms of its parameters.
struct FusedWeights {
    x: Pointer,
    output: Pointer,
    conv1: [Pointer; 2],
    norm1: [Pointer; 2],
    conv2: [Pointer; 2],
    columns: [Pointer; 2],
    over_rows: [Pointer; 2],
    rewrite: Pointer,
    rewrite_bias: Pointer,
    table: Pointer,
}
