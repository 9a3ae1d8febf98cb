//! Division of a long song into short segments and back: which frames each chunk hears, and how the
//! outputs are joined.

mod grid;
mod history;
mod overlap_add;

pub(crate) use grid::{Chunk, ChunkGrid};
pub(crate) use history::{History, copy_stretch};
pub(crate) use overlap_add::OverlapAdd;
