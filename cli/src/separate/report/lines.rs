//! Plain lines on standard error, for logs and pipes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::order::InOrder;
use super::summary::{Totals, result_line, table};
use super::{Outcome, Reporter, Running, Start, Status};
use crate::progress::SongProgress;
use crate::separate::jobs::SongJob;
use crate::stdio;
use crate::time::{clock, speed};

/// Pause between two lines about the same song.
const EVERY: Duration = Duration::from_secs(10);

pub(super) struct Lines {
    songs: usize,
    verbose: bool,
    /// Whether several engines compute.
    shared: bool,
    /// Name of each song under way, and the time of the last line about it.
    under_way: HashMap<usize, (String, Instant)>,
    ends: InOrder<String>,
}

impl Lines {
    pub(super) fn new(songs: usize, verbose: bool) -> Self {
        Self {
            songs,
            verbose,
            shared: false,
            under_way: HashMap::new(),
            ends: InOrder::default(),
        }
    }
}

impl Reporter for Lines {
    fn start(&mut self, start: &Start) {
        self.shared = start.engines.len() > 1;
        start_lines(start, self.verbose)
            .iter()
            .for_each(|line| stdio::err(line));
    }

    fn song(&mut self, index: usize, job: &SongJob, on: &Running) {
        let name = format!("[{}/{}] {}", index + 1, self.songs, job.shown());
        let place = if self.shared {
            format!(" on {}", on.place())
        } else {
            String::new()
        };
        stdio::err(&format!("{name}{place}"));
        self.under_way.insert(index, (name, Instant::now()));
    }

    fn progress(&mut self, index: usize, progress: &SongProgress) {
        let Some((name, last)) = self.under_way.get_mut(&index) else {
            return;
        };
        if last.elapsed() < EVERY {
            return;
        }

        *last = Instant::now();
        match progress {
            SongProgress::Reading { frames } => {
                stdio::err(&format!("{name}: reading, {frames} frames"))
            }
            SongProgress::Separating {
                share,
                speed: at,
                left_s,
                ..
            } => {
                let left =
                    left_s.map_or_else(String::new, |left| format!(", {} left", clock(left)));
                stdio::err(&format!(
                    "{name}: {:.0} %, {}{left}",
                    share * 100.0,
                    speed(*at)
                ));
            }
        }
    }

    fn warned(&mut self, _index: Option<usize>, warning: &str) {
        stdio::err(&format!("warning: {warning}"));
    }

    fn ended(&mut self, index: usize, job: &SongJob, outcome: &Outcome) {
        self.under_way.remove(&index);
        let end = match &outcome.status {
            Status::Failed(report) => report.to_string(),
            _ => format!(
                "[{}/{}] {}",
                index + 1,
                self.songs,
                result_line(job, outcome, self.shared)
            ),
        };

        self.ends
            .push(index, end)
            .iter()
            .for_each(|line| stdio::err(line));
    }

    fn end(&mut self, jobs: &[SongJob], outcomes: &[Outcome], totals: &Totals) {
        table(jobs, outcomes, totals)
            .iter()
            .for_each(|line| stdio::out(line));
    }
}

/// Most files that a line names.
const MOST_NAMES: usize = 5;

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// Returns the line about files that are no songs.
fn left_out(files: &[PathBuf]) -> Option<String> {
    let names: Vec<_> = files
        .iter()
        .take(MOST_NAMES)
        .map(|file| file.file_name().unwrap_or_default().to_string_lossy())
        .collect();
    let more = match files.len().saturating_sub(MOST_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!files.is_empty()).then(|| {
        let files = counted(files.len(), "file was", "files were");
        format!("{files} left out: {}{more}", names.join(", "))
    })
}

/// Returns the lines before the first song.
pub(super) fn start_lines(start: &Start, verbose: bool) -> Vec<String> {
    let note = start
        .engine_note
        .as_ref()
        .map_or_else(String::new, |note| format!(" ({note})"));
    let named = |on: &Running| format!("{} on {}", start.model, on.engine);
    let mut lines = match &start.engines[..] {
        [only] => vec![format!("{}{note}", named(only))],
        several => several
            .iter()
            .map(|on| format!("{}, {}", named(on), on.place()))
            .collect(),
    };

    lines.extend(left_out(&start.left_out));
    lines.extend((start.own_stems > 0).then(|| {
        let files = counted(start.own_stems, "file was", "files were");
        format!("{files} left out: Sextet's own stems")
    }));

    if verbose {
        lines.push(format!("model hash {}", start.model_hash));
        lines.push(format!("parts {}", start.parts.join(", ")));
        lines.push(format!("output folder {}", start.output.display()));
    }

    lines
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn files_that_are_left_out_are_counted_and_the_first_are_named() {
        let files = |count: usize| -> Vec<_> {
            (0..count)
                .map(|n| PathBuf::from(format!("a/{n}.txt")))
                .collect()
        };
        let cases = [
            (0, None),
            (1, Some("1 file was left out: 0.txt")),
            (2, Some("2 files were left out: 0.txt, 1.txt")),
            (
                7,
                Some("7 files were left out: 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 2 more"),
            ),
        ];
        each_case(cases, |(count, expected)| {
            assert_eq!(left_out(&files(count)).as_deref(), expected);
        });
    }
}
