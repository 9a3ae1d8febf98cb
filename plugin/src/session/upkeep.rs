//! The upkeep of the machine: inspecting it, setting its GPU up, and fetching its models. Each
//! errand has a process of its own, so that fetching for minutes delays nothing else.

use std::sync::Arc;
use std::thread::Thread;
use std::time::Instant;

use sextet_protocol::Folders;
use sextet_protocol::worker::{Checked, Gpu, Machine, ModelInfo, Offer};

use crate::engine::{Ended, Fault, Job, Stage, Task};

/// A request to the upkeep.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wish {
    /// Inspects the machine.
    Inspect,
    /// Fetches the library that the GPU needs.
    SetUpGpu,
    /// Cancels the setup. Fetched data is kept, and a later setup resumes.
    CancelSetUp,
    /// Asks for the terms of fetching a model.
    Offer(String),
    /// Makes a checkpoint the model, if it can be used.
    Check(String),
    /// Closes the question about a model or a checkpoint.
    CloseQuestion,
    /// Fetches a model.
    Fetch(String),
    /// Cancels the fetch. Fetched data is kept, and a later fetch resumes.
    CancelFetch,
}

/// The upkeep's state, as the editor shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Upkept {
    /// Report on the machine, once it was inspected.
    pub(crate) machine: Option<Arc<Machine>>,
    /// State of the inspection.
    pub(crate) look: Deed,
    /// State of the GPU's setup.
    pub(crate) set_up: Deed,
    /// State of the question about a model's terms or a checkpoint; `asked` names it.
    pub(crate) question: Deed,
    pub(crate) asked: String,
    /// Terms of fetching a model.
    pub(crate) offer: Option<Offer>,
    /// State of fetching a model; `fetched` names it.
    pub(crate) fetch: Deed,
    pub(crate) fetched: String,
    /// Checkpoints that can be used, of those that were checked.
    pub(crate) checkpoints: Vec<Checked>,
}

/// The state of something that was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Deed {
    /// Nothing is going on, or the work is done.
    #[default]
    Idle,
    /// The work is at this stage.
    Running(Stage),
    /// The work failed for this reason.
    Failed(Fault),
}

impl Deed {
    pub(crate) fn is_running(&self) -> bool {
        matches!(self, Self::Running(_))
    }
}

/// A result that concerns the session.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// The GPU can be used from now on.
    GpuReady,
    /// A checkpoint can be used; this is its name.
    Usable(String),
}

/// The upkeep of one instance. Dropping it ends the processes.
#[derive(Default)]
pub(super) struct Upkeep {
    look: Place,
    set_up: Place,
    question: Place,
    fetch: Place,
    machine: Option<Arc<Machine>>,
    offer: Option<Offer>,
    checkpoints: Vec<Checked>,
    /// Whether the state may have changed since it was taken last.
    is_changed: bool,
}

/// A place for one errand.
#[derive(Default)]
struct Place {
    job: Option<Job>,
    fault: Option<Fault>,
    /// Model that the errand is about, if any.
    model: String,
}

impl Upkeep {
    /// Obeys a request.
    pub(super) fn obey(&mut self, wish: Wish, folders: &Result<Folders, String>, session: &Thread) {
        self.is_changed = true;
        match wish {
            Wish::Inspect => self.look.start(Task::Inspect, folders, session),
            Wish::SetUpGpu => self.set_up.start(Task::SetUpGpu, folders, session),
            Wish::CancelSetUp => self.set_up = Place::default(),
            Wish::Offer(model) => {
                self.offer = None;
                self.question.start(Task::Offer { model }, folders, session);
            }
            Wish::Check(model) => {
                self.offer = None;
                self.question.start(Task::Check { model }, folders, session);
            }
            Wish::CloseQuestion => (self.question, self.offer) = (Place::default(), None),
            Wish::Fetch(model) => {
                self.offer = None;
                self.fetch.start(Task::Fetch { model }, folders, session);
            }
            Wish::CancelFetch => self.fetch = Place::default(),
        }
    }

    /// Returns the report on the machine, once it was inspected.
    pub(super) fn machine(&self) -> Option<&Machine> {
        self.machine.as_deref()
    }

    /// Processes the workers' replies.
    pub(super) fn step(
        &mut self,
        folders: &Result<Folders, String>,
        session: &Thread,
    ) -> Vec<Outcome> {
        let now = Instant::now();
        self.is_changed |= self.is_busy();
        let places = [
            &mut self.look,
            &mut self.set_up,
            &mut self.question,
            &mut self.fetch,
        ];

        let ended: Vec<Ended> = places
            .into_iter()
            .filter_map(|place| place.step(now))
            .collect();
        let mut outcomes = Vec::new();
        for ended in ended {
            match ended {
                Ended::Inspected(machine) => self.machine = Some(Arc::new(*machine)),
                Ended::GpuSetUp(gpu) => {
                    self.note_gpu(*gpu);
                    outcomes.push(Outcome::GpuReady);
                }
                Ended::Offered(offer) => self.offer = Some(offer),
                Ended::Fetched(model) => self.note_model(model),
                Ended::Checked(checked) => {
                    outcomes.push(Outcome::Usable(checked.model.clone()));
                    self.checkpoints
                        .retain(|other| other.model != checked.model);
                    self.checkpoints.push(checked);
                }
                _ => {}
            }
        }

        // Inspect the machine if a result arrived before the report on it.
        if self.machine.is_none() && !outcomes.is_empty() && self.look.job.is_none() {
            self.obey(Wish::Inspect, folders, session);
        }

        outcomes
    }

    fn note_gpu(&mut self, gpu: Gpu) {
        if let Some(machine) = &mut self.machine {
            Arc::make_mut(machine).gpu = gpu;
        }
    }

    fn note_model(&mut self, model: ModelInfo) {
        let models = self
            .machine
            .as_mut()
            .map(|machine| &mut Arc::make_mut(machine).models);
        if let Some(known) =
            models.and_then(|models| models.iter_mut().find(|known| known.name == model.name))
        {
            *known = model;
        }
    }

    /// Returns whether an errand is running.
    pub(super) fn is_busy(&self) -> bool {
        [&self.look, &self.set_up, &self.question, &self.fetch]
            .iter()
            .any(|place| place.job.is_some())
    }

    /// Returns the state for the editor, if it may have changed since the last call.
    pub(super) fn take_changed(&mut self) -> Option<Upkept> {
        std::mem::take(&mut self.is_changed).then(|| self.shown())
    }

    fn shown(&self) -> Upkept {
        Upkept {
            machine: self.machine.clone(),
            look: self.look.deed(),
            set_up: self.set_up.deed(),
            question: self.question.deed(),
            asked: self.question.model.clone(),
            offer: self.offer.clone(),
            fetch: self.fetch.deed(),
            fetched: self.fetch.model.clone(),
            checkpoints: self.checkpoints.clone(),
        }
    }

    /// Tells all processes to end, and waits for nothing.
    pub(super) fn dismiss(&mut self) {
        let places = [
            &mut self.look,
            &mut self.set_up,
            &mut self.question,
            &mut self.fetch,
        ];
        places
            .into_iter()
            .filter_map(|place| place.job.as_mut())
            .for_each(Job::dismiss);
    }
}

impl Place {
    /// Starts a task, in place of the one that ran here.
    fn start(&mut self, task: Task, folders: &Result<Folders, String>, session: &Thread) {
        let model = match &task {
            Task::Offer { model } | Task::Check { model } | Task::Fetch { model } => model.clone(),
            _ => String::new(),
        };
        *self = Self {
            model,
            ..Self::default()
        };
        let started = match folders {
            Ok(folders) => Job::start(task, folders, session.clone()),
            Err(reason) => Err(Fault::NoFolder(reason.clone())),
        };

        match started {
            Ok(job) => self.job = Some(job),
            Err(fault) => self.fault = Some(fault),
        }
    }

    /// Processes the worker's replies; returns the result once there is one. A fault is kept here.
    fn step(&mut self, now: Instant) -> Option<Ended> {
        let ended = self.job.as_mut()?.step(now)?;
        self.job = None;
        match ended {
            Ended::Failed(fault) => {
                self.fault = Some(fault);
                None
            }
            done => Some(done),
        }
    }

    fn deed(&self) -> Deed {
        match (&self.job, &self.fault) {
            (Some(job), _) => Deed::Running(job.stage().clone()),
            (None, Some(fault)) => Deed::Failed(fault.clone()),
            (None, None) => Deed::Idle,
        }
    }
}
