//! The record of an installation. With it, a library that was changed later is detected before it
//! is loaded.

use std::path::Path;

use anyhow::{Context as _, Result};
use sextet_separator::tensorrt;

use crate::fault::{Fault, Kind};

/// Records the libraries in `folder`.
///
/// # Errors
/// When a library cannot be read or the record cannot be written.
pub(super) fn keep(folder: &Path) -> Result<()> {
    let failed = || {
        Fault::new(
            Kind::Output,
            format!("cannot record what is in '{}'", folder.display()),
        )
    };
    tensorrt::record(folder).with_context(failed)
}
