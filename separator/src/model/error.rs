//! Errors of checkpoints and models.

use std::path::PathBuf;

use crate::error::BoxedError;
use crate::{Error, ErrorKind, Remedy};

/// Reason why a checkpoint cannot be used. Every message names what was found and what was
/// expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ModelError {
    #[error("cannot read the checkpoint {path}: {source}; expected a .safetensors file or a .th file as demucs publishes them", path = path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "this is not a safetensors checkpoint: {source}; expected a whole .safetensors or .th file as demucs publishes them"
    )]
    NotSafetensors { source: BoxedError },
    #[error(
        "this is not a whole checkpoint of PyTorch's: {source}; expected a .ckpt, .pt or .th file as torch.save writes them"
    )]
    NotPyTorch { source: BoxedError },
    #[error(
        "the checkpoint holds {name}, which Sextet does not know; expected tensors, numbers, texts and containers of them"
    )]
    UnknownObject { name: String },
    #[error(
        "the checkpoint holds {tensors} tensors and does not say what model they are of; expected its configuration in a .yaml file beside it, or demucs' layout with klass, args and kwargs"
    )]
    NoDescription { tensors: usize },
    #[error(
        "the checkpoint does not say what it is: metadata entry '{entry}' is missing; expected demucs' layout with klass, args and kwargs"
    )]
    MissingMetadata { entry: &'static str },
    #[error("the checkpoint's metadata entry '{entry}' is not valid JSON: {source}")]
    MetadataJson {
        entry: &'static str,
        source: BoxedError,
    },
    #[error("the checkpoint is a {found}; Sextet runs demucs.htdemucs.HTDemucs only")]
    WrongClass { found: String },
    #[error(
        "the checkpoint gives {found} positional arguments to HTDemucs; expected the sources at most, the rest by name"
    )]
    PositionalArguments { found: usize },
    #[error("HTDemucs has no argument '{name}' that Sextet knows; expected one of demucs 4.1.0's")]
    UnknownArgument { name: String },
    #[error("the checkpoint's argument {name} is {found}; expected {expected}")]
    ArgumentValue {
        name: &'static str,
        found: String,
        expected: &'static str,
    },
    #[error(
        "the checkpoint needs {feature} ({name} = {found}), which Sextet does not support; expected {name} = {expected}"
    )]
    Unsupported {
        feature: &'static str,
        name: &'static str,
        found: String,
        expected: &'static str,
    },
    #[error(
        "the checkpoint's sources are {found}; expected demucs' four (drums, bass, other, vocals) or six (guitar, piano too), each once"
    )]
    Sources { found: String },
    #[error(
        "this is no configuration of a model: {source}; expected the YAML that a RoFormer was trained with"
    )]
    NotConfig { source: BoxedError },
    #[error("cannot read the configuration {path}: {source}; expected a .yaml file", path = path.display())]
    UnreadableConfig {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the configuration's setting {name} is {found}; expected {expected}")]
    Setting {
        name: String,
        found: String,
        expected: String,
    },
    #[error(
        "the configuration's section '{section}' has a setting '{name}' that Sextet does not know; expected those of BS-RoFormer or Mel-Band RoFormer"
    )]
    UnknownSetting { name: String, section: &'static str },
    #[error(
        "the configuration's instruments are {found}; expected some of drums, bass, other, vocals, guitar and piano, each once"
    )]
    Instruments { found: String },
    #[error("the checkpoint lacks the tensor '{name}' of shape {expected:?}")]
    MissingTensor { name: String, expected: Vec<usize> },
    #[error("the tensor '{name}' has shape {found:?}; its arguments ask for {expected:?}")]
    TensorShape {
        name: String,
        expected: Vec<usize>,
        found: Vec<usize>,
    },
    #[error(
        "the checkpoint has {count} tensors that the model it describes does not have, '{first}' for one"
    )]
    ExtraTensors { count: usize, first: String },
    #[error("the tensor '{name}' is stored as {found}; expected F32, F16 or BF16")]
    TensorType { name: String, found: String },
    #[error("the tensor '{name}' holds {found} at element {index}; expected numbers")]
    NotFinite {
        name: String,
        index: usize,
        found: f32,
    },
    #[error(
        "a bag needs at least one model, and as many rows of weights as models; found {models} models and {rows} rows"
    )]
    EmptyBag { models: usize, rows: usize },
    #[error("the bag's models do not go together: one gives {found}, the first gives {expected}")]
    MixedBag { expected: String, found: String },
    #[error(
        "model {model} of the bag has {found} weights; expected one for each of the {expected} sources, 0 or more, not all 0"
    )]
    BagWeights {
        model: usize,
        expected: usize,
        found: String,
    },
    #[error(
        "the model has {networks} networks, counted from 0; there is no number {found} to export"
    )]
    NoSuchNetwork { networks: usize, found: usize },
    #[error(
        "the model is a RoFormer, which this version exports as an ONNX graph and does not run itself"
    )]
    NoProgram,
    #[error("a graph for {found} segments at a time cannot be written; expected 1 to 64")]
    Batch { found: usize },
}

/// Formats `found` for a message: on one line, and short however long the checkpoint's texts are.
pub(super) fn shown(found: impl ToString) -> String {
    const LONGEST: usize = 160;
    let found = found.to_string();
    let mut shown: String = found
        .chars()
        .take(LONGEST)
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect();

    if found.chars().nth(LONGEST).is_some() {
        shown.push('\u{2026}');
    }

    shown
}

impl ModelError {
    /// Returns what can be done about the error, the best first.
    pub fn remedies(&self) -> Vec<Remedy> {
        match self {
            Self::Unreadable { .. } => vec![Remedy::CheckPermissions],
            Self::NotSafetensors { .. }
            | Self::NotPyTorch { .. }
            | Self::MetadataJson { .. }
            | Self::MissingMetadata { .. }
            | Self::MissingTensor { .. }
            | Self::TensorShape { .. }
            | Self::ExtraTensors { .. }
            | Self::TensorType { .. }
            | Self::NotFinite { .. } => vec![Remedy::ReplaceCheckpoint],
            Self::UnknownObject { .. } => vec![Remedy::ConvertCheckpoint, Remedy::ChooseModel],
            Self::NoDescription { .. } => vec![Remedy::AddConfiguration, Remedy::ChooseModel],
            Self::NotConfig { .. } | Self::UnreadableConfig { .. } | Self::Setting { .. } => {
                vec![Remedy::AddConfiguration]
            }
            Self::UnknownSetting { .. }
            | Self::Instruments { .. }
            | Self::NoProgram
            | Self::WrongClass { .. }
            | Self::UnknownArgument { .. }
            | Self::Unsupported { .. }
            | Self::Sources { .. } => vec![Remedy::ChooseModel],
            Self::PositionalArguments { .. }
            | Self::ArgumentValue { .. }
            | Self::EmptyBag { .. }
            | Self::MixedBag { .. }
            | Self::BagWeights { .. }
            | Self::NoSuchNetwork { .. }
            | Self::Batch { .. } => Vec::new(),
        }
    }
}

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        let kind = match error {
            ModelError::NoSuchNetwork { .. } | ModelError::Batch { .. } => ErrorKind::Options,
            _ => ErrorKind::Model,
        };
        let remedies = error.remedies();
        Error::new(kind, error).with_remedies(remedies)
    }
}
