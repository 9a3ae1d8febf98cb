//! The end of a batch: a table and a count.

use super::{Outcome, Status};
use crate::separate::jobs::SongJob;
use crate::time::{clock, speed, took};

/// Number of songs by their ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Totals {
    pub(crate) done: usize,
    pub(crate) skipped: usize,
    pub(crate) failed: usize,
    /// Seconds since the process began, including the start of the engine.
    pub(crate) wall_s: f64,
}

impl Totals {
    /// Counts `outcomes` of a batch that took `wall_s`.
    pub(crate) fn of(outcomes: &[Outcome], wall_s: f64) -> Self {
        let count = |wanted: fn(&Status) -> bool| {
            outcomes
                .iter()
                .filter(|outcome| wanted(&outcome.status))
                .count()
        };
        Self {
            done: count(|status| matches!(status, Status::Done)),
            skipped: count(|status| matches!(status, Status::Skipped)),
            failed: count(|status| matches!(status, Status::Failed(_))),
            wall_s,
        }
    }

    /// Returns 0 when all went well, 1 when a song failed.
    pub(crate) fn exit_code(&self) -> u8 {
        u8::from(self.failed > 0)
    }
}

/// Formats the end of one song as a line. With `shared`, for engines that differ between songs, the
/// line names the place of the computation.
pub(super) fn result_line(job: &SongJob, outcome: &Outcome, shared: bool) -> String {
    let input = job.shown();
    let folder = job
        .outputs
        .first()
        .and_then(|output| output.parent())
        .unwrap_or(std::path::Path::new(""))
        .display();

    match &outcome.status {
        Status::Done => {
            let audio = clock(outcome.audio_s.unwrap_or(0.0));
            let (wall, at, files) = (
                took(outcome.wall_s),
                speed(outcome.speed()),
                job.outputs.len(),
            );

            let on = outcome
                .on
                .as_ref()
                .filter(|_| shared)
                .map_or_else(String::new, |on| format!(" on {}", on.place()));

            let page = outcome.page.as_ref().map_or_else(String::new, |page| {
                let megabytes = page.bytes as f64 / 1e6;
                format!(" and a page of {megabytes:.1} MB ({})", page.codec.name())
            });
            format!(
                "done     {input}: {audio} in {wall} ({at}){on}, {files} files{page} in '{folder}'"
            )
        }
        Status::Skipped => format!("skipped  {input}: all stems are in '{folder}'"),
        Status::Failed(report) => {
            let named = format!("{input}: ");
            format!(
                "failed   {named}{}",
                report
                    .message
                    .strip_prefix(&named)
                    .unwrap_or(&report.message)
            )
        }
    }
}

/// Returns the count and, for several songs, a line for each before it.
pub(super) fn table(jobs: &[SongJob], outcomes: &[Outcome], totals: &Totals) -> Vec<String> {
    let mut lines = Vec::new();
    if jobs.len() > 1 {
        let mut places = outcomes.iter().filter_map(|outcome| outcome.on.as_ref());
        let first = places.next();
        let shared = places.any(|on| Some(on) != first);
        lines.extend(
            jobs.iter()
                .zip(outcomes)
                .map(|(job, outcome)| result_line(job, outcome, shared)),
        );
    }

    let Totals {
        done,
        skipped,
        failed,
        wall_s,
    } = *totals;

    lines.push(format!(
        "{done} done, {skipped} skipped, {failed} failed in {}",
        took(wall_s)
    ));
    lines
}
