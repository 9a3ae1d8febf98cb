//! Stems as files: their names, their writers, and the set of them that appears whole or not at
//! all.

mod disk;
mod files;
mod form;
mod manifest;
mod template;
mod writers;

pub(crate) use disk::Naming;
pub(crate) use files::{StemFiles, clipped};
pub(crate) use form::{Created, Form};
pub(crate) use manifest::{
    Entry, FILE_NAME as MANIFEST_NAME, FileRecord, Made, Manifest, SongRecord, Stamp,
    lock as lock_manifests,
};
pub(crate) use template::{
    DEFAULT as DEFAULT_TEMPLATE, JOINED as JOINED_TEMPLATE, Template, Values,
};
pub(crate) use writers::{Care, StemWriters, as_library, bytes, cannot_write};
