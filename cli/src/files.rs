//! What several commands do with files.

use std::path::Path;

use anyhow::{Context as _, Result};
use sextet_protocol::cache::sha256_of_file;

use crate::fault::{Fault, Kind};

/// The SHA-256 of the file at `path` in hex.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let unreadable = || Fault::new(Kind::Input, format!("cannot read '{}'", path.display()));
    sha256_of_file(path, &|| false).with_context(unreadable)
}
