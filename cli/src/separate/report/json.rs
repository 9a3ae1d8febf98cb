//! `--json`: one JSON object a line on standard output. docs/json.md describes it; `VERSION` counts
//! its changes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::order::InOrder;
use super::summary::Totals;
use super::{Outcome, Reporter, Running, Start, Status};
use crate::fault::Report;
use crate::page::Codec;
use crate::progress::SongProgress;
use crate::separate::jobs::SongJob;
use crate::stdio;

/// Version of the lines. It is raised by a change that breaks readers.
const VERSION: u32 = 2;

/// Pause between two `progress` lines of a song.
const EVERY: Duration = Duration::from_millis(200);

pub(super) struct Json {
    songs: usize,
    parts: Vec<String>,
    /// Time of the last `progress` line of each song under way.
    last: HashMap<usize, Instant>,
    ends: InOrder<String>,
}

impl Json {
    pub(super) fn new(songs: usize) -> Self {
        Self {
            songs,
            parts: Vec::new(),
            last: HashMap::new(),
            ends: InOrder::default(),
        }
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
        engines: &'a [Running],
        parts: &'a [String],
        songs: usize,
        left_out: Vec<String>,
        own_stems: usize,
        start_s: f64,
    },
    Song {
        index: usize,
        input: String,
        #[serde(flatten)]
        on: &'a Running,
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
        page: Option<Page<'a>>,
        audio_s: Option<f64>,
        wall_s: f64,
        speed: Option<f64>,
        engine: Option<&'a str>,
        gpu: Option<usize>,
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

#[derive(Serialize)]
struct Page<'a> {
    path: String,
    bytes: u64,
    codec: &'a Codec,
}

fn print(line: &Line) {
    text(line).iter().for_each(|text| stdio::out(text));
}

fn text(line: &Line) -> Option<String> {
    // Strings and finite numbers always serialize.
    serde_json::to_string(line).ok()
}

/// Prints the only line of a run that could not begin.
pub(crate) fn fatal(report: &Report) {
    print(&Line::Error {
        version: VERSION,
        error: report,
        exit_code: report.kind.exit_code(),
    });
}

impl Reporter for Json {
    fn start(&mut self, start: &Start) {
        self.parts.clone_from(&start.parts);
        print(&Line::Start {
            version: VERSION,
            sextet: env!("CARGO_PKG_VERSION"),
            model: &start.model,
            model_hash: &start.model_hash,
            engine: &start.engines[0].engine,
            engine_note: start.engine_note.as_deref(),
            engines: &start.engines,
            parts: &start.parts,
            songs: self.songs,
            left_out: start
                .left_out
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
            own_stems: start.own_stems,
            start_s: start.start_s,
        });
    }

    fn song(&mut self, index: usize, job: &SongJob, on: &Running) {
        self.last.remove(&index);
        print(&Line::Song {
            index,
            input: job.shown().to_string(),
            on,
        });
    }

    fn progress(&mut self, index: usize, progress: &SongProgress) {
        let whole = progress.share() >= 1.0;
        if !whole
            && self
                .last
                .get(&index)
                .is_some_and(|last| last.elapsed() < EVERY)
        {
            return;
        }
        self.last.insert(index, Instant::now());

        let share = progress.share();
        print(&match *progress {
            SongProgress::Reading { frames } => Line::Progress {
                index,
                stage: "reading",
                frames: Some(frames),
                share,
                speed: None,
                left_s: None,
            },
            SongProgress::Separating { speed, left_s, .. } => Line::Progress {
                index,
                stage: "separating",
                frames: None,
                share,
                speed,
                left_s,
            },
        });
    }

    fn warned(&mut self, index: Option<usize>, warning: &str) {
        print(&Line::Warning {
            index,
            message: warning,
        });
    }

    fn ended(&mut self, index: usize, job: &SongJob, outcome: &Outcome) {
        let (status, error) = match &outcome.status {
            Status::Done => ("done", None),
            Status::Skipped => ("skipped", None),
            Status::Failed(report) => ("failed", Some(report)),
        };

        let outputs = if error.is_some() {
            &[][..]
        } else {
            &job.outputs[..]
        };

        let named = self.parts.iter().zip(outputs);
        let named = named.map(|(part, path)| Output {
            part,
            path: path.display().to_string(),
        });
        let end = text(&Line::SongEnd {
            index,
            input: job.shown().to_string(),
            status,
            outputs: named.collect(),
            page: outcome.page.as_ref().map(|page| Page {
                path: page.path.display().to_string(),
                bytes: page.bytes,
                codec: &page.codec,
            }),
            audio_s: outcome.audio_s,
            wall_s: outcome.wall_s,
            speed: outcome.speed(),
            engine: outcome.on.as_ref().map(|on| on.engine.as_str()),
            gpu: outcome.on.as_ref().and_then(|on| on.gpu),
            error,
        });

        self.last.remove(&index);
        self.ends
            .push(index, end.unwrap_or_default())
            .iter()
            .for_each(|line| stdio::out(line));
    }

    fn end(&mut self, _jobs: &[SongJob], _outcomes: &[Outcome], totals: &Totals) {
        let Totals {
            done,
            skipped,
            failed,
            wall_s,
        } = *totals;
        print(&Line::End {
            done,
            skipped,
            failed,
            wall_s,
            exit_code: totals.exit_code(),
        });
    }
}
