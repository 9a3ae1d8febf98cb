//! Memory for tensors. Tensors whose lifetimes do not overlap share it.

use std::collections::HashMap;

use crate::model::program::{Branch, Operation, Program, Step, Tensor};

/// Alignment of every tensor, in bytes.
const ALIGNMENT: usize = 1024;

/// Sizes of what was reserved so far.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    total: usize,
}

impl Sizes {
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Reserves `bytes` that nothing else uses, and returns their offset.
    pub(super) fn reserve(&mut self, bytes: usize) -> usize {
        let offset = self.total;
        self.total = (offset + bytes).next_multiple_of(ALIGNMENT);
        offset
    }
}

/// Lifetimes of tensors, and the memory of those that have ended.
///
/// The launches of one branch run one after another, those of different branches side by side. So
/// memory passes only between tensors that a single branch uses, and within that branch.
#[derive(Debug)]
pub(super) struct Lifetimes {
    /// Last step that uses a tensor, and the branch if there is one only.
    uses: HashMap<Tensor, (usize, Option<Branch>)>,
    /// Memory in use: the last step, the branch, offset and size.
    active: Vec<(usize, Branch, usize, usize)>,
    /// Memory that is free for a branch: offset and size.
    free: Vec<(Branch, usize, usize)>,
}

impl Lifetimes {
    pub(super) fn of(program: &Program) -> Self {
        let mut uses: HashMap<Tensor, (usize, Option<Branch>)> = HashMap::new();
        for (index, step) in program.steps.iter().enumerate() {
            for tensor in tensors_of(step) {
                let (last, branch) = uses.entry(tensor).or_insert((index, Some(step.branch)));
                *last = index;
                if *branch != Some(step.branch) {
                    *branch = None;
                }
            }
        }

        Self {
            uses,
            active: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Returns the offset of `bytes` for a tensor that step `step` writes first.
    pub(super) fn place(
        &mut self,
        tensor: Tensor,
        bytes: usize,
        step: usize,
        sizes: &mut Sizes,
    ) -> usize {
        let Some(&(last, Some(branch))) = self.uses.get(&tensor) else {
            return sizes.reserve(bytes);
        };

        // Free what no later step of the branch uses.
        let free = &mut self.free;
        self.active.retain(|&(last, branch, offset, size)| {
            if last < step {
                free.push((branch, offset, size));
            }
            last >= step
        });

        // The smallest piece that is large enough.
        let best = free
            .iter()
            .enumerate()
            .filter(|(_, (owner, _, size))| *owner == branch && *size >= bytes)
            .min_by_key(|(_, (_, _, size))| *size)
            .map(|(index, _)| index);
        let (offset, size) = match best {
            Some(index) => {
                let (_, offset, size) = free.swap_remove(index);
                (offset, size)
            }
            None => (sizes.reserve(bytes), bytes),
        };
        self.active.push((last, branch, offset, size));
        offset
    }
}

/// Returns all tensors that a step reads or writes.
pub(super) fn tensors_of(step: &Step) -> Vec<Tensor> {
    let (mut all, some): (Vec<Tensor>, Vec<Option<Tensor>>) = match &step.operation {
        Operation::Spectrum(o) => (vec![o.output], vec![]),
        Operation::Waveform(o) => (vec![o.output], vec![]),
        Operation::Convolution(o) => (vec![o.input, o.output], vec![o.add]),
        Operation::Upsampling(o) => (vec![o.input, o.output], vec![o.add]),
        Operation::Finish(o) => (vec![o.input, o.output], vec![o.add]),
        Operation::DConv(o) => (vec![o.tensor], vec![]),
        Operation::Embedding(o) => (vec![o.input, o.output, o.normalised], vec![]),
        Operation::LayerNorm(o) => (vec![o.input, o.output], vec![]),
        Operation::GroupNorm(o) => (vec![o.input, o.output], vec![o.add, o.normalised]),
        Operation::Attention(o) => (
            vec![o.query.tensor, o.key.tensor, o.value.tensor, o.output],
            vec![],
        ),
        Operation::Synthesis(o) => (vec![o.spectra, o.waveforms], vec![]),
    };

    all.extend(some.into_iter().flatten());
    all
}

/// Returns the tensors that a step writes.
pub(super) fn outputs_of(step: &Step) -> Vec<Tensor> {
    match &step.operation {
        Operation::Spectrum(o) => vec![o.output],
        Operation::Waveform(o) => vec![o.output],
        Operation::Convolution(o) => vec![o.output],
        Operation::Upsampling(o) => vec![o.output],
        Operation::Finish(o) => vec![o.output],
        Operation::DConv(o) => vec![o.tensor],
        Operation::Embedding(o) => vec![o.output, o.normalised],
        Operation::LayerNorm(o) => vec![o.output],
        Operation::GroupNorm(o) => [Some(o.output), o.normalised]
            .into_iter()
            .flatten()
            .collect(),
        Operation::Attention(o) => vec![o.output],
        Operation::Synthesis(_) => vec![],
    }
}
