//! Order of songs' ends: they are reported in the order of the songs, whichever ended first.

use std::collections::BTreeMap;

/// Holds items back until their turn.
#[derive(Debug)]
pub(super) struct InOrder<T> {
    next: usize,
    early: BTreeMap<usize, T>,
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self {
            next: 0,
            early: BTreeMap::new(),
        }
    }
}

impl<T> InOrder<T> {
    /// Adds the item of song number `index`. Returns the items that can be told now, in order.
    pub(super) fn push(&mut self, index: usize, item: T) -> Vec<T> {
        self.early.insert(index, item);
        let mut ready = Vec::new();
        while let Some(item) = self.early.remove(&self.next) {
            ready.push(item);
            self.next += 1;
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn what_comes_early_waits_for_its_turn() {
        let cases: [(&[usize], &[&[usize]]); 4] = [
            (&[0, 1, 2], &[&[0], &[1], &[2]]),
            (&[1, 0, 2], &[&[], &[0, 1], &[2]]),
            (&[3, 2, 1, 0], &[&[], &[], &[], &[0, 1, 2, 3]]),
            (&[0, 3, 1, 4, 2], &[&[0], &[], &[1], &[], &[2, 3, 4]]),
        ];
        each_case(cases, |(comes, told)| {
            let mut order = InOrder::default();
            let found: Vec<Vec<usize>> = comes
                .iter()
                .map(|&index| order.push(index, index))
                .collect();
            assert_eq!(found, told, "{comes:?}");
        });
    }
}
