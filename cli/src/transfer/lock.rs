//! Waiting for whoever else fetches the same file.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;

use anyhow::Result;

use super::exchange::GLANCE;
use super::{TransferListener, check};
use crate::fault::Fault;

/// Locks the file at `path`, which is made, as soon as no other process has it; until the file is
/// dropped.
///
/// # Errors
/// `unwritable` when it cannot be made or locked; or `listener` cancelled.
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
