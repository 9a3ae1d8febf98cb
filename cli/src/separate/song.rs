//! One song through the separator.

use std::cell::Cell;
use std::time::Instant;

use anyhow::Result;
use sextet_separator::audio::{AudioFile, Tags, Warning};
use sextet_separator::timings::timed;
use sextet_separator::{Listener, Progress, Separator};

use super::choice::Choice;
use super::files::StemFiles;
use super::plan::Job;
use super::report::{Moved, Outcome, Reporter, Status};
use crate::fault::{Fault, Report};
use crate::mishap;
use crate::unfinished::Unfinished;

/// What every song needs, apart from the separator.
pub(super) struct Bench<'a> {
    pub(super) choice: &'a Choice,
    pub(super) unfinished: &'a Unfinished,
}

impl Bench<'_> {
    /// Separates one song; whatever happens becomes its outcome.
    pub(super) fn run(
        &self,
        separator: &mut Separator,
        index: usize,
        job: &Job,
        reporter: &mut dyn Reporter,
    ) -> Outcome {
        let began = Instant::now();
        let seconds = Cell::new(None);
        let status = if self.choice.skip_existing && job.is_complete() {
            Status::Skipped
        } else {
            reporter.song(index, job);
            // A panic is a mistake of ours; the other songs need not suffer from it.
            let result = mishap::caught(|| self.separate(separator, index, job, &seconds, reporter));
            result.map_or_else(|error| Status::Failed(Report::of(&error)), |()| Status::Done)
        };
        Outcome { status, audio_s: seconds.get(), wall_s: began.elapsed().as_secs_f64() }
    }

    fn separate(
        &self,
        separator: &mut Separator,
        index: usize,
        job: &Job,
        seconds: &Cell<Option<f64>>,
        reporter: &mut dyn Reporter,
    ) -> Result<()> {
        if let Err(error) = &job.found {
            let report = Report::of(error);
            return Err(Fault::new(report.kind, report.message).help(report.help).into());
        }
        let audio = timed("open the song", || AudioFile::open(&job.input))?;
        let written_as = self.choice.write_options(timed("read the tags", || Tags::read(&job.input)));
        let mut files = StemFiles::new(&job.outputs, written_as, seconds, self.unfinished);
        let mut ear = Ear { index, seconds, reporter: &mut *reporter, separating_since: None };
        separator.separate(&audio, &self.choice.options, &mut files, &mut ear)?;
        let clipped = timed("finish the files", || files.finish())?;
        if clipped > 0 {
            let advice = "--bits 32f keeps them";
            reporter.warned(
                Some(index),
                &format!("{clipped} samples were too loud for integers and were clipped; {advice}"),
            );
        }
        Ok(())
    }
}

/// Hears the separator and tells the reporter.
struct Ear<'a> {
    index: usize,
    seconds: &'a Cell<Option<f64>>,
    reporter: &'a mut dyn Reporter,
    separating_since: Option<Instant>,
}

impl Listener for Ear<'_> {
    fn progress(&mut self, progress: Progress) {
        let moved = match progress {
            Progress::Reading { frames } => Moved::Reading { frames },
            Progress::Separating { chunks_done, chunks_total } => {
                let since = *self.separating_since.get_or_insert_with(Instant::now);
                Moved::separating(chunks_done, chunks_total, since.elapsed().as_secs_f64(), self.seconds.get())
            }
        };
        self.reporter.moved(self.index, &moved);
    }

    fn warning(&mut self, warning: &Warning) {
        self.reporter.warned(Some(self.index), &warning.to_string());
    }
}
