//! Products of a tensor's rows with weights: convolutions and transposed convolutions.
//!
//! With channels innermost, a convolution reads at every position as many rows of the tensor as it
//! has taps, each where it lies. Nothing is copied before a product, and bias, activation, sum and
//! table are applied to each tile of its results while it is in the first cache.
//!
//! | file | contents |
//! |---|---|
//! | `grid.rs` | which places of its tensors a row reads and writes |
//! | `pack.rs` | the order of the weights |
//! | `block.rs` | some rows times some panels, the work of one thread |
//! | `finish.rs` | what follows a product |

mod block;
mod finish;
mod grid;
mod pack;

use rayon::prelude::*;

pub use self::finish::Activation;

use self::block::Block;
use self::finish::Finish;
use self::grid::Grid;
use self::pack::{Packed, Size};
use crate::buffer::Shared;
use crate::isa::Isa;
use crate::operands::ROWS;
use crate::shape::Shape;

pub(crate) use self::block::{Dense, multiply_rows};

/// Rows of a block, a multiple of [`ROWS`].
const BLOCK: usize = 16 * ROWS;
/// Least number of blocks that a product is cut into, if it is wide enough: enough for the threads
/// of a large machine. It does not depend on the number of threads, and neither do the results.
const LEAST_BLOCKS: usize = 96;

/// Convolution: output (s, p) is the sum over taps of the input at (s stride + tap, p stride +
/// tap), which is 0 outside of the tensor, times the tap's matrix.
#[derive(Clone, Copy, Debug)]
pub struct Convolution<'a> {
    /// Shape of the input.
    pub input: Shape,
    /// Offsets of the taps along sequences and positions.
    pub taps: &'a [[isize; 2]],
    /// Strides along sequences and positions.
    pub strides: [usize; 2],
    /// [outputs, taps, input channels], with twice as many outputs as there are channels for
    /// [`Activation::Glu`].
    pub weight: &'a [f32],
    /// `[outputs]`
    pub bias: &'a [f32],
    /// Function of the sums.
    pub activation: Activation,
    /// Table [sequences, channels] that is added after the activation.
    pub table: Option<&'a [f32]>,
    /// Shape of the output.
    pub output: Shape,
}

/// Axis of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Axis {
    Sequences,
    Positions,
}

/// Transposed convolution of kernel 8 and stride 4: output o along the axis is the sum of the
/// inputs i times tap o + cut - 4 i, where that is from 0 to 7.
#[derive(Clone, Copy, Debug)]
pub struct Upsampling<'a> {
    /// Shape of the input.
    pub input: Shape,
    /// Axis that becomes longer.
    pub axis: Axis,
    /// Outputs that are cut before the first.
    pub cut: usize,
    /// [outputs, 8 taps, input channels]
    pub weight: &'a [f32],
    /// `[outputs]`
    pub bias: &'a [f32],
    /// Whether GELU follows.
    pub gelu: bool,
    /// Shape of the output.
    pub output: Shape,
}

/// Stride of an upsampling, half of its kernel.
const STRIDE: usize = 4;

/// Product of every row of a grid with packed weights, and what follows it.
#[derive(Clone, Debug)]
pub struct Product {
    isa: Isa,
    grid: Grid,
    packed: Packed,
    activation: Activation,
    table: Option<Vec<f32>>,
    /// As many zeros as a row reads at a place outside of the tensor.
    zeros: Vec<f32>,
}

impl Product {
    /// Makes the product of a convolution.
    pub fn convolution(isa: Isa, of: Convolution<'_>) -> Self {
        let (taps, depth) = (of.taps.len(), of.input.channels);
        let gates = of.activation == Activation::Glu;
        let outputs = of.output.channels * if gates { 2 } else { 1 };
        assert_eq!(of.weight.len(), outputs * taps * depth, "weights");
        assert_eq!(of.bias.len(), outputs, "biases");
        if let Some(table) = of.table {
            assert_eq!(table.len(), of.output.sequences * of.output.channels);
        }

        let size = Size {
            taps,
            depth,
            groups: 1,
            outputs: of.output.channels,
            gates,
        };
        let weight = |_, output, tap, k| of.weight[(output * taps + tap) * depth + k];
        let grid = Grid {
            sequences: of.output.sequences,
            positions: of.output.positions,
            input: of.input,
            strides: of.strides,
            taps: of.taps.to_vec(),
            output: of.output,
            steps: [1, 1],
            offsets: vec![[0, 0]],
        };
        let packed = Packed::new(isa.widths(), size, weight, |output| of.bias[output]);
        Self::new(isa, grid, packed, of.activation, of.table)
    }

    /// Makes the product of an upsampling. The outputs from 4 q - cut on, four of them, are sums of
    /// the inputs q and q - 1, so a row computes all four from two places.
    pub fn upsampling(isa: Isa, of: Upsampling<'_>) -> Self {
        let (depth, outputs) = (of.input.channels, of.output.channels);
        assert_eq!(of.weight.len(), outputs * 2 * STRIDE * depth, "weights");
        assert_eq!(of.bias.len(), outputs, "biases");

        let size = Size {
            taps: 2,
            depth,
            groups: STRIDE,
            outputs,
            gates: false,
        };
        let weight = |group, output, tap, k| {
            of.weight[(output * 2 * STRIDE + group + tap * STRIDE) * depth + k]
        };

        let order = |own, other| match of.axis {
            Axis::Sequences => [own, other],
            Axis::Positions => [other, own],
        };
        let longer = |length: usize, axis| length + usize::from(of.axis == axis);
        let grid = Grid {
            sequences: longer(of.input.sequences, Axis::Sequences),
            positions: longer(of.input.positions, Axis::Positions),
            input: of.input,
            strides: [1, 1],
            taps: vec![[0, 0], order(-1, 0)],
            output: of.output,
            steps: match of.axis {
                Axis::Sequences => [STRIDE, 1],
                Axis::Positions => [1, STRIDE],
            },
            offsets: (0..STRIDE as isize)
                .map(|group| order(group - of.cut as isize, 0))
                .collect(),
        };
        let activation = if of.gelu {
            Activation::Gelu
        } else {
            Activation::None
        };
        let packed = Packed::new(isa.widths(), size, weight, |output| of.bias[output]);
        Self::new(isa, grid, packed, activation, None)
    }

    fn new(
        isa: Isa,
        grid: Grid,
        packed: Packed,
        activation: Activation,
        table: Option<&[f32]>,
    ) -> Self {
        Self {
            isa,
            zeros: vec![0.0; grid.input.channels],
            grid,
            packed,
            activation,
            table: table.map(<[f32]>::to_vec),
        }
    }

    /// Returns the number of products of two numbers.
    pub fn products(&self) -> u64 {
        let Size {
            taps,
            depth,
            groups,
            outputs,
            gates,
        } = self.packed.size;
        let columns = groups * outputs * if gates { 2 } else { 1 };
        (self.grid.rows() * taps * depth * columns) as u64
    }

    /// Computes `output` from `input`. `add`, of the output's shape, is added after the activation.
    pub fn run(&self, input: &[f32], add: Option<&[f32]>, output: &mut [f32]) {
        assert_eq!(input.len(), self.grid.input.len(), "input");
        assert_eq!(output.len(), self.grid.output.len(), "output");
        assert!(add.is_none_or(|add| add.len() == output.len()), "sum");

        let rows = self.grid.rows();
        let blocks = rows.div_ceil(BLOCK);
        let panels = self.packed.panels.len();
        let parts = LEAST_BLOCKS.div_ceil(blocks).min(panels);
        let finish = Finish {
            packed: &self.packed,
            activation: self.activation,
            add,
            table: self.table.as_deref(),
            output: Shared::new(output),
        };

        (0..blocks * parts).into_par_iter().for_each(|task| {
            let (block, part) = (task / parts, task % parts);
            let rows = block * BLOCK..rows.min((block + 1) * BLOCK);
            let panels = panels * part / parts..panels * (part + 1) / parts;
            Block::of(&self.grid, &self.packed, rows, input, &self.zeros, &finish)
                .run(self.isa, panels);
        });
    }
}
