//! Transfers of files over the network, and the listeners that follow their progress.

mod answer;
mod bar;
mod client;
mod download;
mod exchange;
mod hash;
mod lock;
mod proxy;
mod routes;

use anyhow::Result;

pub(crate) use answer::{Head, Lost, PATIENCE};
pub(crate) use bar::Bar;
pub(crate) use client::Client;
pub(crate) use download::{Download, Source, length};
pub(crate) use hash::sha256;
pub(crate) use lock::lock;

use crate::fault::{Fault, Kind};

/// Receives the progress of files that come over the network, and may cancel them.
pub(crate) trait TransferListener {
    /// Called once, before the first file, with the number of files and their total size. Some may
    /// be here already.
    fn planned(&mut self, _files: usize, _total_bytes: Option<u64>) {}

    /// Called when a file begins, or resumes where an earlier try stopped.
    fn began(&mut self, file: &str, total_bytes: Option<u64>);

    /// Called with the bytes of the file that have arrived: up to thousands of times a second, and
    /// with fewer bytes than before if a host begins again.
    fn progress(&mut self, done_bytes: u64);

    /// Called when all bytes of the file have arrived, before it is checked and put in its place.
    fn installing(&mut self, _file: &str) {}

    /// Called when the file is in its place. `verified` tells what it was compared with.
    fn installed(&mut self, _file: &str, _verified: &str) {}

    /// Whether to stop. Called several times a second during every wait. The bytes so far are kept,
    /// so that the transfer can be resumed.
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

/// The fault of a transfer whose listener wants to stop.
pub(crate) fn cancelled() -> Fault {
    Fault::new(Kind::Interrupted, "cancelled").remedy("asked again, it goes on where it stopped")
}
