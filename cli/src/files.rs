//! What several commands do with files.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::fault::{Fault, Kind};

/// The SHA-256 of the file at `path` in hex.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let unreadable = || Fault::new(Kind::Input, format!("cannot read '{}'", path.display()));
    let mut file = File::open(path).with_context(unreadable)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).with_context(unreadable)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => hash.update(&buffer[..read]),
        }
    }
}
