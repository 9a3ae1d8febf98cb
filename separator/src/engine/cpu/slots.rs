//! Memory of a program's tensors: buffers that tensors share whose values are never needed at the
//! same time.

use crate::engine::sharing::{Order, Sharing};
use crate::model::program::Program;

/// Buffers of a program's tensors.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slots {
    /// Number of each tensor's buffer.
    pub(super) of: Vec<usize>,
    /// Number of elements of each buffer.
    pub(super) lengths: Vec<usize>,
}

impl Slots {
    /// Assigns the buffers. A step's outputs never share one with its inputs.
    pub(super) fn assign(program: &Program) -> Self {
        let mut sharing = Sharing::new(program, Order::Sequential);
        let mut of = vec![usize::MAX; program.tensors.len()];
        for (index, step) in program.steps.iter().enumerate() {
            for tensor in step.operation.tensors() {
                if of[tensor.0] == usize::MAX {
                    let length = program.tensors[tensor.0].len();
                    of[tensor.0] = sharing.place(tensor, length, index);
                }
            }
        }

        Self {
            of,
            lengths: sharing.into_sizes(),
        }
    }
}
