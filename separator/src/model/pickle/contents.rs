//! Contents of a file of `torch.save`, as far as a model is made of them: tensors by their names,
//! and for demucs' own files the class of the model with its arguments (`demucs/states.py`,
//! `serialize_model`).

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::super::checkpoint::decode;
use super::super::error::{ModelError, shown};
use super::super::weights::{Array, Weights};
use super::archive::{self, Archive};
use super::error::{Damage, unknown};
use super::global::Global;
use super::legacy::Legacy;
use super::machine::Pickle;
use super::tensor::Gathering;
use super::{Id, Machine, Object, Objects, Result, Storages};

/// Deepest nesting of arguments.
const DEEPEST: usize = 16;
/// Largest number of values in the arguments, each counted as often as it is used.
const MOST_ARGUMENTS: usize = 10_000;

/// Longest name of a tensor, in bytes.
const LONGEST_NAME: usize = 512;

/// Names under which training programs keep the tensors beside other things: demucs' own, that of
/// Lightning, and others' habits.
const STATES: [&str; 4] = ["state", "state_dict", "model_state_dict", "model"];

/// Tensors of a file, and the model that it says it is.
pub(crate) struct Contents {
    pub(crate) weights: Weights,
    /// The model in demucs' own files; `None` in files of nothing but tensors.
    pub(crate) package: Option<Package>,
}

/// Model that demucs describes.
pub(crate) struct Package {
    /// Class, such as `demucs.htdemucs.HTDemucs`.
    pub(crate) class: String,
    /// Positional arguments, a list.
    pub(crate) args: Json,
    /// Arguments by name, an object.
    pub(crate) kwargs: Json,
}

impl Contents {
    /// Reads the bytes of a file.
    pub(crate) fn read(bytes: &[u8]) -> std::result::Result<Self, ModelError> {
        if !archive::begins(bytes) {
            let (pickle, mut storages) = Legacy::open(bytes)?;
            return Self::of(&pickle, &mut storages, bytes.len());
        }

        let mut archive = Archive::open(bytes)?;
        let pickle = archive.pickle()?;
        if pickle.len() > super::LARGEST_PICKLE_BYTES {
            let (found, expected) = (pickle.len(), super::LARGEST_PICKLE_BYTES);
            return Err(Damage::TooLarge { found, expected }.into());
        }
        Self::of(&Machine::run(pickle)?, &mut archive, bytes.len())
    }

    fn of<'a>(
        pickle: &Pickle<'a>,
        storages: &mut dyn Storages<'a>,
        file_bytes: usize,
    ) -> Result<Self> {
        let (objects, root) = (&pickle.objects, pickle.root);
        let package = objects.value(root, "klass");
        let package = package.map(|class| read_package(objects, root, class));
        let package = package.transpose()?;

        let state = STATES.iter().find_map(|name| {
            let state = objects.value(root, name)?;
            matches!(objects.get(state), Object::Dict(_)).then_some(state)
        });
        let mut gathering = Gathering::new(storages, file_bytes);
        Ok(Self {
            weights: weights(objects, state.unwrap_or(root), &mut gathering)?,
            package,
        })
    }
}

fn read_package(objects: &Objects<'_>, root: Id, class: Id) -> Result<Package> {
    let class = match objects.get(class) {
        Object::Global(Global::Model { module, name }) => format!("{module}.{name}"),
        other => {
            return Err(unknown(format!(
                "a model whose class is a {}",
                other.kind()
            )));
        }
    };

    let mut left = MOST_ARGUMENTS;
    let mut part = |name, without| match objects.value(root, name) {
        Some(part) => json(objects, part, DEEPEST, &mut left),
        None => Ok(without),
    };
    Ok(Package {
        class,
        args: part("args", json!([]))?,
        kwargs: part("kwargs", json!({}))?,
    })
}

/// Returns the value `id` as demucs writes it into the metadata of its other format.
fn json(objects: &Objects<'_>, id: Id, deepest: usize, left: &mut usize) -> Result<Json> {
    let deepest = deepest.checked_sub(1).ok_or(Damage::Depth)?;
    *left = left.checked_sub(1).ok_or(Damage::Depth)?;

    Ok(match objects.get(id) {
        Object::None => Json::Null,
        Object::Bool(flag) => (*flag).into(),
        Object::Int(number) => (*number).into(),
        Object::Float(number) => (*number).into(),
        Object::Text(text) => (*text).into(),
        Object::Fraction(numerator, denominator) => {
            json!({ "numerator": numerator, "denominator": denominator })
        }
        Object::List(elements) | Object::Tuple(elements) => {
            let elements = elements.iter();
            let elements = elements.map(|&element| json(objects, element, deepest, left));
            Json::Array(elements.collect::<Result<_>>()?)
        }
        Object::Dict(pairs) => {
            let mut map = Map::new();
            for &(key, value) in pairs {
                let key = objects.text(key, 0)?.to_owned();
                map.insert(key, json(objects, value, deepest, left)?);
            }
            Json::Object(map)
        }
        other => return Err(unknown(format!("an argument that is a {}", other.kind()))),
    })
}

/// Returns the tensors of the dictionary `state`.
fn weights(objects: &Objects<'_>, state: Id, gathering: &mut Gathering<'_, '_>) -> Result<Weights> {
    let Object::Dict(pairs) = objects.get(state) else {
        let found = objects.get(state).kind();
        return Err(unknown(format!("a {found} in the place of its tensors")));
    };

    let mut arrays: BTreeMap<String, Array> = BTreeMap::new();
    for &(name, value) in pairs {
        let name = match objects.get(name) {
            Object::Text(name) if name.len() <= LONGEST_NAME => *name,
            Object::Text(name) => {
                return Err(unknown(format!("a tensor called '{}'", shown(name))));
            }
            other => return Err(unknown(format!("a {} that names a tensor", other.kind()))),
        };

        let Object::Tensor(tensor) = objects.get(value) else {
            let found = objects.get(value).kind();
            let what = format!("a {found} called '{}' among its tensors", shown(name));
            return Err(unknown(what));
        };

        let bytes = gathering.bytes(name, tensor)?;
        let array = decode(name, tensor.storage.element, &tensor.shape, &bytes)?;
        arrays.insert(name.to_owned(), array);
    }
    Ok(Weights::new(arrays))
}
