//! Places of a product's rows in the tensors that it reads and writes.

use crate::shape::Shape;

/// Grid of rows over a tensor: row (s, p) reads the places (s, p) times `strides` plus each of
/// `taps` of the input, which is zero outside, and writes the places (s, p) times `steps` plus each
/// of `offsets` of the output, which are left out outside.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub(super) sequences: usize,
    pub(super) positions: usize,
    pub(super) input: Shape,
    pub(super) strides: [usize; 2],
    pub(super) taps: Vec<[isize; 2]>,
    pub(super) output: Shape,
    pub(super) steps: [usize; 2],
    pub(super) offsets: Vec<[isize; 2]>,
}

impl Grid {
    pub(super) fn rows(&self) -> usize {
        self.sequences * self.positions
    }

    /// Returns the sequence and the position of a row.
    pub(super) fn place(&self, row: usize) -> [usize; 2] {
        [row / self.positions, row % self.positions]
    }

    /// Returns the offset of the numbers that the row at `place` reads at `tap`.
    pub(super) fn input(&self, place: [usize; 2], tap: usize) -> Option<usize> {
        offset(self.input, place, self.strides, self.taps[tap])
    }

    /// Returns the offset of the numbers that the row at `place` writes for `group`.
    pub(super) fn output(&self, place: [usize; 2], group: usize) -> Option<usize> {
        offset(self.output, place, self.steps, self.offsets[group])
    }
}

fn offset(
    shape: Shape,
    [sequence, position]: [usize; 2],
    factors: [usize; 2],
    shift: [isize; 2],
) -> Option<usize> {
    let sequence = (sequence * factors[0]).wrapping_add_signed(shift[0]);
    let position = (position * factors[1]).wrapping_add_signed(shift[1]);
    (sequence < shape.sequences && position < shape.positions)
        .then(|| (sequence * shape.positions + position) * shape.channels)
}
