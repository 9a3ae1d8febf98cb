//! Stems as files: their names, their writers, and the set of them that appears whole or not at
//! all.

mod care;
mod disk;
mod files;
mod form;
mod manifest;
mod manifest_lock;
mod output_disk;
mod template;
mod writers;

pub(crate) use care::Care;
pub(crate) use disk::Naming;
pub(crate) use files::{StemFiles, clipped};
pub(crate) use form::{Created, Form};
pub(crate) use manifest::{
    Entry, FILE_NAME as MANIFEST_NAME, FileRecord, Made, Manifest, SongRecord, Stamp, Unknown,
};
pub(crate) use manifest_lock::ManifestLock;
pub(crate) use output_disk::OutputDisk;
pub(crate) use template::{
    DEFAULT as DEFAULT_TEMPLATE, JOINED as JOINED_TEMPLATE, Template, Values,
};
pub(crate) use writers::{StemWriters, as_library, bytes, cannot_write};
