//! Named float32 arrays, taken one by one while the graph is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::{ModelError, shown};

/// Number of rows and columns that are transposed at a time, so that both are in the cache.
const TILE: usize = 16;

/// Dense row-major float32 array. Its clones share the elements.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    shape: Vec<usize>,
    data: Arc<Vec<f32>>,
}

impl Array {
    /// Creates an array of `shape` from its elements in row-major order.
    pub(crate) fn new(shape: &[usize], data: Vec<f32>) -> Self {
        assert_eq!(
            shape.iter().product::<usize>(),
            data.len(),
            "elements of an array of shape {shape:?}"
        );
        Self {
            shape: shape.to_vec(),
            data: Arc::new(data),
        }
    }

    /// Creates an array of `shape` whose element at each index is `element(index)`.
    pub(crate) fn from_fn(shape: &[usize], mut element: impl FnMut(&[usize]) -> f32) -> Self {
        let count = shape.iter().product();
        let mut index = vec![0; shape.len()];
        let Some((&last, outer)) = shape.split_last().filter(|_| count > 0) else {
            let data = (0..count).map(|_| element(&index)).collect();
            return Self::new(shape, data);
        };

        let mut data = Vec::with_capacity(count);
        while data.len() < count {
            for column in 0..last {
                index[outer.len()] = column;
                data.push(element(&index));
            }
            for axis in (0..outer.len()).rev() {
                index[axis] += 1;
                if index[axis] < outer[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Self::new(shape, data)
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(crate) fn data(&self) -> &[f32] {
        &self.data
    }

    /// Returns the element at `index`.
    pub(crate) fn at(&self, index: &[usize]) -> f32 {
        let offset = index
            .iter()
            .zip(&self.shape)
            .fold(0, |offset, (&i, &size)| offset * size + i);
        self.data[offset]
    }

    /// Returns the same elements in another shape.
    pub(crate) fn reshape(self, shape: &[usize]) -> Self {
        assert_eq!(
            shape.iter().product::<usize>(),
            self.data.len(),
            "elements of an array of shape {shape:?}"
        );
        Self {
            shape: shape.to_vec(),
            data: self.data,
        }
    }

    /// Returns rows `start..end` of the first axis.
    pub(crate) fn rows(&self, start: usize, end: usize) -> Self {
        let row = self.data.len() / self.shape[0];
        let mut shape = self.shape.clone();
        shape[0] = end - start;
        Self::new(&shape, self.data[start * row..end * row].to_vec())
    }

    /// Multiplies each row of the first axis by its own factor.
    pub(crate) fn scale_rows(mut self, factors: &[f32]) -> Self {
        let row = self.data.len() / self.shape[0];
        assert_eq!(factors.len(), self.shape[0], "one factor a row");
        let data = Arc::make_mut(&mut self.data);
        for (row, factor) in data.chunks_mut(row).zip(factors) {
            row.iter_mut().for_each(|x| *x *= factor);
        }
        self
    }

    /// Multiplies all elements by `factor`.
    pub(crate) fn scale(mut self, factor: f32) -> Self {
        let data = Arc::make_mut(&mut self.data);
        data.iter_mut().for_each(|x| *x *= factor);
        self
    }

    /// Returns the transpose of a matrix.
    pub(crate) fn transposed(&self) -> Self {
        let [rows, columns] = [self.shape[0], self.shape[1]];
        let mut data = vec![0.0; self.data.len()];
        for row in (0..rows).step_by(TILE) {
            for column in (0..columns).step_by(TILE) {
                for to in column..columns.min(column + TILE) {
                    for from in row..rows.min(row + TILE) {
                        data[to * rows + from] = self.data[from * columns + to];
                    }
                }
            }
        }
        Self::new(&[columns, rows], data)
    }
}

/// Tensors of a checkpoint, as float32.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weights {
    arrays: BTreeMap<String, Array>,
}

impl Weights {
    pub(crate) fn new(arrays: BTreeMap<String, Array>) -> Self {
        Self { arrays }
    }

    /// Returns the number of tensors.
    pub(crate) fn tensors(&self) -> usize {
        self.arrays.len()
    }

    /// Returns the number of elements in all tensors.
    pub(crate) fn parameters(&self) -> usize {
        self.arrays.values().map(|array| array.data.len()).sum()
    }

    /// Removes and returns the tensor called `name`, which must have `shape`.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Array, ModelError> {
        self.expect(name, shape)?;
        self.arrays.remove(name).ok_or_else(|| missing(name, shape))
    }

    /// Checks that there is a tensor called `name` of `shape`.
    pub(crate) fn expect(&self, name: &str, shape: &[usize]) -> Result<(), ModelError> {
        let array = self.arrays.get(name).ok_or_else(|| missing(name, shape))?;
        if array.shape != shape {
            let (expected, found) = (shape.to_vec(), array.shape.clone());
            return Err(ModelError::TensorShape {
                name: name.to_owned(),
                expected,
                found,
            });
        }

        Ok(())
    }

    /// Checks that there are no tensors but those called `names`.
    pub(crate) fn expect_no_more<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), ModelError> {
        let names: BTreeSet<&str> = names.collect();
        let mut extra = self
            .arrays
            .keys()
            .filter(|name| !names.contains(name.as_str()));
        match extra.next() {
            Some(first) => Err(ModelError::ExtraTensors {
                count: 1 + extra.count(),
                first: shown(first),
            }),
            None => Ok(()),
        }
    }

    /// Checks that no tensor is left over.
    pub(crate) fn finish(self) -> Result<(), ModelError> {
        let count = self.arrays.len();
        match self.arrays.into_keys().next() {
            Some(first) => Err(ModelError::ExtraTensors {
                count,
                first: shown(first),
            }),
            None => Ok(()),
        }
    }
}

fn missing(name: &str, shape: &[usize]) -> ModelError {
    ModelError::MissingTensor {
        name: name.to_owned(),
        expected: shape.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn every_element_is_computed_from_its_index() {
        let shapes = [
            vec![],
            vec![1],
            vec![5],
            vec![2, 3],
            vec![1, 4, 1],
            vec![3, 1, 2, 5],
            vec![0],
            vec![2, 0, 3],
            vec![3, 0],
        ];
        each_case(shapes, |shape| {
            let number = |index: &[usize]| index.iter().fold(0, |sum, &i| 10 * sum + i) as f32;
            let array = Array::from_fn(&shape, number);
            assert_eq!(array.data().len(), shape.iter().product::<usize>());
            let mut places = vec![vec![]];
            for &size in &shape {
                let longer =
                    |place: Vec<usize>| (0..size).map(move |i| [&place[..], &[i]].concat());
                places = places.into_iter().flat_map(longer).collect();
            }
            let expected: Vec<f32> = places.iter().map(|place| number(place)).collect();
            assert_eq!(array.data(), expected);
        });
    }

    #[test]
    fn a_matrix_is_transposed_whatever_its_size() {
        let sizes = [1, 2, 15, 16, 17, 33];
        let cases = sizes
            .iter()
            .flat_map(|&rows| sizes.map(|columns| (rows, columns)));
        each_case(cases, |(rows, columns)| {
            let matrix = Array::from_fn(&[rows, columns], |i| (100 * i[0] + i[1]) as f32);
            let transposed = matrix.transposed();
            assert_eq!(transposed.shape(), [columns, rows]);
            let expected = Array::from_fn(&[columns, rows], |i| matrix.at(&[i[1], i[0]]));
            assert_eq!(transposed, expected);
        });
    }

    #[test]
    fn a_change_of_a_clone_leaves_the_others() {
        let array = Array::from_fn(&[2, 2], |i| (1 + i[0]) as f32);
        assert_eq!(array.clone().scale(2.0).data(), [2.0, 2.0, 4.0, 4.0]);
        let rows = array.clone().scale_rows(&[3.0, 5.0]);
        assert_eq!(rows.data(), [3.0, 3.0, 10.0, 10.0]);
        assert_eq!(array.data(), [1.0, 1.0, 2.0, 2.0]);
    }
}
