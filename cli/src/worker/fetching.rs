//! What comes over the network: models, and the library that the GPU needs.

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

/// Asks what fetching the model `named` takes.
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

/// Fetches the library that the GPU needs, or takes it out of the wheel `from`. What is separated
/// from then on uses it.
///
/// # Errors
/// When it cannot be fetched, is another than it should be, or cannot be unpacked.
#[cfg(feature = "tensorrt")]
pub(super) fn set_up_gpu(job: &Job, from: Option<&Path>) -> Result<()> {
    crate::setup::set_up(from, &mut Told::new(job))?;
    let gpu = gpu::inspect(&gpu::look());
    job.end(|| Ok(Reply::GpuSetUp { job: job.id(), gpu }))
}

/// See above: in this build there is nothing to set up.
#[cfg(not(feature = "tensorrt"))]
pub(super) fn set_up_gpu(_: &Job, _: Option<&Path>) -> Result<()> {
    Err(crate::computing::not_built_in())
}

/// A notice that is broken into lines for terminals, as one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tells the front end how a transfer comes on, over all of its files, and ends it with its job.
struct Told<'a> {
    job: &'a Job,
    progress: Throttled<'a>,
    files: u64,
    /// 0 where it is not known.
    total_bytes: u64,
    /// Of the files before this one.
    bytes_before: u64,
    /// Of this one, so far.
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

    fn moved(&mut self, done_bytes: u64) {
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
