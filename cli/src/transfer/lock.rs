//! Locks between processes that fetch the same file.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;

use anyhow::Result;

use super::exchange::GLANCE;
use super::{TransferListener, check};
use crate::fault::Fault;

/// Creates the file at `path` and locks it, waiting until no other process holds the lock. Dropping
/// the file releases it.
///
/// # Errors
/// `unwritable` when the file cannot be created or locked; or `listener` cancelled.
pub(crate) fn lock(
    path: &Path,
    listener: &dyn TransferListener,
    unwritable: impl Fn(&io::Error) -> Fault,
) -> Result<File> {
    let file = File::create(path).map_err(|error| unwritable(&error))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(GLANCE),
            Err(TryLockError::Error(error)) => return Err(unwritable(&error).into()),
        }
        check(listener)?;
    }
}
