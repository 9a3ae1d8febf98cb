//! Progress bars on a terminal: one for each song under way and, in a batch, one for all below
//! them.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::lines::start_lines;
use super::order::InOrder;
use super::summary::{Totals, result_line, table};
use super::{Outcome, Reporter, Running, Start, Status};
use crate::progress::SongProgress;
use crate::separate::jobs::SongJob;
use crate::stdio;
use crate::time::{clock, speed};

/// Steps of a bar: finer than any terminal is wide.
const STEPS: u64 = 10_000;

/// Columns of a song's name.
const NAME_COLUMNS: usize = 24;

pub(super) struct Bars {
    songs: usize,
    verbose: bool,
    bars: MultiProgress,
    /// The bar of each song under way.
    under_way: BTreeMap<usize, UnderWay>,
    all: Option<ProgressBar>,
    /// Whether several engines compute.
    shared: bool,
    ends: InOrder<String>,
    bytes: Vec<u64>,
    bytes_done: u64,
    bytes_worked: u64,
    audio_s: f64,
    ended: usize,
    began: Instant,
}

/// A song under way.
struct UnderWay {
    bar: ProgressBar,
    share: f64,
    audio_s: f64,
}

impl Bars {
    pub(super) fn new(songs: usize, verbose: bool) -> Self {
        let bars = MultiProgress::new();
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
            under_way: BTreeMap::new(),
            all,
            shared: false,
            ends: InOrder::default(),
            bytes: vec![0; songs],
            bytes_done: 0,
            bytes_worked: 0,
            audio_s: 0.0,
            ended: 0,
            began: Instant::now(),
        }
    }

    /// Adds a bar for one more song, above the bar for all.
    fn bar(&self) -> ProgressBar {
        let new = ProgressBar::new(STEPS);
        let bar = match &self.all {
            Some(all) => self.bars.insert_before(all, new),
            None => self.bars.add(new),
        };
        bar.set_style(style("{prefix:24!}  {bar:28}  {msg}"));
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    }

    /// Moves the bar for all: finished songs count fully, songs under way by their share.
    fn move_all(&self) {
        let Some(all) = &self.all else { return };

        let size = |index: usize| self.bytes.get(index).map_or(0.0, |&bytes| bytes as f64);
        let bytes: f64 = self
            .under_way
            .iter()
            .map(|(&index, song)| size(index) * song.share)
            .sum();

        let audio_s: f64 = self.under_way.values().map(|song| song.audio_s).sum();
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
        self.shared = start.engines.len() > 1;
        start_lines(start, self.verbose)
            .iter()
            .for_each(|line| self.print(line));
    }

    fn song(&mut self, index: usize, job: &SongJob, _on: &Running) {
        let bar = self
            .under_way
            .remove(&index)
            .map_or_else(|| self.bar(), |song| song.bar);
        bar.set_position(0);
        bar.set_prefix(short(
            &job.input.file_name().unwrap_or_default().to_string_lossy(),
        ));

        bar.set_message("reading");
        self.under_way.insert(
            index,
            UnderWay {
                bar,
                share: 0.0,
                audio_s: 0.0,
            },
        );

        self.move_all();
    }

    fn progress(&mut self, index: usize, progress: &SongProgress) {
        let Some(song) = self.under_way.get_mut(&index) else {
            return;
        };

        (song.share, song.audio_s) = (progress.share(), progress.audio_s());
        match *progress {
            SongProgress::Reading { .. } => song.bar.set_message("reading"),
            SongProgress::Separating {
                share,
                speed: at,
                left_s,
                ..
            } => {
                song.bar.set_position((share * STEPS as f64) as u64);
                let left =
                    left_s.map_or_else(String::new, |left| format!("  {} left", clock(left)));
                song.bar
                    .set_message(format!("{:3.0} %  {:>5}{left}", share * 100.0, speed(at)));
            }
        }

        self.move_all();
    }

    fn warned(&mut self, _index: Option<usize>, warning: &str) {
        self.print(&format!("warning: {warning}"));
    }

    fn ended(&mut self, index: usize, job: &SongJob, outcome: &Outcome) {
        let bytes = self.bytes.get(index).copied().unwrap_or(0);
        self.ended += 1;
        self.bytes_done += bytes;

        if outcome.status == Status::Done {
            self.bytes_worked += bytes;
            self.audio_s += outcome.audio_s.unwrap_or(0.0);
        }

        if let Some(song) = self.under_way.remove(&index) {
            song.bar.finish_and_clear();
            self.bars.remove(&song.bar);
        }

        let end = match &outcome.status {
            Status::Failed(report) => report.to_string(),
            _ => result_line(job, outcome, self.shared),
        };
        self.ends
            .push(index, end)
            .iter()
            .for_each(|line| self.print(line));
        self.move_all();
    }

    fn end(&mut self, jobs: &[SongJob], outcomes: &[Outcome], totals: &Totals) {
        if let Some(all) = &self.all {
            all.finish_and_clear();
        }
        // The songs' lines stand above already, unless standard output goes elsewhere.
        let lines = table(jobs, outcomes, totals);
        let seen = if std::io::stdout().is_terminal() {
            lines.len().saturating_sub(1)
        } else {
            0
        };
        lines[seen..].iter().for_each(|line| stdio::out(line));
    }
}

fn style(form: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

/// Shortens the name to the column and keeps its end, which often has the number of a track or
/// take.
fn short(name: &str) -> String {
    let characters: Vec<char> = name.chars().collect();
    if characters.len() <= NAME_COLUMNS {
        return name.to_owned();
    }
    let head: String = characters[..NAME_COLUMNS / 2 - 1].iter().collect();
    let tail: String = characters[characters.len() - NAME_COLUMNS / 2 + 1..]
        .iter()
        .collect();
    format!("{head}..{tail}")
}
