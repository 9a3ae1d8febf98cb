//! Locks between processes that fetch the same file.

use std::io;
use std::path::Path;

use anyhow::Result;
use sextet_fs::FileLock;

use super::exchange::GLANCE;
use super::{TransferListener, cancelled};
use crate::fault::Fault;

/// Waits for the lock of the file at `path`, which is created if needed, with its folder.
///
/// # Errors
/// `unwritable` when the file cannot be created or locked; or `listener` cancelled.
pub(crate) fn lock(
    path: &Path,
    listener: &dyn TransferListener,
    unwritable: impl Fn(&io::Error) -> Fault,
) -> Result<FileLock> {
    let lock = FileLock::wait(path, || listener.cancelled(), GLANCE);
    let lock = lock.map_err(|error| unwritable(&error))?;
    Ok(lock.ok_or_else(cancelled)?)
}
