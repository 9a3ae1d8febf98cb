//! Memory of a program's tensors: buffers that tensors share whose values are never needed at the
//! same time.

use crate::model::program::{Operation, Program, Tensor};

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
        let mut last_use = vec![0; program.tensors.len()];
        for (index, step) in program.steps.iter().enumerate() {
            for Tensor(tensor) in operands(&step.operation) {
                last_use[tensor] = index;
            }
        }

        let mut slots = Self {
            of: vec![usize::MAX; program.tensors.len()],
            lengths: Vec::new(),
        };
        let mut free: Vec<usize> = Vec::new();
        for (index, step) in program.steps.iter().enumerate() {
            let operands = operands(&step.operation);
            for &Tensor(tensor) in &operands {
                if slots.of[tensor] == usize::MAX {
                    let length = program.tensors[tensor].len();
                    slots.of[tensor] = slots.take(&mut free, length);
                }
            }
            for Tensor(tensor) in operands {
                let slot = slots.of[tensor];
                if last_use[tensor] == index && !free.contains(&slot) {
                    free.push(slot);
                }
            }
        }
        slots
    }

    /// Takes the smallest free buffer that is large enough, or else the largest, or a new one.
    fn take(&mut self, free: &mut Vec<usize>, length: usize) -> usize {
        let fitting = free.iter().filter(|&&slot| self.lengths[slot] >= length);
        let smallest = fitting.min_by_key(|&&slot| self.lengths[slot]);
        let largest = free.iter().max_by_key(|&&slot| self.lengths[slot]);
        let Some(&slot) = smallest.or(largest) else {
            self.lengths.push(length);
            return self.lengths.len() - 1;
        };

        free.retain(|&other| other != slot);
        self.lengths[slot] = self.lengths[slot].max(length);
        slot
    }
}

/// Returns the tensors that an operation reads or writes.
fn operands(operation: &Operation) -> Vec<Tensor> {
    let (all, more): (Vec<Tensor>, Vec<Option<Tensor>>) = match operation {
        Operation::Spectrum(of) => (vec![of.output], vec![]),
        Operation::Waveform(of) => (vec![of.output], vec![]),
        Operation::Convolution(of) => (vec![of.input, of.output], vec![of.add]),
        Operation::Upsampling(of) => (vec![of.input, of.output], vec![of.add]),
        Operation::Finish(of) => (vec![of.input, of.output], vec![of.add]),
        Operation::DConv(of) => (vec![of.tensor], vec![]),
        Operation::Embedding(of) => (vec![of.input, of.output, of.normalised], vec![]),
        Operation::LayerNorm(of) => (vec![of.input, of.output], vec![]),
        Operation::GroupNorm(of) => (vec![of.input, of.output], vec![of.add, of.normalised]),
        Operation::Attention(of) => {
            let inputs = [of.query.tensor, of.key.tensor, of.value.tensor];
            ([&inputs[..], &[of.output]].concat(), vec![])
        }
        Operation::Synthesis(of) => (vec![of.spectra, of.waveforms], vec![]),
    };
    all.into_iter().chain(more.into_iter().flatten()).collect()
}
