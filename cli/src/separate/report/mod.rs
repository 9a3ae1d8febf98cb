//! Reports of a batch's progress: as bars, as lines, as JSON, or none.

mod bars;
mod json;
mod lines;
mod order;
mod silent;
mod summary;
mod time;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::jobs::SongJob;
use crate::args::SeparateArgs;
use crate::fault::Report;

pub(crate) use json::fatal as json_fatal;
pub(super) use summary::Totals;
pub(crate) use time::clock;

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

/// The progress of a song.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SongProgress {
    /// The first pass.
    Reading { frames: u64 },
    /// The second pass.
    Separating {
        share: f64,
        audio_s: f64,
        speed: Option<f64>,
        left_s: Option<f64>,
    },
}

impl SongProgress {
    /// Returns the progress after `done` of `total` chunks in `elapsed_s`, for a song of `seconds`.
    pub(crate) fn separating(done: u64, total: u64, elapsed_s: f64, seconds: Option<f64>) -> Self {
        let share = if total == 0 {
            1.0
        } else {
            done as f64 / total as f64
        };

        let known = done > 0 && elapsed_s > 0.0;
        let speed = seconds
            .filter(|_| known)
            .map(|seconds| seconds * share / elapsed_s);

        let left_s = known.then(|| elapsed_s * (1.0 - share) / share);
        SongProgress::Separating {
            share,
            audio_s: seconds.unwrap_or(0.0) * share,
            speed,
            left_s,
        }
    }

    /// Returns the seconds of audio that are separated.
    pub(super) fn audio_s(&self) -> f64 {
        match self {
            SongProgress::Reading { .. } => 0.0,
            SongProgress::Separating { audio_s, .. } => *audio_s,
        }
    }

    /// Returns the share of the song's work that is done, 0 to 1. Reading counts as nothing,
    /// because it is quick.
    pub(super) fn share(&self) -> f64 {
        match self {
            SongProgress::Reading { .. } => 0.0,
            SongProgress::Separating { share, .. } => *share,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_and_time_left_follow_the_chunks() {
        let progress = SongProgress::separating(1, 4, 10.0, Some(40.0));
        assert_eq!(
            progress,
            SongProgress::Separating {
                share: 0.25,
                audio_s: 10.0,
                speed: Some(1.0),
                left_s: Some(30.0)
            }
        );

        let nothing_yet = SongProgress::separating(0, 4, 0.0, Some(40.0));
        assert_eq!(
            nothing_yet,
            SongProgress::Separating {
                share: 0.0,
                audio_s: 0.0,
                speed: None,
                left_s: None
            }
        );
    }
}
