//! Jobs: separating the clip, opening a file, rendering files.

use std::path::Path;
use std::time::Instant;

use sextet_protocol::Fingerprint;
use sextet_protocol::worker::{JobId, Render};

use super::Conductor;
use crate::engine::{Ended, Fault, Job, Kept, Task};
use crate::saved::SavedClip;
use crate::session::command::Order;
use crate::session::view::Phase;

impl Conductor {
    pub(super) fn separate(&mut self) {
        let Some(clip) = &self.clip else { return };
        let folders = match &self.folders {
            Ok(folders) => folders,
            Err(reason) => {
                self.phase = Phase::Failed(Fault::NoFolder(reason.clone()));
                return;
            }
        };
        let song = folders.capture(&clip.audio);
        if !song.is_file() {
            self.phase = Phase::Failed(Fault::Missing { path: song });
            return;
        }

        let (model, engine) = self.settings.computing();
        let task = Task::Separate { song, model, engine };
        let job = match self.kept.take() {
            Some(kept) => Ok(kept.start_job(task)),
            None => Job::start(task, folders, std::thread::current()),
        };
        self.begin_separation(job);
    }

    fn begin_separation(&mut self, job: Result<Job, Fault>) {
        match job {
            Ok(job) => {
                self.phase = Phase::Separating(job.stage().clone());
                self.separation = Some(job);
            }
            Err(fault) => self.phase = Phase::Failed(fault),
        }
    }

    /// The worker goes with it, so that its memory is free at once.
    pub(super) fn cancel(&mut self) {
        if self.separation.take().is_some() {
            self.phase = if self.deck.is_some() { Phase::Ready } else { Phase::Captured };
        }
    }

    pub(super) fn step_separation(&mut self) {
        let Some(job) = &mut self.separation else { return };
        let ended = job.step(Instant::now());
        self.engine.clone_from(&job.engine);
        if let Some(warning) = job.warning.take() {
            self.notice = Some((warning, String::new()));
        }
        let Some(ended) = ended else {
            self.phase = Phase::Separating(job.stage().clone());
            return;
        };

        let Some(job) = self.separation.take() else { return };
        match ended {
            Ended::Separated { key, cached } => {
                self.kept = job.keep_worker();
                self.separated(key, cached);
            }
            Ended::Failed(fault) if job.was_never_begun(&fault) => self.separate(),
            Ended::Failed(fault) => self.phase = Phase::Failed(fault),
            _ => {
                let said = "it answered another question than it was asked".to_owned();
                self.phase = Phase::Failed(Fault::Died { how: said, said: String::new() });
            }
        }
    }

    /// Has a worker load model and engine if a separation is to be expected soon.
    pub(super) fn warm_up(&mut self) {
        let Ok(folders) = &self.folders else { return };
        if !self.settings.automatic || self.separation.is_some() {
            return;
        }
        match &mut self.kept {
            Some(kept) => kept.prepare(self.settings.computing()),
            // What is wrong is told by the separation.
            None => self.kept = Kept::start(self.settings.computing(), folders, std::thread::current()).ok(),
        }
    }

    /// Looks after the worker that is kept, which is over when it is of no use any more.
    pub(super) fn step_kept(&mut self) {
        let wanted = self.take.is_some() || self.errand_is_import();
        if let Some(kept) = &mut self.kept
            && !kept.step(Instant::now(), wanted)
        {
            self.kept = None;
        }
    }

    /// Tells all processes to end, so that they do so side by side.
    pub(super) fn dismiss_workers(&mut self) {
        let jobs = [&mut self.separation, &mut self.errand];
        jobs.into_iter().flatten().for_each(Job::dismiss);
        self.kept.iter_mut().for_each(Kept::dismiss);
    }

    /// Plays stems that were made. Those that were in the cache before are looked at like those of a project; the others have
    /// just been checked.
    pub(super) fn separated(&mut self, key: Fingerprint, cached: bool) {
        let Some(clip) = &mut self.clip else { return };
        clip.key = Some(key);
        self.save();
        if !self.open_stems(cached) && !matches!(self.phase, Phase::Failed(_)) {
            let gone = "The stems were made but are no longer in the cache; its limit may be too small for them.";
            self.phase = Phase::Failed(Fault::Stems(gone.to_owned()));
        }
    }

    pub(super) fn open(&mut self, path: &Path) {
        self.start_errand(Task::Import { song: path.to_owned() });
        self.warm_up();
    }

    pub(super) fn render(&mut self, order: Order) {
        let Some((key, name)) = self.clip.as_ref().and_then(|clip| Some((clip.key?, clip.name.clone()))) else {
            return;
        };
        let Order { folder, stems, format, bits, rate_hz } = order;
        let job = JobId(1);
        let render = Render { job, key, stems, folder, name, format, bits: Some(bits), rate_hz };
        self.start_errand(Task::Render(Box::new(render)));
    }

    pub(super) fn start_errand(&mut self, task: Task) {
        let started = match &self.folders {
            Ok(folders) => Job::start(task, folders, std::thread::current()),
            Err(reason) => Err(Fault::NoFolder(reason.clone())),
        };
        match started {
            Ok(job) => (self.errand, self.notice) = (Some(job), None),
            Err(fault) => self.give_notice(&fault),
        }
    }

    pub(super) fn errand_is_import(&self) -> bool {
        self.errand.as_ref().is_some_and(|job| matches!(job.task(), Task::Import { .. }))
    }

    pub(super) fn step_errand(&mut self) {
        let Some(ended) = self.errand.as_mut().and_then(|job| job.step(Instant::now())) else { return };
        let Some(job) = self.errand.take() else { return };
        match (job.task(), ended) {
            // The clip's own file, which was missing: it stays where it lies.
            (Task::Import { .. }, Ended::Imported { audio, .. })
                if self.clip.as_ref().is_some_and(|clip| clip.audio == audio) =>
            {
                self.find_again();
            }
            (Task::Import { song }, Ended::Imported { audio, rate_hz, frames }) => {
                let name = song.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                self.replace_clip(Some(SavedClip { audio, start_frame: 0, frames, rate_hz, name, key: None }));
                if self.settings.automatic {
                    self.separate();
                }
            }
            (Task::Render(order), Ended::Rendered { paths }) => {
                let folder = paths.first().and_then(|path| path.parent()).unwrap_or(&order.folder).to_owned();
                self.notice =
                    Some((format!("{} files were written to {}.", paths.len(), folder.display()), String::new()));
                self.rendered = Some(folder);
            }
            (_, Ended::Failed(fault)) => self.give_notice(&fault),
            _ => {}
        }
    }

    pub(super) fn give_notice(&mut self, fault: &Fault) {
        self.notice = Some((fault.to_string(), fault.remedy()));
    }
}
