//! Checkpoints as bytes, in demucs' own layout or with the defects that a test needs.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::Value as Json;

use crate::draw::draw;

/// Safetensors file that has not been written yet.
#[derive(Clone)]
pub struct Checkpoint {
    pub metadata: BTreeMap<String, String>,
    pub tensors: Vec<Tensor>,
}

/// Tensor of a checkpoint.
#[derive(Clone)]
pub struct Tensor {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Tensor {
    /// Creates a tensor of `values` stored as `dtype`: F32, F16, BF16, F64 or I64.
    pub fn new(name: &str, shape: &[usize], dtype: Dtype, values: &[f32]) -> Self {
        let values = values.iter().copied();
        let bytes = match dtype {
            Dtype::F16 => values
                .flat_map(|x| half::f16::from_f32(x).to_le_bytes())
                .collect(),
            Dtype::BF16 => values
                .flat_map(|x| half::bf16::from_f32(x).to_le_bytes())
                .collect(),
            Dtype::F64 => values.flat_map(|x| f64::from(x).to_le_bytes()).collect(),
            Dtype::I64 => values.flat_map(|x| (x as i64).to_le_bytes()).collect(),
            _ => values.flat_map(f32::to_le_bytes).collect(),
        };

        Self {
            name: name.to_owned(),
            dtype,
            shape: shape.to_vec(),
            bytes,
        }
    }
}

impl Checkpoint {
    /// Creates an HTDemucs of `tensors`, all drawn from `seed` and stored as `dtype`.
    pub fn htdemucs(
        kwargs: &Json,
        tensors: &[(String, Vec<usize>)],
        dtype: Dtype,
        seed: u64,
    ) -> Self {
        let tensor = |(index, (name, shape)): (usize, &(String, Vec<usize>))| {
            Tensor::new(
                name,
                shape,
                dtype,
                &draw(name, shape, seed * 1_000_003 + index as u64),
            )
        };

        let metadata = [
            ("klass", "demucs.htdemucs.HTDemucs".to_owned()),
            ("args", "[]".to_owned()),
            ("kwargs", kwargs.to_string()),
        ];

        let metadata = metadata
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        Self {
            metadata,
            tensors: tensors.iter().enumerate().map(tensor).collect(),
        }
    }

    /// Returns the bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|tensor| {
            (
                &tensor.name,
                TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes).unwrap(),
            )
        });
        let metadata: HashMap<String, String> = self.metadata.clone().into_iter().collect();
        serialize(views, Some(metadata)).unwrap()
    }
}
