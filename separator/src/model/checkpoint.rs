//! Reader of checkpoints in demucs' two layouts: safetensors whose metadata hold the class and its
//! arguments, and the older `.th` files, which are PyTorch's.
//!
//! Sources of the layouts: `load_safetensors_model` of `demucs/hf.py` and `serialize_model` of
//! `demucs/states.py`, demucs 4.1.0.

use std::collections::BTreeMap;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors};
use serde_json::{Map, Value as Json};

use super::error::{ModelError, shown};
use super::pickle::{self, Contents, Package};
use super::weights::{Array, Weights};

/// Class that a checkpoint must have.
const CLASS: &str = "demucs.htdemucs.HTDemucs";

/// Checkpoint as read: arguments and tensors, not yet checked against each other.
pub(crate) struct Checkpoint {
    /// Arguments of `HTDemucs.__init__` by name; or why there are none, in a file that does not say
    /// what it is.
    pub(crate) arguments: Result<Map<String, Json>, ModelError>,
    /// All tensors.
    pub(crate) weights: Weights,
}

impl Checkpoint {
    /// Reads the bytes of a `.safetensors` file, or of one of PyTorch's.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ModelError> {
        match pickle::is_pickled(bytes) {
            true => Self::read_pickled(bytes),
            false => Self::read_safetensors(bytes),
        }
    }

    fn read_pickled(bytes: &[u8]) -> Result<Self, ModelError> {
        let Contents { package, weights } = Contents::read(bytes)?;
        let Some(Package {
            class,
            args,
            kwargs,
        }) = package
        else {
            let tensors = weights.tensors();
            let arguments = Err(ModelError::NoDescription { tensors });
            return Ok(Self { arguments, weights });
        };

        check_class(&class)?;
        Ok(Self {
            arguments: Ok(arguments(args, kwargs)?),
            weights,
        })
    }

    fn read_safetensors(bytes: &[u8]) -> Result<Self, ModelError> {
        let damaged = |error: SafeTensorError| ModelError::NotSafetensors {
            source: error.into(),
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let empty = Default::default();

        let metadata = header.metadata().as_ref().unwrap_or(&empty);
        let entry = |entry| {
            metadata
                .get(entry)
                .ok_or(ModelError::MissingMetadata { entry })
        };

        let json = |name| {
            serde_json::from_str::<Json>(entry(name)?).map_err(|error| ModelError::MetadataJson {
                entry: name,
                source: error.into(),
            })
        };

        let arguments = match entry("klass") {
            Err(missing) => Err(missing),
            Ok(class) => {
                check_class(class)?;
                Ok(arguments(json("args")?, json("kwargs")?)?)
            }
        };

        let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let arrays = tensors.iter().map(|(name, view)| {
            let array = decode(name, view.dtype(), view.shape(), view.data())?;
            Ok((name.to_owned(), array))
        });

        Ok(Self {
            arguments,
            weights: Weights::new(arrays.collect::<Result<BTreeMap<_, _>, ModelError>>()?),
        })
    }
}

fn check_class(found: &str) -> Result<(), ModelError> {
    match found {
        CLASS => Ok(()),
        _ => Err(ModelError::WrongClass {
            found: shown(found),
        }),
    }
}

/// Joins the positional arguments, of which only the first (`sources`) is ever used, with the named
/// ones.
fn arguments(positional: Json, by_name: Json) -> Result<Map<String, Json>, ModelError> {
    let found = shown(&positional);
    let Json::Array(positional) = positional else {
        return Err(ModelError::ArgumentValue {
            name: "args",
            found,
            expected: "a list",
        });
    };

    let found = shown(&by_name);
    let Json::Object(mut arguments) = by_name else {
        return Err(ModelError::ArgumentValue {
            name: "kwargs",
            found,
            expected: "an object",
        });
    };

    if positional.len() > 1 {
        return Err(ModelError::PositionalArguments {
            found: positional.len(),
        });
    }

    arguments.extend(
        positional
            .into_iter()
            .map(|sources| ("sources".to_owned(), sources)),
    );

    Ok(arguments)
}

/// Decodes the tensor `name`, whose elements are in `bytes` in row-major order.
pub(super) fn decode(
    name: &str,
    element: Dtype,
    shape: &[usize],
    bytes: &[u8],
) -> Result<Array, ModelError> {
    let data: Vec<f32> = match element {
        Dtype::F32 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|&b| f32::from_le_bytes(b))
            .collect(),
        Dtype::F16 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|&b| f16::from_le_bytes(b).to_f32())
            .collect(),
        Dtype::BF16 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|&b| bf16::from_le_bytes(b).to_f32())
            .collect(),
        other => {
            return Err(ModelError::TensorType {
                name: shown(name),
                found: format!("{other:?}"),
            });
        }
    };

    match data.iter().position(|x| !x.is_finite()) {
        Some(index) => Err(ModelError::NotFinite {
            name: shown(name),
            index,
            found: data[index],
        }),
        None => Ok(Array::new(shape, data)),
    }
}
