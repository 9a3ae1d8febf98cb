//! Tests of the checkpoint reader: the files that it accepts, those that it refuses and with which
//! message, and that it never panics.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails is the test")]

mod accepted;
mod hostile;
mod pickled;
mod refused;
mod tensors;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use safetensors::tensor::Dtype;
use serde_json::{Value as Json, json};
use sextet_separator::model::{ExportOptions, ModelError, Precision};
use sextet_separator::{ErrorKind, Model};
use sextet_testing::checkpoint::{Checkpoint, Tensor};
use sextet_testing::damage::{Random, damage};
use sextet_testing::small::{checkpoint, small, with};
use sextet_testing::targets::read_checkpoint;

/// Longest time in which a small file must be refused, however absurd it is. A hang or a huge
/// allocation would exceed it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Checks that `bytes` are refused in time, with the error variant `variant` and a message that
/// contains all of `named`.
fn refused(what: &str, bytes: &[u8], variant: &str, named: &[&str]) {
    let start = Instant::now();
    let Err(error) = Model::read(bytes) else {
        panic!("{what}: accepted")
    };

    assert!(
        start.elapsed() < PATIENCE,
        "{what}: took {:?}",
        start.elapsed()
    );

    let message = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Model, "{what}: {message}");
    let Some(cause) = error.cause::<ModelError>() else {
        panic!("{what}: not a ModelError: {message}")
    };

    let found = format!("{cause:?}");
    assert_eq!(
        found.split([' ', '{']).next(),
        Some(variant),
        "{what}: {message}"
    );

    let shown: String = message.chars().take(300).collect();
    assert!(
        !message.contains(char::is_control) && message.len() < 1_000,
        "{what}: {shown}"
    );

    for part in named {
        assert!(
            message.contains(part),
            "{what}: '{message}' does not name '{part}'"
        );
    }
}

/// Returns a small checkpoint with one argument changed.
fn changed(name: &str, value: Json) -> Vec<u8> {
    edited(|checkpoint| {
        let arguments = with(small(), name, value.clone());
        checkpoint
            .metadata
            .insert("kwargs".to_owned(), arguments.to_string());
    })
}

/// Returns a small checkpoint after `edit`.
fn edited(edit: impl FnOnce(&mut Checkpoint)) -> Vec<u8> {
    let mut checkpoint = checkpoint(&small(), 1);
    edit(&mut checkpoint);
    checkpoint.bytes()
}

/// Returns a small checkpoint with another value of a metadata entry, or without the entry.
fn metadata(entry: &str, value: Option<&str>) -> Vec<u8> {
    edited(|checkpoint| match value {
        Some(value) => drop(
            checkpoint
                .metadata
                .insert(entry.to_owned(), value.to_owned()),
        ),
        None => drop(checkpoint.metadata.remove(entry)),
    })
}

/// Returns a small checkpoint with one tensor changed.
fn tensor(edit: impl FnOnce(&mut Tensor)) -> Vec<u8> {
    edited(|checkpoint| {
        let tensor = checkpoint
            .tensors
            .iter_mut()
            .find(|tensor| tensor.name == TENSOR)
            .unwrap();
        edit(tensor);
    })
}

/// Name of the tensor that the tests change: [4], the first layer's bias.
const TENSOR: &str = "encoder.0.conv.bias";

proptest! {
    #[test]
    fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(!read_checkpoint(&bytes));
    }

    /// Checks bytes that resemble a header.
    #[test]
    fn random_headers_are_refused(header in "\\{(\"[a-z_]{0,12}\":[\\[\\]{}0-9\",:a-zF]{0,40},?){0,4}\\}", data in proptest::collection::vec(any::<u8>(), 0..64)) {
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat();
        prop_assert!(!read_checkpoint(&bytes));
    }
}
