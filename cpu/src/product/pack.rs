//! Weights of a product in the order in which tiles read them.

use std::ops::Range;

use crate::buffer::Buffer;
use crate::isa::Widths;
use crate::operands::{Piece, pieces};

/// Vector of outputs: neighbouring columns of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) group: usize,
    /// First column in the group.
    pub(super) first: usize,
    /// Number of columns that are there.
    pub(super) valid: usize,
}

/// Vectors of outputs that are computed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Panel {
    /// Outputs, after the activation.
    pub(super) columns: Range<usize>,
    /// Vectors of weights, twice as many if there are gates.
    pub(super) vectors: usize,
    /// First of the weights, and of the biases.
    pub(super) weights: usize,
    pub(super) biases: usize,
}

/// Size of a product: each row has `taps` places of `depth` numbers, and gives `groups` groups of
/// `outputs` numbers each, or of twice as many if the second half of them are gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) taps: usize,
    pub(super) depth: usize,
    pub(super) groups: usize,
    pub(super) outputs: usize,
    pub(super) gates: bool,
}

/// Weights and biases of a product, panel by panel.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    pub(super) size: Size,
    pub(super) pieces: Vec<Piece>,
    pub(super) columns: Vec<Column>,
    pub(super) panels: Vec<Panel>,
    /// [panels][taps, depth, vectors, lanes], with zeros for outputs that are not there.
    pub(super) weights: Buffer,
    /// [panels][vectors, lanes]
    pub(super) biases: Buffer,
}

impl Packed {
    /// Packs the weights `weight(group, output, tap, k)` and the biases `bias(output)`, in which
    /// `output` counts gates too.
    pub(super) fn new(
        widths: Widths,
        size: Size,
        weight: impl Fn(usize, usize, usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        let lanes = widths.lanes;
        let columns: Vec<Column> = (0..size.groups)
            .flat_map(|group| {
                (0..size.outputs)
                    .step_by(lanes)
                    .map(move |first| (group, first))
            })
            .map(|(group, first)| Column {
                group,
                first,
                valid: lanes.min(size.outputs - first),
            })
            .collect();

        let each = if size.gates { 2 } else { 1 };
        let most = widths.vectors / each;
        let count = columns.len().div_ceil(most);
        let numbers = size.taps * size.depth;
        let mut panels = Vec::with_capacity(count);
        let (mut weights, mut biases) = (0, 0);
        for index in 0..count {
            let columns = columns.len() * index / count..columns.len() * (index + 1) / count;
            let vectors = each * columns.len();
            panels.push(Panel {
                columns,
                vectors,
                weights,
                biases,
            });
            weights += numbers * vectors * lanes;
            biases += vectors * lanes;
        }

        let mut packed = Self {
            size,
            pieces: pieces(size.taps, size.depth),
            columns,
            panels,
            weights: Buffer::zeros(weights),
            biases: Buffer::zeros(biases),
        };
        packed.fill(lanes, weight, bias);
        packed
    }

    fn fill(
        &mut self,
        lanes: usize,
        weight: impl Fn(usize, usize, usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) {
        let Size { taps, depth, .. } = self.size;
        for panel in &self.panels {
            let width = panel.vectors * lanes;
            for vector in 0..panel.vectors {
                let count = panel.columns.len();
                let column = self.columns[panel.columns.start + vector % count];
                let first = column.first + vector / count * self.size.outputs;
                for lane in 0..column.valid {
                    let at = vector * lanes + lane;
                    self.biases[panel.biases + at] = bias(first + lane);
                    for tap in 0..taps {
                        for k in 0..depth {
                            let row = panel.weights + (tap * depth + k) * width;
                            self.weights[row + at] = weight(column.group, first + lane, tap, k);
                        }
                    }
                }
            }
        }
    }
}
