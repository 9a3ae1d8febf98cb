//! Size of a tensor.

/// Size of a tensor, whose channels lie innermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Shape {
    pub sequences: usize,
    pub positions: usize,
    pub channels: usize,
}

impl Shape {
    /// Returns the number of sequences' positions.
    pub fn rows(self) -> usize {
        self.sequences * self.positions
    }

    /// Returns the number of elements.
    pub fn len(self) -> usize {
        self.rows() * self.channels
    }

    /// Returns whether there are no elements.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}
