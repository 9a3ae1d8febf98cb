//! The separation of one song.

use std::cell::Cell;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::{JoinHandle, spawn};
use std::time::Instant;

use anyhow::{Context as _, Result};
use sextet_separator::audio::{TagField, Tags, Warning, WrittenFile};
use sextet_separator::timings::timed;
use sextet_separator::{DecodeOptions, Listener, Progress, Separator};

use super::choice::Choice;
use super::jobs::SongJob;
use super::machine::Machine;
use super::reading::{Read, Reading};
use super::report::{Outcome, Shared, Status};
use crate::decoding;
use crate::fault::{Fault, Kind, Report};
use crate::page::{About, Recording, WithPage, WrittenPage};
use crate::panics;
use crate::progress::SongProgress;
use crate::stems::{
    Care, Entry, FileRecord, MANIFEST_NAME, Manifest, SongRecord, Stamp, StemFiles, clipped,
    lock_manifests,
};
use crate::unfinished::Unfinished;

/// Everything a song's separation needs besides the separator.
pub(super) struct SongRunner<'a> {
    pub(super) choice: &'a Choice,
    pub(super) unfinished: &'a Unfinished,
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
        if let Err(error) = &job.found {
            let report = Report::of(error);
            return Err(Fault::new(report.kind, report.message)
                .remedy(report.remedies)
                .into());
        }

        let mut listener = SongListener {
            index,
            seconds,
            reporter,
            separating_since: None,
        };

        let options = DecodeOptions::new()
            .sum(self.choice.options.sum)
            .memory_bytes(self.memory_bytes);

        // Read the song, unless that has begun already.
        let reading = ahead.unwrap_or_else(|| Reading::start(&job.input, options));
        let Read { song, tags, stamp } =
            timed("wait for the song", || reading.finish(&mut listener))?;
        let record = self.choice.manifest.then(|| record(job));
        let options = self.choice.options_for(song.layout().rate_hz);
        let about = self.about(job, &tags);

        // Separate it into unfinished files.
        let form = self.choice.form_with(tags);
        let care = if self.choice.manifest {
            Care::OnDiskAndChecked
        } else {
            Care::OnDisk
        };
        let tagged = self.choice.tagged;
        let places = &job.outputs;
        let mut files = StemFiles::new(places, form, care, tagged, seconds, self.unfinished);
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
        check_unchanged(job, stamp)?;
        let replaced = self.place(job, files, &written, record, &separator.engine_name())?;
        if let Some(warning) = page.as_ref().and_then(|page| page.warning.as_ref()) {
            reporter.tell().warned(Some(index), warning);
        }
        self.warn(index, job, &written, replaced, reporter);
        Ok(page)
    }

    /// Gives the files their names, with a manifest beside them if one is wanted. Returns by what
    /// those had been made that were there, if it was by something else.
    fn place(
        &self,
        job: &SongJob,
        mut files: StemFiles,
        written: &[WrittenFile],
        record: Option<JoinHandle<Result<SongRecord>>>,
        engine: &str,
    ) -> Result<Option<String>> {
        let _alone = lock_manifests();
        let folder = Manifest::folder(&job.outputs);
        let manifest = Manifest::read(&folder);
        let Some(record) = record else {
            let song = SongRecord::unread(&job.input)?;
            let before = manifest.before(&folder, &job.outputs, &song, &self.choice.made);
            if manifest.knows(&folder, &job.outputs) {
                // The manifest that is there must stay true.
                let rest = manifest.forget(&folder, &job.outputs);
                files.add(&folder.join(MANIFEST_NAME), &rest.to_bytes())?;
            }
            files.commit()?;
            return Ok(before);
        };

        let song = record
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
            .with_context(|| format!("'{}' cannot be read again", job.shown()))?;
        let before = manifest.before(&folder, &job.outputs, &song, &self.choice.made);
        let parts = self.choice.parts.iter().zip(&job.outputs).zip(written);
        let stems = parts.map(|((part, place), written)| {
            let sha256 = written.sha256.clone().unwrap_or_default();
            FileRecord::new(&part.name, place, &folder, written.bytes, sha256)
        });
        let entry = Entry {
            song,
            made: self.choice.made.clone(),
            sextet: env!("CARGO_PKG_VERSION").to_owned(),
            engine: engine.to_owned(),
            stems: stems.collect(),
        };
        files.add(
            &folder.join(MANIFEST_NAME),
            &manifest.with(entry).to_bytes(),
        )?;
        files.commit()?;
        Ok(before)
    }

    /// Warns of samples that were clipped and of files that were replaced.
    fn warn(
        &self,
        index: usize,
        job: &SongJob,
        written: &[WrittenFile],
        replaced: Option<String>,
        reporter: &Shared,
    ) {
        let clipped = clipped(written);
        if clipped > 0 {
            let remedy = "--bits 32f keeps them";
            reporter.tell().warned(
                Some(index),
                &format!("{clipped} samples were too loud for integers and were clipped; {remedy}"),
            );
        }
        if let Some(by) = replaced {
            let folder = Manifest::folder(&job.outputs);
            let message = format!("stems in '{}' were replaced, made {by}", folder.display());
            reporter.tell().warned(Some(index), &message);
        }
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

/// Begins to describe the song for the manifest, beside the separation.
fn record(job: &SongJob) -> JoinHandle<Result<SongRecord>> {
    let path = job.input.clone();
    let shown = PathBuf::from(job.shown().to_string());
    spawn(move || SongRecord::of(&path, &shown))
}

/// Refuses stems of a file that was written to while it was read: a part of them would be of one
/// song and a part of another.
fn check_unchanged(job: &SongJob, before: Option<Stamp>) -> Result<()> {
    if Stamp::of(&job.input).ok() == before {
        return Ok(());
    }
    let message = format!("'{}' changed while it was read", job.shown());
    Err(Fault::new(Kind::Input, message)
        .remedy("separate it again once nothing writes to it")
        .into())
}

/// Listener that passes the separator's progress to the reporter.
struct SongListener<'a> {
    index: usize,
    seconds: &'a Cell<Option<f64>>,
    reporter: &'a Shared,
    separating_since: Option<Instant>,
}

impl Listener for SongListener<'_> {
    fn progress(&mut self, progress: Progress) {
        let progress = match progress {
            Progress::Reading { frames } => SongProgress::Reading { frames },
            Progress::Separating {
                chunks_done,
                chunks_total,
            } => {
                let since = *self.separating_since.get_or_insert_with(Instant::now);
                SongProgress::separating(
                    chunks_done,
                    chunks_total,
                    since.elapsed().as_secs_f64(),
                    self.seconds.get(),
                )
            }
            _ => return,
        };
        self.reporter.tell().progress(self.index, &progress);
    }

    fn warning(&mut self, warning: &Warning) {
        self.reporter
            .tell()
            .warned(Some(self.index), &warning.to_string());
    }
}
