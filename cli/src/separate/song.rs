//! The separation of one song.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use sextet_separator::audio::{TagField, Tags, WrittenFile};
use sextet_separator::timings::timed;
use sextet_separator::{DecodeOptions, Separator};

use super::choice::Choice;
use super::delivery::Delivery;
use super::jobs::SongJob;
use super::listener::SongListener;
use super::machine::Machine;
use super::reading::{Read, Reading};
use super::report::{Outcome, Shared, Status};
use crate::decoding;
use crate::fault::{Fault, Report};
use crate::page::{About, Recording, WithPage, WrittenPage};
use crate::panics;
use crate::stems::{Care, OutputDisk, StemFiles, clipped};
use crate::unfinished::Unfinished;

/// Everything a song's separation needs besides the separator.
pub(super) struct SongRunner<'a> {
    pub(super) choice: &'a Choice,
    pub(super) unfinished: &'a Unfinished,
    pub(super) disk: OutputDisk,
    /// A song whose reading has begun before its turn.
    pub(super) ahead: Mutex<Option<Reading>>,
    /// Most memory that the samples of a song may take, in bytes.
    pub(super) memory_bytes: u64,
}

impl SongRunner<'_> {
    /// Separates one song. Every failure becomes part of its outcome.
    pub(super) fn run(
        &self,
        machine: &mut Machine,
        index: usize,
        job: &SongJob,
        reporter: &Shared,
    ) -> Outcome {
        // The time of reading ahead counts, too.
        let ahead = self.take_ahead(job);
        let began = ahead
            .as_ref()
            .map_or_else(Instant::now, |ahead| ahead.since);
        let seconds = Cell::new(None);

        let mut on = None;
        let mut page = None;
        let status = if job.done {
            Status::Skipped
        } else {
            reporter.tell().song(index, job, &machine.running());

            // A panic is a bug of this program; the other songs need not suffer from it.
            let separator = &mut machine.separator;
            let result =
                panics::catch(|| self.separate(separator, index, job, ahead, &seconds, reporter));

            // A bag's engines start when they are first needed.
            on = Some(machine.running());
            result.map_or_else(
                |error| Status::Failed(Report::of(&error)),
                |written| {
                    page = written;
                    Status::Done
                },
            )
        };

        Outcome {
            status,
            audio_s: seconds.get(),
            wall_s: began.elapsed().as_secs_f64(),
            page,
            on,
        }
    }

    /// Takes the song of `job` if its reading has already begun.
    fn take_ahead(&self, job: &SongJob) -> Option<Reading> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.take_if(|ahead| ahead.song == job.input)
    }

    fn separate(
        &self,
        separator: &mut Separator,
        index: usize,
        job: &SongJob,
        ahead: Option<Reading>,
        seconds: &Cell<Option<f64>>,
        reporter: &Shared,
    ) -> Result<Option<WrittenPage>> {
        check_found(job)?;
        self.disk.check()?;
        let mut listener = SongListener::new(index, seconds, reporter);

        // Read the song, unless that has begun already.
        let reading = ahead.unwrap_or_else(|| self.begin_reading(job));
        let Read { song, tags, stamp } =
            timed("wait for the song", || reading.finish(&mut listener))?;
        let delivery = Delivery::begin(self.choice, job, stamp);
        let options = self.choice.options_for(song.layout().rate_hz);
        let about = self.about(job, &tags);

        // Separate it into unfinished files.
        let mut files = self.files(job, tags, seconds);
        let mut page = job.page.as_deref().map(|place| {
            let ffmpeg = decoding::ffmpeg();
            Recording::new(place, about, ffmpeg, self.unfinished)
        });
        let mut sink = WithPage {
            stems: &mut files,
            page: page.as_mut(),
        };
        if let Err(error) = separator.separate_decoded(&song, &options, &mut sink, &mut listener) {
            let refusal = page.and_then(|mut page| page.take_refusal());
            return Err(refusal.map_or_else(|| error.into(), Into::into));
        }

        // Complete the files and give them their names.
        let written = timed("finish the files", || files.complete())?;
        let page = page
            .map(|page| {
                let file = files.create(page.place())?;
                page.finish(file)
            })
            .transpose()?;
        let replaced = delivery.deliver(files, &written, &separator.engine_name())?;

        // Tell what is to be known of them.
        let warnings = page.iter().filter_map(|page| page.warning.clone());
        for warning in warnings.chain(clipping(&written)).chain(replaced) {
            reporter.tell().warned(Some(index), &warning);
        }
        Ok(page)
    }

    /// Begins to read the song of `job`.
    fn begin_reading(&self, job: &SongJob) -> Reading {
        let options = DecodeOptions::new()
            .sum(self.choice.options.sum)
            .memory_bytes(self.memory_bytes);
        Reading::start(&job.input, options)
    }

    /// Prepares the files of the stems of `job`, with the tags of the song.
    fn files<'b>(
        &'b self,
        job: &'b SongJob,
        tags: Tags,
        seconds: &'b Cell<Option<f64>>,
    ) -> StemFiles<'b> {
        let form = self.choice.form_with(tags);
        let care = if self.choice.manifest {
            Care::OnDiskAndChecked
        } else {
            Care::OnDisk
        };
        let (places, tagged) = (&job.outputs, self.choice.tagged);
        StemFiles::new(places, form, care, tagged, seconds, self.unfinished)
    }

    /// Returns what a page says of the song of `job`.
    fn about(&self, job: &SongJob, tags: &Tags) -> About {
        let tag = |field| {
            let text = tags.get(field).filter(|_| self.choice.tagged);
            text.map(str::to_owned)
        };
        let name = job.input.file_stem().unwrap_or_default();
        About {
            title: tag(TagField::Title).unwrap_or_else(|| name.to_string_lossy().into_owned()),
            artist: tag(TagField::Artist),
            model: self.choice.model_name.clone(),
        }
    }
}

/// Returns the error of a song that could not be found.
fn check_found(job: &SongJob) -> Result<()> {
    let Err(error) = &job.found else {
        return Ok(());
    };
    let report = Report::of(error);
    let fault = Fault::new(report.kind, report.message);
    Err(fault.remedy(report.remedies).into())
}

/// Returns the warning of samples that were clipped, if any were.
fn clipping(written: &[WrittenFile]) -> Option<String> {
    let clipped = clipped(written);
    let remedy = "--bits 32f keeps them";
    let sentence =
        format!("{clipped} samples were too loud for integers and were clipped; {remedy}");
    (clipped > 0).then_some(sentence)
}
