//! The separation of the clip, and the worker that is kept for it.

use std::time::Instant;

use sextet_protocol::Fingerprint;

use super::Conductor;
use crate::engine::{Ended, Fault, Job, Kept, Task};
use crate::session::upkeep::Outcome;
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
        let task = Task::Separate {
            song,
            model,
            engine,
        };

        let job = match self.kept.take().filter(|kept| kept.is_current(folders)) {
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

    pub(super) fn cancel(&mut self) {
        if self.give_up() {
            self.phase = if self.deck.is_some() {
                Phase::Ready
            } else {
                Phase::Captured
            };
        }
    }

    /// Cancels the separation, if there is one. Its worker is kept if its engine is free at once.
    pub(super) fn give_up(&mut self) -> bool {
        let Some(job) = self.separation.take() else {
            return false;
        };
        let is_outrun = std::mem::take(&mut self.is_outrun);
        self.kept = job.cancel().filter(|_| !is_outrun);
        true
    }

    pub(super) fn step_separation(&mut self) {
        let Some(job) = &mut self.separation else {
            return;
        };

        let ended = job.step(Instant::now());
        self.engine.clone_from(&job.engine);

        if let Some(warning) = job.warning.take() {
            self.notice = Some((warning, String::new()));
        }

        let Some(ended) = ended else {
            self.phase = Phase::Separating(job.stage().clone());
            return;
        };

        let Some(job) = self.separation.take() else {
            return;
        };

        // A worker that was started before the GPU was set up is not kept.
        let is_outrun = std::mem::take(&mut self.is_outrun);
        match ended {
            Ended::Separated { key, cached } => {
                self.kept = job.keep_worker().filter(|_| !is_outrun);
                self.answered = Some((key, self.settings.computing()));
                self.separated(key);
                self.consider_hint(cached);
            }
            Ended::Failed(fault) if job.was_never_begun(&fault) => self.separate(),
            Ended::Failed(fault) => self.phase = Phase::Failed(fault),
            _ => {
                let said = "it answered another question than it was asked".to_owned();
                self.phase = Phase::Failed(Fault::Died {
                    how: said,
                    said: String::new(),
                });
            }
        }
    }

    /// Makes a worker load model and engine if a separation is to be expected soon.
    pub(super) fn warm_up(&mut self) {
        let Ok(folders) = &self.folders else { return };
        if !self.settings.automatic || self.separation.is_some() {
            return;
        }

        match self.kept.as_mut().filter(|kept| kept.is_current(folders)) {
            Some(kept) => kept.prepare(self.settings.computing()),
            // Ignore the error: the separation will report it.
            None => {
                self.kept =
                    Kept::start(self.settings.computing(), folders, std::thread::current()).ok()
            }
        }
    }

    /// Steps the kept worker, and drops it when it is of no use any more.
    pub(super) fn step_kept(&mut self) {
        let wanted = self.take.is_some() || self.import.is_some();
        if let Some(kept) = &mut self.kept
            && !kept.step(Instant::now(), wanted)
        {
            self.kept = None;
        }
    }

    /// Tells all processes to end, so that they end side by side.
    pub(super) fn dismiss_workers(&mut self) {
        let jobs = [&mut self.separation, &mut self.import, &mut self.render];
        jobs.into_iter().flatten().for_each(Job::dismiss);
        self.kept.iter_mut().for_each(Kept::dismiss);
        self.upkeep.dismiss();
    }

    pub(super) fn step_upkeep(&mut self) {
        for outcome in self.upkeep.step(&self.folders, &std::thread::current()) {
            match outcome {
                Outcome::GpuReady => self.use_gpu(),
                Outcome::Usable(model) => self.settings.model = model,
            }
        }
        self.show_hint();
    }

    /// Drops the workers that were started before the GPU was set up, because they compute without
    /// it. The next separation starts a new one.
    fn use_gpu(&mut self) {
        self.kept = None;
        self.is_outrun = self.separation.is_some();
        self.has_hint = false;
    }

    /// Plays stems that were made. They need no check, because the worker has just hashed their
    /// files, or compared their hashes.
    pub(super) fn separated(&mut self, key: Fingerprint) {
        let Some(clip) = &mut self.clip else { return };
        clip.key = Some(key);
        self.save();
        if !self.open_stems(false) && !matches!(self.phase, Phase::Failed(_)) {
            let gone = "The stems were made but are no longer in the cache; its limit may be too small for them.";
            self.phase = Phase::Failed(Fault::Stems(gone.to_owned()));
        }
    }

    pub(super) fn give_notice(&mut self, fault: &Fault) {
        self.notice = Some((fault.to_string(), fault.remedy()));
    }
}
