//! Small RoFormers with drawn weights: configurations, and checkpoints as safetensors or as
//! PyTorch's files.

use std::collections::BTreeMap;

use safetensors::tensor::Dtype;
use sextet_separator::Model;
use sextet_separator::model::ModelError;

use crate::checkpoint::{Checkpoint, Tensor};
use crate::draw::draw_roformer;
use crate::pickle::{Pickle, archive};
use crate::small::Tensors;

/// Returns the configuration of a small BS-RoFormer of four stems whose chunk is 1024 frames.
pub fn config() -> String {
    let model = [
        "dim: 8, depth: 1, stereo: true, num_stems: 4, time_transformer_depth: 1",
        "freq_transformer_depth: 1, freqs_per_bands: !!python/tuple [2, 2, 5, 24], dim_head: 4, heads: 2",
        "attn_dropout: 0.1, flash_attn: True, stft_n_fft: 64, stft_hop_length: 16, stft_win_length: 64",
        "stft_normalized: False, mask_estimator_depth: 2, multi_stft_resolutions_window_sizes: [4096, 256]",
    ];
    let sections = [
        format!("model: {{{}}}", model.join(", ")),
        "audio: {chunk_size: 131584, sample_rate: 44100, num_channels: 2}".to_owned(),
        "training: {instruments: [vocals, bass, drums, other], target_instrument: null, lr: 5.0e-05}".to_owned(),
        "inference: {batch_size: 1, num_overlap: 2, chunk_size: 1024}".to_owned(),
    ];
    sections.join("\n") + "\n"
}

/// Returns a file of safetensors without a description, drawn from `seed`.
pub fn checkpoint(tensors: &[(String, Vec<usize>)], seed: u64) -> Checkpoint {
    let tensor = |(index, (name, shape)): (usize, &(String, Vec<usize>))| {
        let values = draw_roformer(name, shape, seed * 1_000_003 + index as u64);
        Tensor::new(name, shape, Dtype::F32, &values)
    };
    Checkpoint {
        metadata: BTreeMap::from([("format".to_owned(), "pt".to_owned())]),
        tensors: tensors.iter().enumerate().map(tensor).collect(),
    }
}

/// Returns the tensors of `checkpoint` as an archive of PyTorch's, under `key` beside other things
/// if there is one.
pub fn pickled(checkpoint: &Checkpoint, key: Option<&str>) -> Vec<u8> {
    let begun = match key {
        None => Pickle::new().raw(b"}("),
        Some(key) => Pickle::new()
            .raw(b"}(")
            .text("epoch")
            .int(7)
            .text(key)
            .raw(b"}("),
    };

    let add = |pickle: Pickle, (index, tensor): (usize, &Tensor)| {
        let shape: Vec<i32> = tensor.shape.iter().map(|&size| size as i32).collect();
        let stride = |axis: usize| shape[axis + 1..].iter().product();
        let strides: Vec<i32> = (0..shape.len()).map(stride).collect();
        let elements = shape.iter().product();
        let named = pickle.text(&tensor.name);
        named.tensor(&index.to_string(), elements, 0, &shape, &strides)
    };
    let filled = checkpoint.tensors.iter().enumerate().fold(begun, add);
    let ended = filled.raw(if key.is_some() { b"uu" } else { b"u" }).end();

    let keys: Vec<String> = (0..checkpoint.tensors.len())
        .map(|key| key.to_string())
        .collect();
    let bytes = checkpoint
        .tensors
        .iter()
        .map(|tensor| tensor.bytes.as_slice());
    let storages: Vec<(&str, &[u8])> = keys.iter().map(String::as_str).zip(bytes).collect();
    archive(&ended, &storages)
}

/// Returns the tensors that `config` requires, learnt from the reader, which names the first that
/// is missing.
pub fn tensors(config: &str) -> Tensors {
    let mut tensors = Tensors::new();
    loop {
        let bytes = checkpoint(&tensors, 1).bytes();
        let Err(error) = Model::read_with_config(&bytes, config) else {
            return tensors;
        };
        match error.cause() {
            Some(ModelError::MissingTensor { name, expected }) => {
                tensors.push((name.clone(), expected.clone()));
            }
            other => panic!("{config} is refused: {other:?}"),
        }
    }
}
