//! Named float32 arrays, taken one by one while the graph is written.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{ModelError, shown};

/// Dense row-major float32 array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    shape: Vec<usize>,
    data: Vec<f32>,
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
            data,
        }
    }

    /// Creates an array of `shape` whose element at each index is `element(index)`.
    pub(crate) fn from_fn(shape: &[usize], mut element: impl FnMut(&[usize]) -> f32) -> Self {
        let mut index = vec![0; shape.len()];
        let mut data = Vec::with_capacity(shape.iter().product());
        for _ in 0..shape.iter().product() {
            data.push(element(&index));
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
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
        Self::new(shape, self.data)
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
        for (row, factor) in self.data.chunks_mut(row).zip(factors) {
            row.iter_mut().for_each(|x| *x *= factor);
        }
        self
    }

    /// Multiplies all elements by `factor`.
    pub(crate) fn scale(mut self, factor: f32) -> Self {
        self.data.iter_mut().for_each(|x| *x *= factor);
        self
    }

    /// Returns the transpose of a matrix.
    pub(crate) fn transposed(&self) -> Self {
        let [rows, columns] = [self.shape[0], self.shape[1]];
        Self::from_fn(&[columns, rows], |i| self.data[i[1] * columns + i[0]])
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
