//! Progress bars on a terminal: one for the song, and below it, in a batch, one for all.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::lines::start_lines;
use super::summary::{Totals, result_line, table};
use super::time::{clock, speed};
use super::{Moved, Outcome, Reporter, Start, Status};
use crate::say;
use crate::separate::plan::Job;

/// Steps of a bar: finer than any terminal is wide.
const STEPS: u64 = 10_000;

/// Columns of a song's name.
const NAME_COLUMNS: usize = 24;

pub(super) struct Bars {
    songs: usize,
    verbose: bool,
    bars: MultiProgress,
    song: ProgressBar,
    all: Option<ProgressBar>,
    bytes: Vec<u64>,
    bytes_done: u64,
    bytes_worked: u64,
    audio_s: f64,
    ended: usize,
    began: Instant,
}

impl Bars {
    pub(super) fn new(songs: usize, verbose: bool) -> Self {
        let bars = MultiProgress::new();
        let song = bars.add(ProgressBar::new(STEPS));
        song.set_style(style("{prefix:24!}  {bar:28}  {msg}"));
        song.enable_steady_tick(Duration::from_millis(250));
        let all = (songs > 1).then(|| {
            let all = bars.add(ProgressBar::new(STEPS));
            all.set_style(style("{prefix:24!}  {bar:28}  {msg}"));
            all.set_prefix(format!("all, 0 of {songs}"));
            all
        });
        Self {
            songs,
            verbose,
            bars,
            song,
            all,
            bytes: vec![0; songs],
            bytes_done: 0,
            bytes_worked: 0,
            audio_s: 0.0,
            ended: 0,
            began: Instant::now(),
        }
    }

    /// Moves the bar for all: `share` of song number `index`, or `audio_s` of it, on top of those that are over.
    fn move_all(&self, index: usize, share: f64, audio_s: f64) {
        let Some(all) = &self.all else { return };
        let bytes = self.bytes.get(index).map_or(0.0, |&bytes| bytes as f64 * share);
        let total = self.bytes.iter().sum::<u64>().max(1) as f64;
        all.set_position(((self.bytes_done as f64 + bytes) / total * STEPS as f64) as u64);
        all.set_prefix(format!("all, {} of {}", self.ended, self.songs));
        let elapsed_s = self.began.elapsed().as_secs_f64();
        let worked = self.bytes_worked as f64 + bytes;
        if worked > 0.0 {
            let left_s = elapsed_s / worked * (total - self.bytes_done as f64 - bytes);
            let at = Some((self.audio_s + audio_s) / elapsed_s).filter(|&speed| speed > 0.0);
            all.set_message(format!("{:>5}  {} left", speed(at), clock(left_s)));
        }
    }

    fn print(&self, line: &str) {
        let _ = self.bars.println(line);
    }
}

impl Reporter for Bars {
    fn start(&mut self, start: &Start) {
        self.bytes.clone_from(&start.bytes);
        self.began = Instant::now();
        start_lines(start, self.verbose).iter().for_each(|line| self.print(line));
    }

    fn song(&mut self, index: usize, job: &Job) {
        self.song.set_position(0);
        self.song.set_prefix(short(&job.input.file_name().unwrap_or_default().to_string_lossy()));
        self.song.set_message("reading");
        self.move_all(index, 0.0, 0.0);
    }

    fn moved(&mut self, index: usize, moved: &Moved) {
        match *moved {
            Moved::Reading { .. } => self.song.set_message("reading"),
            Moved::Separating { share, speed: at, left_s, .. } => {
                self.song.set_position((share * STEPS as f64) as u64);
                let left = left_s.map_or_else(String::new, |left| format!("  {} left", clock(left)));
                self.song.set_message(format!("{:3.0} %  {:>5}{left}", share * 100.0, speed(at)));
            }
        }
        self.move_all(index, moved.share(), moved.audio_s());
    }

    fn warned(&mut self, _index: Option<usize>, warning: &str) {
        self.print(&format!("warning: {warning}"));
    }

    fn ended(&mut self, index: usize, job: &Job, outcome: &Outcome) {
        let bytes = self.bytes.get(index).copied().unwrap_or(0);
        self.ended += 1;
        self.bytes_done += bytes;
        if outcome.status == Status::Done {
            self.bytes_worked += bytes;
            self.audio_s += outcome.audio_s.unwrap_or(0.0);
        }
        match &outcome.status {
            Status::Failed(report) => self.print(&report.to_string()),
            _ => self.print(&result_line(job, outcome)),
        }
        self.move_all(index, 0.0, 0.0);
    }

    fn end(&mut self, jobs: &[Job], outcomes: &[Outcome], totals: &Totals) {
        self.song.finish_and_clear();
        if let Some(all) = &self.all {
            all.finish_and_clear();
        }
        table(jobs, outcomes, totals).iter().for_each(|line| say::out(line));
    }
}

fn style(form: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

/// The name cut to the column, with its end kept: numbers of tracks and takes are often there.
fn short(name: &str) -> String {
    let characters: Vec<char> = name.chars().collect();
    if characters.len() <= NAME_COLUMNS {
        return name.to_owned();
    }
    let head: String = characters[..NAME_COLUMNS / 2 - 1].iter().collect();
    let tail: String = characters[characters.len() - NAME_COLUMNS / 2 + 1..].iter().collect();
    format!("{head}..{tail}")
}
