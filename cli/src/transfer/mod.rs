//! Files that come over the network, and who hears how they come on.

mod bar;
mod client;
mod download;
mod exchange;
mod lock;
mod proxy;

use anyhow::Result;

pub(crate) use bar::Bar;
pub(crate) use client::{Client, Head, Lost, PATIENCE};
pub(crate) use download::{Download, Source, length};
pub(crate) use lock::lock;

use crate::fault::{Fault, Kind};

/// Hears how files that come over the network come on, and may end it.
pub(crate) trait TransferListener {
    /// So many files of so many bytes in all are to be here in the end; some may be here already.
    /// Called once, before the first file.
    fn planned(&mut self, _files: usize, _total_bytes: Option<u64>) {}

    /// A file begins, or goes on where an earlier try stopped.
    fn began(&mut self, file: &str, total_bytes: Option<u64>);

    /// So many bytes of it are here. Said up to thousands of times a second, and of fewer bytes
    /// than before where a host begins again.
    fn moved(&mut self, done_bytes: u64);

    /// All bytes of the file are here: it is checked, and put in its place.
    fn installing(&mut self, _file: &str) {}

    /// The file is in its place. `verified` says what it was compared with.
    fn installed(&mut self, _file: &str, _verified: &str) {}

    /// Whether to stop, asked several times a second whatever is waited for; what is here stays, to
    /// be gone on with.
    fn cancelled(&self) -> bool;
}

/// Fails when `listener` wants to stop.
///
/// # Errors
/// A fault of [`Kind::Interrupted`].
pub(crate) fn check(listener: &dyn TransferListener) -> Result<()> {
    if listener.cancelled() {
        Err(cancelled().into())
    } else {
        Ok(())
    }
}

/// What ends a transfer whose listener wants to stop.
pub(crate) fn cancelled() -> Fault {
    Fault::new(Kind::Interrupted, "cancelled").help("asked again, it goes on where it stopped")
}
