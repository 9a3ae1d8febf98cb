//! Tensors of a pickle, and the storages that their numbers lie in.

use std::borrow::Cow;
use std::collections::BTreeMap;

use safetensors::Dtype;

use super::super::error::shown;
use super::error::{Damage, Result};

/// Storage: numbers of one type, in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage<'a> {
    /// Its name in the file.
    pub(super) key: &'a str,
    pub(super) element: Dtype,
    pub(super) elements: usize,
}

impl Storage<'_> {
    /// Returns the number of bytes, or `None` if it is more than there can be.
    pub(super) fn bytes(&self) -> Option<usize> {
        self.elements.checked_mul(size(self.element))
    }
}

/// Tensor: some numbers of a storage.
#[derive(Clone, Debug)]
pub(super) struct Tensor<'a> {
    pub(super) storage: Storage<'a>,
    /// Element of the storage that it begins with.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// Distance between two elements along each axis, in elements of the storage.
    pub(super) strides: Vec<usize>,
}

/// The bytes of the storages by their names.
pub(super) trait Storages<'a> {
    /// Returns the bytes of `storage`.
    fn bytes(&mut self, storage: &Storage<'_>) -> Result<&'a [u8]>;
}

/// Tensors that are gathered from their storages.
pub(super) struct Gathering<'a, 'b> {
    storages: &'b mut dyn Storages<'a>,
    /// Bytes of the storages that were read, which are checked only once.
    read: BTreeMap<String, &'a [u8]>,
    /// Number of elements that may still be gathered. Tensors may share a storage, so that a small
    /// file could ask for much.
    left: usize,
}

impl<'a, 'b> Gathering<'a, 'b> {
    /// Gathers from the storages of a file of `file_bytes` bytes.
    pub(super) fn new(storages: &'b mut dyn Storages<'a>, file_bytes: usize) -> Self {
        Self {
            storages,
            read: BTreeMap::new(),
            left: file_bytes.saturating_mul(2),
        }
    }

    /// Returns the bytes of `tensor`, row by row, where they lie or gathered. `name` is for the
    /// message.
    pub(super) fn bytes(&mut self, name: &str, tensor: &Tensor<'_>) -> Result<Cow<'a, [u8]>> {
        let storage = &tensor.storage;
        let outside = || Damage::OutOfStorage {
            name: shown(name),
            found: storage.elements,
        };

        let count = count(&tensor.shape).ok_or_else(outside)?;
        self.left = self.left.checked_sub(count).ok_or(Damage::Repeated)?;
        let (size, bytes) = (size(storage.element), self.storage(storage)?);
        if count == 0 {
            return Ok(Cow::Borrowed(&[]));
        }

        let last = last(tensor).filter(|&last| last < storage.elements);
        let last = last.ok_or_else(outside)?;
        if is_dense(tensor) {
            return Ok(Cow::Borrowed(
                &bytes[tensor.offset * size..(last + 1) * size],
            ));
        }

        let mut gathered = Vec::with_capacity(count * size);
        for index in 0..count {
            let at = element(tensor, index) * size;
            gathered.extend_from_slice(&bytes[at..at + size]);
        }
        Ok(Cow::Owned(gathered))
    }

    /// Returns the bytes of `storage`, which are as many as it says.
    fn storage(&mut self, storage: &Storage<'_>) -> Result<&'a [u8]> {
        let bytes = match self.read.get(storage.key) {
            Some(bytes) => bytes,
            None => {
                let bytes = self.storages.bytes(storage)?;
                self.read.insert(storage.key.to_owned(), bytes);
                bytes
            }
        };

        if storage.bytes() == Some(bytes.len()) {
            return Ok(bytes);
        }
        let (key, found) = (shown(storage.key), bytes.len());
        let expected = storage.elements as u64;
        Err(Damage::Storage {
            key,
            found,
            expected: expected.saturating_mul(size(storage.element) as u64),
        }
        .into())
    }
}

/// Returns the number of bytes of an element.
pub(super) fn size(element: Dtype) -> usize {
    element.bitsize() / 8
}

fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |a, &b| a.checked_mul(b))
}

/// Returns the last element of the storage that a tensor of one element or more takes.
fn last(tensor: &Tensor<'_>) -> Option<usize> {
    let mut axes = tensor.shape.iter().zip(&tensor.strides);
    axes.try_fold(tensor.offset, |last, (&size, &stride)| {
        last.checked_add((size - 1).checked_mul(stride)?)
    })
}

/// Returns whether the elements lie in a row.
fn is_dense(tensor: &Tensor<'_>) -> bool {
    let mut expected = 1;
    let axes = tensor.shape.iter().zip(&tensor.strides).rev();
    axes.filter(|&(&size, _)| size != 1)
        .all(|(&size, &stride)| {
            let dense = stride == expected;
            expected *= size;
            dense
        })
}

/// Returns the place in the storage of the element that is number `index` of the tensor.
fn element(tensor: &Tensor<'_>, mut index: usize) -> usize {
    let axes = tensor.shape.iter().zip(&tensor.strides).rev();
    axes.fold(tensor.offset, |at, (&size, &stride)| {
        let along = index % size;
        index /= size;
        at + along * stride
    })
}
