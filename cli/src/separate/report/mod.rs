//! Reports of a batch's progress: as bars, as lines, as JSON, or none.

mod bars;
mod json;
mod lines;
mod order;
mod silent;
mod summary;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::jobs::SongJob;
use crate::args::SeparateArgs;
use crate::fault::Report;
use crate::page::WrittenPage;
use crate::progress::SongProgress;

pub(crate) use json::fatal as json_fatal;
pub(super) use summary::Totals;

/// Facts that are known before the first song.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) model: String,
    pub(super) model_hash: String,
    /// The engines that compute, at least one; each takes songs of its own.
    pub(super) engines: Vec<Running>,
    /// The reason for the engine, if there was a choice.
    pub(super) engine_note: Option<String>,
    pub(super) parts: Vec<String>,
    pub(super) output: PathBuf,
    /// Files in the folders that are no songs by their extensions.
    pub(super) left_out: Vec<PathBuf>,
    /// Number of files in the folders that are stems which Sextet has written.
    pub(super) own_stems: usize,
    /// Seconds from the start of the process until the engine was ready.
    pub(super) start_s: f64,
    /// Size of every song in bytes, by which its share of the batch is estimated.
    pub(super) bytes: Vec<u64>,
}

/// An engine and the number of its GPU; `None` on the CPU.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Running {
    pub(super) engine: String,
    pub(super) gpu: Option<usize>,
}

impl Running {
    /// Names the GPU or the CPU, for people.
    pub(super) fn place(&self) -> String {
        self.gpu
            .map_or_else(|| "the CPU".to_owned(), |gpu| format!("GPU {gpu}"))
    }
}

/// The way a song ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Status {
    Done,
    Skipped,
    Failed(Report),
}

/// The end of a song and its duration.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) status: Status,
    /// Length of the song in seconds, if known.
    pub(super) audio_s: Option<f64>,
    pub(super) wall_s: f64,
    /// The page that was written, if one was.
    pub(super) page: Option<WrittenPage>,
    /// The engine that computed it; `None` if it was skipped.
    pub(super) on: Option<Running>,
}

impl Outcome {
    /// Returns the speed as a multiple of real time.
    pub(super) fn speed(&self) -> Option<f64> {
        self.audio_s
            .filter(|_| self.status == Status::Done && self.wall_s > 0.0)
            .map(|audio| audio / self.wall_s)
    }
}

/// Receives the events of a batch. Every method is optional.
pub(super) trait Reporter: Send {
    /// Called before the first song.
    fn start(&mut self, _start: &Start) {}
    /// Called when the work on a song begins, but not for a skipped one. Others may be under way.
    fn song(&mut self, _index: usize, _job: &SongJob, _on: &Running) {}
    /// Called when a song has progressed.
    fn progress(&mut self, _index: usize, _progress: &SongProgress) {}
    /// Called for problems that stop nothing.
    fn warned(&mut self, _index: Option<usize>, _warning: &str) {}
    /// Called when a song is over.
    fn ended(&mut self, _index: usize, _job: &SongJob, _outcome: &Outcome) {}
    /// Called when all songs are over.
    fn end(&mut self, _jobs: &[SongJob], _outcomes: &[Outcome], _totals: &Totals) {}
}

/// A reporter that threads share.
pub(super) struct Shared(Mutex<Box<dyn Reporter>>);

impl Shared {
    /// Wraps `reporter`.
    pub(super) fn new(reporter: Box<dyn Reporter>) -> Self {
        Self(Mutex::new(reporter))
    }

    /// Locks the reporter for one event.
    pub(super) fn tell(&self) -> MutexGuard<'_, Box<dyn Reporter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the reporter that the flags and standard error ask for, for a batch of `songs`.
pub(super) fn reporter(args: &SeparateArgs, songs: usize) -> Box<dyn Reporter> {
    let terminal = std::io::stderr().is_terminal()
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    if args.json {
        Box::new(json::Json::new(songs))
    } else if args.quiet {
        Box::new(silent::Silent)
    } else if terminal {
        Box::new(bars::Bars::new(songs, args.verbose))
    } else {
        Box::new(lines::Lines::new(songs, args.verbose))
    }
}
