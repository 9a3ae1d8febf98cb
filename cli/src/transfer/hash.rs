//! Hash of a file that came over the network.

use std::path::Path;

use anyhow::{Context as _, Result};
use sextet_protocol::cache::sha256_of_file;

use super::TransferListener;
use crate::fault::{Fault, Kind};

/// Returns the SHA-256 of the file at `path` in hex.
///
/// # Errors
/// When the file cannot be read, or `listener` cancelled.
pub(crate) fn sha256(path: &Path, listener: &dyn TransferListener) -> Result<String> {
    let unreadable = || Fault::new(Kind::Input, format!("cannot read '{}'", path.display()));
    let found = sha256_of_file(path, &|| listener.cancelled());
    super::check(listener)?;
    found.with_context(unreadable)
}
