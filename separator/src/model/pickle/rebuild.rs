//! Calls of the known functions and classes: the values that they make of their arguments.

use super::error::{Damage, Result, unknown};
use super::global::Global;
use super::object::{Id, Object, Objects, kind};
use super::tensor::{Storage, Tensor};

/// Longest text that stands for a fraction, in bytes.
const LONGEST_FRACTION: usize = 64;
/// Longest name of a storage, in bytes. PyTorch numbers them.
const LONGEST_KEY: usize = 64;
/// Largest number of axes of a tensor.
const MOST_AXES: usize = 16;

/// Outcome of a call.
pub(super) enum Made<'a> {
    New(Object<'a>),
    /// A value that is there already. Nothing is copied, or a small file could ask for much.
    Same(Id),
}

/// Returns what `called` makes of `arguments`, a tuple.
pub(super) fn call<'a>(
    objects: &Objects<'a>,
    called: Id,
    arguments: Id,
    at: usize,
) -> Result<Made<'a>> {
    let arguments = objects.elements(arguments, at)?;
    let Object::Global(global) = *objects.get(called) else {
        return Err(kind(objects.get(called), at, "a class"));
    };

    let made = match global {
        Global::OrderedDict if arguments.is_empty() => Object::Dict(Vec::new()),
        Global::OrderedDict => return Err(unknown("a dictionary that is made of a list")),
        Global::Container => match *arguments {
            [] => Object::Tuple(Vec::new()),
            [contents, ..] => {
                objects.elements(contents, at)?;
                return Ok(Made::Same(contents));
            }
        },
        Global::Fraction => fraction(objects, arguments, at)?,
        Global::Tensor => tensor(objects, arguments, at)?,
        Global::Parameter => match arguments.first().map(|&first| (first, objects.get(first))) {
            Some((first, Object::Tensor(_))) => return Ok(Made::Same(first)),
            _ => return Err(unknown("a parameter that is not a tensor")),
        },
        Global::Storage(_) => return Err(unknown("a storage that is part of the pickle")),
        Global::Model { module, name } => {
            return Err(unknown(format!("a whole '{module}.{name}'")));
        }
    };
    Ok(Made::New(made))
}

/// Returns a fraction of a text such as `39/5`, as Python wrote it up to 3.11, or of two numbers.
fn fraction<'a>(objects: &Objects<'a>, arguments: &[Id], at: usize) -> Result<Object<'a>> {
    let (numerator, denominator) = match *arguments {
        [text] => {
            let text = objects.text(text, at)?;
            let text = text.get(..text.len().min(LONGEST_FRACTION)).unwrap_or(text);
            let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
            (numerator.parse().ok(), denominator.parse().ok())
        }
        [numerator, denominator] => (
            Some(objects.int(numerator, at)?),
            Some(objects.int(denominator, at)?),
        ),
        _ => (None, None),
    };

    match (numerator, denominator) {
        (Some(numerator), Some(denominator)) => Ok(Object::Fraction(numerator, denominator)),
        _ => Err(unknown("a fraction of other than two whole numbers")),
    }
}

/// Returns the tensor of `_rebuild_tensor(storage, offset, size, stride, ...)`.
fn tensor<'a>(objects: &Objects<'a>, arguments: &[Id], at: usize) -> Result<Object<'a>> {
    let [storage, offset, shape, strides, ..] = *arguments else {
        let (found, expected) = ("tensor of too few arguments", "four or more");
        return Err(Damage::Kind {
            at,
            found,
            expected,
        }
        .into());
    };

    let Object::Storage(storage) = *objects.get(storage) else {
        return Err(kind(objects.get(storage), at, "a storage"));
    };

    let axes = |id| -> Result<usize> { Ok(objects.elements(id, at)?.len()) };
    let (axes, others) = (axes(shape)?, axes(strides)?);
    if axes != others || axes > MOST_AXES {
        return Err(unknown(format!(
            "a tensor of {axes} axes and {others} strides"
        )));
    }

    Ok(Object::Tensor(Tensor {
        storage,
        offset: objects.size(offset, at)?,
        shape: objects.sizes(shape, at)?,
        strides: objects.sizes(strides, at)?,
    }))
}

/// Returns what the tuple `named` names that lies outside of the pickle: a storage,
/// `('storage', class, key, location, elements)`, or in the older format a class with its source,
/// `('module', class, file, source)`.
pub(super) fn outside<'a>(objects: &Objects<'a>, named: Id, at: usize) -> Result<Made<'a>> {
    let parts = objects.elements(named, at)?;
    let Some(&tag) = parts.first() else {
        return Err(unknown("something outside of the pickle"));
    };

    match (objects.text(tag, at)?, parts) {
        ("storage", _) => storage(objects, parts, at).map(Made::New),
        ("module", &[_, class, _file, _source]) => Ok(Made::Same(class)),
        (other, _) => Err(unknown(format!("a '{other}' outside of the pickle"))),
    }
}

/// Returns the storage of `parts`. In the older format a view may be at their end.
fn storage<'a>(objects: &Objects<'a>, parts: &[Id], at: usize) -> Result<Object<'a>> {
    let &[_, class, key, _location, elements, ref view @ ..] = parts else {
        return Err(unknown("a storage of too few parts"));
    };

    if view
        .iter()
        .any(|&view| !matches!(objects.get(view), Object::None))
    {
        return Err(unknown("a view of a storage"));
    }

    let Object::Global(Global::Storage(element)) = *objects.get(class) else {
        return Err(unknown("a storage of another kind"));
    };

    let key = objects.text(key, at)?;
    if key.len() > LONGEST_KEY {
        return Err(unknown(format!("a storage called '{key}'")));
    }

    Ok(Object::Storage(Storage {
        key,
        element,
        elements: objects.size(elements, at)?,
    }))
}
