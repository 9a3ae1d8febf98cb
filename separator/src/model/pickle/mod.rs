//! Reader of what PyTorch's `torch.save` writes: `.ckpt`, `.pt` and `.th` files.
//!
//! Such a file is a pickle, a program for a small stack machine that may call any function of
//! Python, with the tensors' bytes beside it. The [`Machine`] here knows texts, numbers, containers
//! and tensors. It calls nothing: what it would have to call is a name that it knows or an error.
//!
//! Sources of the layouts: Python's `pickletools.py`; `torch/serialization.py` (`_save`,
//! `_legacy_save`) and `torch/_utils.py` of PyTorch 2.11.

mod archive;
mod contents;
mod error;
mod global;
mod legacy;
mod machine;
mod object;
mod rebuild;
mod tensor;

pub(super) use contents::{Contents, Package};
use error::Result;
use machine::Machine;
use object::{Id, Object, Objects};
use tensor::Storages;

/// Largest pickle that is read, in bytes. Tensors lie beside it, so that one of a million names is
/// smaller. An object takes some 40 bytes of memory for each byte of the pickle at most.
const LARGEST_PICKLE_BYTES: usize = 16 << 20;

/// Returns whether `bytes` begin as a file of `torch.save` does, of this format or an older one.
pub(super) fn is_pickled(bytes: &[u8]) -> bool {
    archive::begins(bytes) || legacy::begins(bytes)
}
