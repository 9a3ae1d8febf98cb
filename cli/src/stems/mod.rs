//! Stems as files: their names, their writers, and the set of them that appears whole or not at
//! all.

mod files;
mod template;
mod writers;

pub(crate) use files::StemFiles;
pub(crate) use template::{DEFAULT as DEFAULT_TEMPLATE, Template, Values};
pub(crate) use writers::{Care, StemWriters, as_library, bytes, cannot_write};
