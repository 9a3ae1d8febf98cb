//! `--json`: one JSON object a line on standard output. docs/json.md describes it; `VERSION` counts its changes.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::summary::Totals;
use super::{Moved, Outcome, Reporter, Start, Status};
use crate::fault::Report;
use crate::say;
use crate::separate::plan::Job;

/// Version of the lines; a change that breaks a reader raises it.
const VERSION: u32 = 1;

/// Pause between two `progress` lines.
const EVERY: Duration = Duration::from_millis(200);

pub(super) struct Json {
    songs: usize,
    parts: Vec<String>,
    last: Option<Instant>,
}

impl Json {
    pub(super) fn new(songs: usize) -> Self {
        Self { songs, parts: Vec::new(), last: None }
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Start {
        version: u32,
        sextet: &'a str,
        model: &'a str,
        model_hash: &'a str,
        engine: &'a str,
        engine_note: Option<&'a str>,
        parts: &'a [String],
        songs: usize,
        start_s: f64,
    },
    Song {
        index: usize,
        input: String,
    },
    Progress {
        index: usize,
        stage: &'static str,
        frames: Option<u64>,
        share: f64,
        speed: Option<f64>,
        left_s: Option<f64>,
    },
    Warning {
        index: Option<usize>,
        message: &'a str,
    },
    SongEnd {
        index: usize,
        input: String,
        status: &'static str,
        outputs: Vec<Output<'a>>,
        audio_s: Option<f64>,
        wall_s: f64,
        speed: Option<f64>,
        error: Option<&'a Report>,
    },
    End {
        done: usize,
        skipped: usize,
        failed: usize,
        wall_s: f64,
        exit_code: u8,
    },
    Error {
        version: u32,
        error: &'a Report,
        exit_code: u8,
    },
}

#[derive(Serialize)]
struct Output<'a> {
    part: &'a str,
    path: String,
}

fn print(line: &Line) {
    // Strings and finite numbers always serialize.
    if let Ok(text) = serde_json::to_string(line) {
        say::out(&text);
    }
}

/// The one line of a run that could not begin.
pub(crate) fn fatal(report: &Report) {
    print(&Line::Error { version: VERSION, error: report, exit_code: report.kind.exit_code() });
}

impl Reporter for Json {
    fn start(&mut self, start: &Start) {
        self.parts.clone_from(&start.parts);
        print(&Line::Start {
            version: VERSION,
            sextet: env!("CARGO_PKG_VERSION"),
            model: &start.model,
            model_hash: &start.model_hash,
            engine: &start.engine,
            engine_note: start.engine_note.as_deref(),
            parts: &start.parts,
            songs: self.songs,
            start_s: start.start_s,
        });
    }

    fn song(&mut self, index: usize, job: &Job) {
        self.last = None;
        print(&Line::Song { index, input: job.input.display().to_string() });
    }

    fn moved(&mut self, index: usize, moved: &Moved) {
        let whole = moved.share() >= 1.0;
        if !whole && self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let share = moved.share();
        print(&match *moved {
            Moved::Reading { frames } => {
                Line::Progress { index, stage: "reading", frames: Some(frames), share, speed: None, left_s: None }
            }
            Moved::Separating { speed, left_s, .. } => {
                Line::Progress { index, stage: "separating", frames: None, share, speed, left_s }
            }
        });
    }

    fn warned(&mut self, index: Option<usize>, warning: &str) {
        print(&Line::Warning { index, message: warning });
    }

    fn ended(&mut self, index: usize, job: &Job, outcome: &Outcome) {
        let (status, error) = match &outcome.status {
            Status::Done => ("done", None),
            Status::Skipped => ("skipped", None),
            Status::Failed(report) => ("failed", Some(report)),
        };
        let outputs = if error.is_some() { &[][..] } else { &job.outputs[..] };
        let named = self.parts.iter().zip(outputs);
        let named = named.map(|(part, path)| Output { part, path: path.display().to_string() });
        print(&Line::SongEnd {
            index,
            input: job.input.display().to_string(),
            status,
            outputs: named.collect(),
            audio_s: outcome.audio_s,
            wall_s: outcome.wall_s,
            speed: outcome.speed(),
            error,
        });
    }

    fn end(&mut self, _jobs: &[Job], _outcomes: &[Outcome], totals: &Totals) {
        let Totals { done, skipped, failed, wall_s } = *totals;
        print(&Line::End { done, skipped, failed, wall_s, exit_code: totals.exit_code() });
    }
}
