//! Jobs that fetch over the network: models, and the library that the GPU needs.

use std::path::Path;

use anyhow::Result;
use sextet_protocol::worker::{self, Reply, Stage};

use super::clip::Throttled;
use super::job::Job;
use super::machine;
#[cfg(feature = "tensorrt")]
use crate::gpu;
use crate::models;
use crate::transfer::TransferListener;

/// Replies with the host, size and licence of the model `named`.
///
/// # Errors
/// When there is no such model, or the hub cannot be reached.
pub(super) fn offer(job: &Job, named: &str) -> Result<()> {
    let entry = models::find(named)?;
    let offer = models::offer(entry, &Told::new(job))?;
    let offer = worker::Offer {
        model: entry.name.clone(),
        from: offer
            .as_ref()
            .map_or_else(String::new, |offer| offer.host.clone()),
        bytes: offer.as_ref().map_or(Some(0), |offer| offer.bytes),
        licence: offer.map_or_else(String::new, |offer| one_line(offer.licence)),
    };

    job.end(|| {
        Ok(Reply::Offered {
            job: job.id(),
            offer,
        })
    })
}

/// Fetches the model `named`.
///
/// # Errors
/// When there is no such model, it cannot be fetched, or it does not open.
pub(super) fn fetch(job: &Job, named: &str) -> Result<()> {
    let entry = models::find(named)?;
    models::fetch_quietly(entry, &mut Told::new(job))?;
    job.end(|| {
        Ok(Reply::Fetched {
            job: job.id(),
            model: machine::model(entry),
        })
    })
}

/// Fetches the library that the GPU needs, or takes it from the wheel `from`. Later separations use
/// it.
///
/// # Errors
/// When the library cannot be fetched, is not the expected one, or cannot be unpacked.
#[cfg(feature = "tensorrt")]
pub(super) fn set_up_gpu(job: &Job, from: Option<&Path>) -> Result<()> {
    crate::setup::set_up(from, &mut Told::new(job))?;
    let gpu = gpu::inspect(&gpu::detect());
    job.end(|| Ok(Reply::GpuSetUp { job: job.id(), gpu }))
}

/// Fails: a build without TensorRT has nothing to set up.
#[cfg(not(feature = "tensorrt"))]
pub(super) fn set_up_gpu(_: &Job, _: Option<&Path>) -> Result<()> {
    Err(crate::engine::not_built_in())
}

/// Joins a notice, which is broken into lines for terminals, into one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Sends the progress of a transfer over all of its files, and cancels the transfer with its job.
struct Told<'a> {
    job: &'a Job,
    progress: Throttled<'a>,
    files: u64,
    /// Total bytes; 0 if unknown.
    total_bytes: u64,
    /// Bytes of the files before this one.
    bytes_before: u64,
    /// Bytes of this file so far.
    bytes: u64,
    installed: u64,
}

impl<'a> Told<'a> {
    fn new(job: &'a Job) -> Self {
        let progress = Throttled::new(job);
        Self {
            job,
            progress,
            files: 1,
            total_bytes: 0,
            bytes_before: 0,
            bytes: 0,
            installed: 0,
        }
    }

    fn tell_installed(&self) {
        self.job.tell(&Reply::Progress {
            job: self.job.id(),
            stage: Stage::Installing,
            done: self.installed,
            total: self.files,
            speed: None,
            seconds_left: None,
        });
    }
}

impl TransferListener for Told<'_> {
    fn planned(&mut self, files: usize, total_bytes: Option<u64>) {
        (self.files, self.total_bytes) = (files as u64, total_bytes.unwrap_or(0));
    }

    fn began(&mut self, _file: &str, _total_bytes: Option<u64>) {
        self.bytes_before += std::mem::take(&mut self.bytes);
    }

    fn progress(&mut self, done_bytes: u64) {
        self.bytes = done_bytes;
        self.progress.tell(
            Stage::Fetching,
            self.bytes_before + done_bytes,
            self.total_bytes,
            None,
            None,
        );
    }

    fn installing(&mut self, _file: &str) {
        self.tell_installed();
    }

    fn installed(&mut self, _file: &str, _verified: &str) {
        self.installed += 1;
        self.tell_installed();
    }

    fn cancelled(&self) -> bool {
        self.job.is_over()
    }
}
