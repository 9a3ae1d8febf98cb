//! Names of classes and functions in a pickle: those that are known, and what each stands for.

use safetensors::Dtype;

use super::error::{Result, unknown};

/// Class or function that a pickle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global<'a> {
    /// `collections.OrderedDict`, which is read as a dictionary.
    OrderedDict,
    /// `fractions.Fraction`.
    Fraction,
    /// `torch.Size` and sets, which are called with a list of what is in them.
    Container,
    /// `torch._utils._rebuild_tensor` and its successor, which takes more arguments.
    Tensor,
    /// `torch._utils._rebuild_parameter`.
    Parameter,
    /// Kind of storage, by the type of its elements.
    Storage(Dtype),
    /// Class of a model of demucs', which is never made.
    Model { module: &'a str, name: &'a str },
}

impl<'a> Global<'a> {
    /// Returns what `name` of `module` stands for.
    ///
    /// # Errors
    /// Returns an error that says the name if it is not one of those that are known.
    pub(super) fn find(module: &'a str, name: &'a str) -> Result<Self> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("fractions", "Fraction") => Self::Fraction,
            ("torch", "Size") => Self::Container,
            ("builtins" | "__builtin__", "set" | "frozenset") => Self::Container,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::Tensor,
            ("torch._utils", "_rebuild_parameter") => Self::Parameter,
            ("torch", _) if let Some(element) = element(name) => Self::Storage(element),
            ("demucs", _) => Self::Model { module, name },
            _ if module.starts_with("demucs.") => Self::Model { module, name },
            _ => return Err(unknown(format!("'{module}.{name}'"))),
        })
    }
}

/// Returns the type of the elements of the storage class `torch.<name>`.
fn element(name: &str) -> Option<Dtype> {
    Some(match name.strip_suffix("Storage")? {
        "Float" => Dtype::F32,
        "Half" => Dtype::F16,
        "BFloat16" => Dtype::BF16,
        "Double" => Dtype::F64,
        "Long" => Dtype::I64,
        "Int" => Dtype::I32,
        "Short" => Dtype::I16,
        "Char" => Dtype::I8,
        "Byte" => Dtype::U8,
        "Bool" => Dtype::BOOL,
        _ => return None,
    })
}
