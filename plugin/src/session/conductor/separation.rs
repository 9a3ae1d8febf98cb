//! The separation of the clip, and the worker that is kept for it.

use std::time::Instant;

use sextet_protocol::Fingerprint;

use super::Conductor;
use super::state::{Event, State};
use crate::captures::capture_of;
use crate::session::upkeep::Outcome;
use crate::worker::{Fault, IdleWorker, Job, JobOutcome, Task};

impl Conductor {
    /// Starts the separation of the clip, unless there is one or a take is running.
    pub(super) fn separate(&mut self) {
        if !self.state.can_separate() {
            return;
        }
        let event = match self.start_separation() {
            Ok(Some(job)) => Event::SeparationStarted(job),
            Ok(None) => return,
            Err(fault) => Event::SeparationFailed(fault),
        };
        self.apply(event);
    }

    /// Starts the job that separates the clip; `None` without a clip.
    fn start_separation(&mut self) -> Result<Option<Job>, Fault> {
        let Some(clip) = self.history.clip() else {
            return Ok(None);
        };
        let launcher = match &self.launcher {
            Ok(launcher) => launcher,
            Err(reason) => return Err(Fault::NoFolder(reason.clone())),
        };

        let song = capture_of(clip, &self.settings, launcher.folders());
        if !song.is_file() {
            return Err(Fault::Missing { path: song });
        }

        let (model, engine) = self.settings.computing();
        let task = Task::Separate {
            song,
            model,
            engine,
        };

        match self
            .idle_worker
            .take()
            .filter(|idle| idle.is_current(launcher))
        {
            Some(idle) => Ok(Some(Job::on(idle, task))),
            None => Job::start(task, launcher, std::thread::current()).map(Some),
        }
    }

    pub(super) fn step_separation(&mut self) {
        let Some(job) = self.state.job_mut() else {
            return;
        };

        let ended = job.step(Instant::now());
        if let Some(warning) = job.warning.take() {
            self.notice = Some((warning, String::new()));
        }

        match ended {
            None => {}
            Some(JobOutcome::Separated { key, cached }) => {
                self.apply(Event::SeparationDone);
                self.play_new_stems(key);
                self.consider_hint(cached);
            }
            Some(JobOutcome::Failed(fault)) => {
                let was_never_begun = job.was_never_begun(&fault);
                self.apply(Event::SeparationFailed(fault));
                if was_never_begun {
                    self.separate();
                }
            }
            Some(_) => self.apply(Event::SeparationFailed(Fault::Died {
                how: "it answered another question than it was asked".to_owned(),
                said: String::new(),
            })),
        }
    }

    /// Plays stems that were made. They need no check, because the worker has just hashed their
    /// files, or compared their hashes.
    fn play_new_stems(&mut self, key: Fingerprint) {
        let (model, engine) = self.settings.computing();
        self.answered = Some((key, model, engine));
        self.history.set_key(key);
        self.save();

        if !self.open_stems(false) && !matches!(self.state, State::Failed { .. }) {
            let gone = "The stems were made but are no longer in the cache; its limit may be too small for them.";
            self.apply(Event::StemsUnreadable(Fault::Stems(gone.to_owned())));
        }
    }

    /// Makes a worker load model and engine if a separation is to be expected soon.
    pub(super) fn warm_up(&mut self) {
        let Ok(launcher) = &self.launcher else { return };
        if !self.settings.automatic || self.state.job().is_some() {
            return;
        }

        match self
            .idle_worker
            .as_mut()
            .filter(|idle| idle.is_current(launcher))
        {
            Some(idle) => idle.prepare(self.settings.computing()),
            // Ignore the error: the separation will report it.
            None => {
                self.idle_worker =
                    IdleWorker::start(self.settings.computing(), launcher, std::thread::current())
                        .ok()
            }
        }
    }

    /// Steps the idle worker, and drops it when it is of no use any more.
    pub(super) fn step_idle_worker(&mut self) {
        let wanted = self.state.is_capturing() || self.import.is_some();
        if let Some(idle) = &mut self.idle_worker
            && !idle.step(Instant::now(), wanted)
        {
            self.idle_worker = None;
        }
    }

    /// Tells all processes to end, so that they end side by side.
    pub(super) fn shut_workers_down(&mut self) {
        let background = [&mut self.import, &mut self.render];
        let jobs = background.into_iter().flatten();
        jobs.chain(self.state.job_mut()).for_each(Job::shut_down);
        self.idle_worker.iter_mut().for_each(IdleWorker::shut_down);
        self.upkeep.shut_down();
    }

    pub(super) fn step_upkeep(&mut self) {
        for outcome in self.upkeep.step(&self.launcher, &std::thread::current()) {
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
        self.idle_worker = None;
        if let Some(job) = self.state.job_mut() {
            job.do_not_keep_worker();
        }
        self.hint.gpu_is_ready();
    }

    pub(super) fn show_notice(&mut self, fault: &Fault) {
        self.notice = Some((fault.to_string(), fault.remedy()));
    }
}
