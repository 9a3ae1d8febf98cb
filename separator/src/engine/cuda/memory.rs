//! Memory for tensors. Tensors whose lifetimes do not overlap share it.

use crate::engine::sharing::{Order, Sharing};
use crate::model::program::{Program, Tensor};

/// Alignment of every tensor, in bytes.
const ALIGNMENT: usize = 1024;

/// Offsets of tensors in the GPU's memory.
#[derive(Debug)]
pub(super) struct Memory {
    total: usize,
    /// Pieces that tensors share, unless every tensor is to have a piece of its own.
    sharing: Option<Sharing>,
    /// Offset of each of these pieces.
    offsets: Vec<usize>,
}

impl Memory {
    /// Creates the memory of a program. With `keep_all`, no two tensors share any.
    pub(super) fn new(program: &Program, keep_all: bool) -> Self {
        Self {
            total: 0,
            sharing: (!keep_all).then(|| Sharing::new(program, Order::ByBranch)),
            offsets: Vec::new(),
        }
    }

    /// Returns the number of bytes of all tensors.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Reserves `bytes` that nothing else uses, and returns their offset.
    pub(super) fn reserve(&mut self, bytes: usize) -> usize {
        let offset = self.total;
        self.total = (offset + bytes).next_multiple_of(ALIGNMENT);
        offset
    }

    /// Returns the offset of `bytes` for a tensor that step `step` uses first.
    pub(super) fn place(&mut self, tensor: Tensor, bytes: usize, step: usize) -> usize {
        let Some(sharing) = &mut self.sharing else {
            return self.reserve(bytes);
        };

        let piece = sharing.place(tensor, bytes, step);
        if piece == self.offsets.len() {
            let offset = self.reserve(bytes);
            self.offsets.push(offset);
        }
        self.offsets[piece]
    }
}
