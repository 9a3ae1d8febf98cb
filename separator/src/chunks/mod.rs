//! A long song in short segments and back: which chunk hears what, and how their outputs are
//! joined.

mod history;
mod overlap_add;
mod plan;

pub(crate) use history::{History, copy_stretch};
pub(crate) use overlap_add::OverlapAdd;
pub(crate) use plan::{Chunk, Plan};
