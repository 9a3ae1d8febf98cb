//! Memory that tensors of a program share because they are never needed at the same time.

use std::collections::HashMap;

use crate::model::program::{Branch, Program, Tensor};

/// Order in which an engine runs the steps of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// One step after another. Memory is allocated once all tensors have a piece, so a piece grows
    /// to the largest of its tensors.
    Sequential,
    /// Steps of one branch one after another, those of different branches side by side. A piece
    /// stays within one branch and as large as it was made: its address is taken at once.
    ByBranch,
}

/// Pieces of memory, and the tensors that have them one after another.
#[derive(Debug)]
pub(super) struct Sharing {
    order: Order,
    /// Last step that uses a tensor, and its branch if there is one only.
    uses: HashMap<Tensor, (usize, Option<Branch>)>,
    /// Size of each piece.
    sizes: Vec<usize>,
    /// Pieces in use: the last step, the branch, the piece.
    active: Vec<(usize, Branch, usize)>,
    /// Pieces that are free for a branch.
    free: Vec<(Branch, usize)>,
}

impl Sharing {
    /// Creates the pieces of a program, none as yet.
    pub(super) fn new(program: &Program, order: Order) -> Self {
        let mut uses: HashMap<Tensor, (usize, Option<Branch>)> = HashMap::new();
        for (index, step) in program.steps.iter().enumerate() {
            let branch = match order {
                Order::Sequential => Branch::Frequency,
                Order::ByBranch => step.branch,
            };
            for tensor in step.operation.tensors() {
                let (last, of) = uses.entry(tensor).or_insert((index, Some(branch)));
                *last = index;
                if *of != Some(branch) {
                    *of = None;
                }
            }
        }

        Self {
            order,
            uses,
            sizes: Vec::new(),
            active: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Returns the piece for `size` bytes or elements of a tensor that step `step` uses first.
    /// Steps come in ascending order, so a step's outputs never share a piece with its inputs.
    pub(super) fn place(&mut self, tensor: Tensor, size: usize, step: usize) -> usize {
        let Some(&(last, Some(branch))) = self.uses.get(&tensor) else {
            return self.add(size);
        };

        self.release(step);
        let piece = match self.best(branch, size) {
            Some(index) => {
                let (_, piece) = self.free.swap_remove(index);
                self.sizes[piece] = self.sizes[piece].max(size);
                piece
            }
            None => self.add(size),
        };
        self.active.push((last, branch, piece));
        piece
    }

    /// Returns the size of each piece.
    pub(super) fn into_sizes(self) -> Vec<usize> {
        self.sizes
    }

    fn add(&mut self, size: usize) -> usize {
        self.sizes.push(size);
        self.sizes.len() - 1
    }

    /// Frees what `step` and all later ones do not use.
    fn release(&mut self, step: usize) {
        let free = &mut self.free;
        self.active.retain(|&(last, branch, piece)| {
            if last < step {
                free.push((branch, piece));
            }
            last >= step
        });
    }

    /// Returns the place in `free` of the smallest piece that is large enough, or else of the
    /// largest if it may grow.
    fn best(&self, branch: Branch, size: usize) -> Option<usize> {
        let of_branch = || {
            let free = self.free.iter().enumerate();
            free.filter(|(_, (owner, _))| *owner == branch)
                .map(|(index, &(_, piece))| (index, self.sizes[piece]))
        };

        let fitting = of_branch().filter(|&(_, there)| there >= size);
        let smallest = fitting.min_by_key(|&(_, there)| there);
        let largest = || match self.order {
            Order::Sequential => of_branch().max_by_key(|&(_, there)| there),
            Order::ByBranch => None,
        };
        smallest.or_else(largest).map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::Cases;

    use super::*;
    use crate::Model;

    /// Places all tensors of a program as an engine does. Returns each one's piece, and the sizes
    /// of all pieces.
    fn placed(program: &Program, order: Order) -> (Vec<Option<usize>>, Vec<usize>) {
        let mut sharing = Sharing::new(program, order);
        let mut pieces = vec![None; program.tensors.len()];
        for (index, step) in program.steps.iter().enumerate() {
            for tensor in step.operation.tensors() {
                let size = program.tensors[tensor.0].len();
                pieces[tensor.0].get_or_insert_with(|| sharing.place(tensor, size, index));
            }
        }
        (pieces, sharing.into_sizes())
    }

    /// Returns the first and the last step that use each tensor, and the branches of all of them.
    fn uses(program: &Program) -> HashMap<usize, (usize, usize, Vec<Branch>)> {
        let mut uses = HashMap::new();
        for (index, step) in program.steps.iter().enumerate() {
            for tensor in step.operation.tensors() {
                let entry = uses.entry(tensor.0);
                let (_, last, branches) = entry.or_insert((index, index, Vec::new()));
                *last = index;
                if !branches.contains(&step.branch) {
                    branches.push(step.branch);
                }
            }
        }
        uses
    }

    #[test]
    fn pieces_are_shared_and_never_by_tensors_that_are_needed_at_the_same_time() {
        let model = Model::bundled().unwrap();
        let program = model.networks_of().next().unwrap().program().unwrap();
        let all: usize = program.tensors.iter().map(|shape| shape.len()).sum();
        let uses = uses(&program);

        let mut cases = Cases::default();
        for order in [Order::Sequential, Order::ByBranch] {
            cases.run(format!("{order:?}"), || {
                let (pieces, sizes) = placed(&program, order);
                assert!(sizes.iter().sum::<usize>() < all / 2, "{sizes:?}");

                for (a, piece) in pieces.iter().enumerate() {
                    let Some(piece) = *piece else { continue };
                    assert!(program.tensors[a].len() <= sizes[piece], "tensor {a}");
                    let (a_first, a_last, a_on) = &uses[&a];
                    for b in (0..a).filter(|&b| pieces[b] == Some(piece)) {
                        let (b_first, b_last, b_on) = &uses[&b];
                        assert!(
                            a_last < b_first || b_last < a_first,
                            "tensors {a} and {b} are needed at the same time"
                        );
                        let is_one_branch = a_on.len() == 1 && a_on == b_on;
                        assert!(
                            order == Order::Sequential || is_one_branch,
                            "tensors {a} and {b} belong to different branches"
                        );
                    }
                }
            });
        }
        cases.finish("orders of steps");
    }
}
