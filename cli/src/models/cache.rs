//! The hub's cache on this machine: which models are there, and where.
//!
//! The layout is the hub's own (huggingface_hub's), so demucs and Sextet share what either has fetched:
//! `<cache>/models--<owner>--<repository>/{refs/main, blobs/<etag>, snapshots/<commit>/<file> -> blob}`.

use std::fs;
use std::path::PathBuf;

use super::catalogue::{Entry, Hub};

/// The hub's cache: `HF_HUB_CACHE`, else `HF_HOME/hub`, else below the user's cache folder.
pub(crate) fn cache_folder() -> PathBuf {
    hf_hub::resolve_cache_dir()
}

/// The folder of one repository in the cache.
pub(super) fn repository_folder(hub: &Hub) -> PathBuf {
    cache_folder().join(format!("models--{}--{}", hub.owner, hub.repository))
}

/// Where hf-hub keeps the lock files of one repository.
pub(super) fn lock_folder(hub: &Hub) -> PathBuf {
    cache_folder().join(".locks").join(format!("models--{}--{}", hub.owner, hub.repository))
}

/// Files of a model that are here, in the order of [`Hub::files`]; `None` where one is missing.
pub(crate) fn files(hub: &Hub) -> Vec<Option<PathBuf>> {
    let folder = repository_folder(hub);
    let commit = fs::read_to_string(folder.join("refs/main")).unwrap_or_default();
    let commit = commit.trim();
    let snapshot = folder.join("snapshots").join(commit);
    let here = |file: String| Some(snapshot.join(file)).filter(|path| !commit.is_empty() && path.is_file());
    hub.files().into_iter().map(here).collect()
}

/// The bag's description and the checkpoints of `entry`, when all are here.
pub(crate) fn found(entry: &Entry) -> Option<Vec<PathBuf>> {
    files(entry.hub.as_ref()?).into_iter().collect()
}
