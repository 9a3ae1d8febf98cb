//! Small models with drawn weights, quick enough to separate many songs.

use std::collections::BTreeMap;
use std::sync::Mutex;

use safetensors::tensor::Dtype;
use serde_json::{Value as Json, json};
use sextet_separator::Model;
use sextet_separator::model::ModelError;

use crate::checkpoint::Checkpoint;

/// Returns the arguments of a small six-stem model with every part of HTDemucs and a segment of
/// half a second.
pub fn small() -> Json {
    json!({
        "sources": ["drums", "bass", "other", "vocals", "guitar", "piano"],
        "channels": 4, "depth": 3, "t_layers": 2, "t_heads": 2, "t_hidden_scale": 2.0, "dconv_mode": 3, "dconv_comp": 2,
        "bottom_channels": 8, "segment": 0.5,
    })
}

/// Returns the arguments of the quickest model that has anything to learn: one layer, no
/// transformer, four stems.
pub fn tiny(segment_s: f64) -> Json {
    json!({
        "sources": ["drums", "bass", "other", "vocals"],
        "channels": 1, "depth": 1, "t_layers": 0, "dconv_mode": 0, "dconv_comp": 1, "context": 0, "freq_emb": 0,
        "segment": segment_s,
    })
}

/// Returns `arguments` with `name` set to `value`.
pub fn with(mut arguments: Json, name: &str, value: Json) -> Json {
    arguments[name] = value;
    arguments
}

/// Returns a checkpoint for the given arguments.
pub fn checkpoint(arguments: &Json, seed: u64) -> Checkpoint {
    Checkpoint::htdemucs(arguments, &tensors(arguments), Dtype::F32, seed)
}

/// Names and shapes of a model's tensors.
pub type Tensors = Vec<(String, Vec<usize>)>;

/// Returns the tensors that the arguments require.
///
/// They are learnt from the reader, which names the first missing tensor. The parity fixtures show
/// that it asks for the right ones. That takes as many reads as there are tensors, so the result is
/// kept.
pub fn tensors(arguments: &Json) -> Tensors {
    static KNOWN: Mutex<BTreeMap<String, Tensors>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    known
        .entry(arguments.to_string())
        .or_insert_with(|| learn(arguments))
        .clone()
}

fn learn(arguments: &Json) -> Tensors {
    let mut tensors = Vec::new();
    loop {
        let Err(error) =
            Model::read(&Checkpoint::htdemucs(arguments, &tensors, Dtype::F32, 1).bytes())
        else {
            return tensors;
        };
        match error.cause() {
            Some(ModelError::MissingTensor { name, expected }) => {
                tensors.push((name.clone(), expected.clone()))
            }
            other => panic!("{arguments} is refused: {other:?}"),
        }
    }
}

/// Returns a model for the given arguments.
pub fn model(arguments: &Json, seed: u64) -> Model {
    Model::read(&checkpoint(arguments, seed).bytes()).unwrap()
}
