//! Values of a pickle. They lie in one list and name each other by their places in it, so that
//! neither loops nor depth can do harm.

use super::error::{Damage, Result};
use super::global::Global;
use super::tensor::{Storage, Tensor};

/// Place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(usize);

/// Value of a pickle, whose bytes live as long as `'a`.
#[derive(Clone, Debug)]
pub(super) enum Object<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    /// Bytes, of which nothing is made.
    Bytes,
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    /// Pairs in the order in which they were set. Of equal keys the last one counts.
    Dict(Vec<(Id, Id)>),
    /// Python's exact fraction.
    Fraction(i64, i64),
    /// Class or function.
    Global(Global<'a>),
    Storage(Storage<'a>),
    Tensor(Tensor<'a>),
}

impl Object<'_> {
    /// Returns the kind of value, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "truth value",
            Self::Int(_) => "whole number",
            Self::Float(_) => "number",
            Self::Text(_) => "text",
            Self::Bytes => "byte string",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Set(_) => "set",
            Self::Dict(_) => "dictionary",
            Self::Fraction(..) => "fraction",
            Self::Global(_) => "class",
            Self::Storage(_) => "storage",
            Self::Tensor(_) => "tensor",
        }
    }
}

/// All values of a pickle.
#[derive(Default)]
pub(super) struct Objects<'a>(Vec<Object<'a>>);

impl<'a> Objects<'a> {
    pub(super) fn push(&mut self, object: Object<'a>) -> Id {
        self.0.push(object);
        Id(self.0.len() - 1)
    }

    pub(super) fn get(&self, id: Id) -> &Object<'a> {
        &self.0[id.0]
    }

    pub(super) fn get_mut(&mut self, id: Id) -> &mut Object<'a> {
        &mut self.0[id.0]
    }

    /// Returns all storages, each as often as it is named.
    pub(super) fn storages(&self) -> impl Iterator<Item = Storage<'a>> {
        self.0.iter().filter_map(|object| match object {
            Object::Storage(storage) => Some(*storage),
            _ => None,
        })
    }

    /// Returns the elements of the tuple or list `id`; `at` is for the message.
    pub(super) fn elements(&self, id: Id, at: usize) -> Result<&[Id]> {
        match self.get(id) {
            Object::Tuple(elements) | Object::List(elements) => Ok(elements),
            other => Err(kind(other, at, "a tuple")),
        }
    }

    /// Returns the text `id`.
    pub(super) fn text(&self, id: Id, at: usize) -> Result<&'a str> {
        match self.get(id) {
            Object::Text(text) => Ok(text),
            other => Err(kind(other, at, "a text")),
        }
    }

    /// Returns the whole number `id`.
    pub(super) fn int(&self, id: Id, at: usize) -> Result<i64> {
        match self.get(id) {
            Object::Int(int) => Ok(*int),
            other => Err(kind(other, at, "a whole number")),
        }
    }

    /// Returns the whole number `id`, which counts something.
    pub(super) fn size(&self, id: Id, at: usize) -> Result<usize> {
        usize::try_from(self.int(id, at)?).map_err(|_| {
            let (found, expected) = ("negative number", "0 or more");
            Damage::Kind {
                at,
                found,
                expected,
            }
            .into()
        })
    }

    /// Returns the numbers of the tuple or list `id`, which count something.
    pub(super) fn sizes(&self, id: Id, at: usize) -> Result<Vec<usize>> {
        let elements = self.elements(id, at)?.iter();
        elements.map(|&element| self.size(element, at)).collect()
    }

    /// Returns the value of `key` in the dictionary `id`, if it is one.
    pub(super) fn value(&self, id: Id, key: &str) -> Option<Id> {
        let Object::Dict(pairs) = self.get(id) else {
            return None;
        };
        let named =
            |&&(name, _): &&(Id, Id)| matches!(self.get(name), Object::Text(name) if *name == key);
        pairs.iter().rev().find(named).map(|&(_, value)| value)
    }
}

/// Returns the error of `found` where something else is expected.
pub(super) fn kind(
    found: &Object<'_>,
    at: usize,
    expected: &'static str,
) -> super::super::error::ModelError {
    let found = found.kind();
    Damage::Kind {
        at,
        found,
        expected,
    }
    .into()
}
