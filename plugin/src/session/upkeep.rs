//! The upkeep of the machine: inspecting it, setting its GPU up, and fetching its models. Each
//! job has a process of its own, so that fetching for minutes delays nothing else.

use std::sync::Arc;
use std::thread::Thread;
use std::time::Instant;

use sextet_protocol::worker::{Checked, Gpu, Machine, ModelInfo, Offer};

use crate::worker::{Fault, Job, JobOutcome, Launcher, Stage, Task};

/// A request to the upkeep.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum UpkeepRequest {
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
pub(crate) struct UpkeepState {
    /// Report on the machine, once it was inspected.
    pub(crate) machine: Option<Arc<Machine>>,
    /// State of the inspection.
    pub(crate) inspection: TaskState,
    /// State of the GPU's setup.
    pub(crate) set_up: TaskState,
    /// State of the question about a model's terms or a checkpoint; `asked_model` names it.
    pub(crate) question: TaskState,
    pub(crate) asked_model: String,
    /// Terms of fetching a model.
    pub(crate) offer: Option<Offer>,
    /// State of fetching a model; `fetched_model` names it.
    pub(crate) fetch: TaskState,
    pub(crate) fetched_model: String,
    /// Checkpoints that can be used, of those that were checked.
    pub(crate) checkpoints: Vec<Checked>,
}

/// The state of something that was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum TaskState {
    /// Nothing is going on, or the work is done.
    #[default]
    Idle,
    /// The work is at this stage.
    Running(Stage),
    /// The work failed for this reason.
    Failed(Fault),
}

impl TaskState {
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
    inspection: JobSlot,
    set_up: JobSlot,
    question: JobSlot,
    fetch: JobSlot,
    machine: Option<Arc<Machine>>,
    offer: Option<Offer>,
    checkpoints: Vec<Checked>,
    /// Whether the state may have changed since it was taken last.
    is_changed: bool,
}

/// A slot for one job.
#[derive(Default)]
struct JobSlot {
    job: Option<Job>,
    fault: Option<Fault>,
    /// Model that the job is about, if any.
    model: String,
}

impl Upkeep {
    /// Handles a request.
    pub(super) fn handle(
        &mut self,
        request: UpkeepRequest,
        launcher: &Result<Launcher, String>,
        session: &Thread,
    ) {
        self.is_changed = true;
        match request {
            UpkeepRequest::Inspect => self.inspection.start(Task::Inspect, launcher, session),
            UpkeepRequest::SetUpGpu => self.set_up.start(Task::SetUpGpu, launcher, session),
            UpkeepRequest::CancelSetUp => self.set_up = JobSlot::default(),
            UpkeepRequest::Offer(model) => {
                self.offer = None;
                self.question
                    .start(Task::Offer { model }, launcher, session);
            }
            UpkeepRequest::Check(model) => {
                self.offer = None;
                self.question
                    .start(Task::Check { model }, launcher, session);
            }
            UpkeepRequest::CloseQuestion => {
                (self.question, self.offer) = (JobSlot::default(), None)
            }
            UpkeepRequest::Fetch(model) => {
                self.offer = None;
                self.fetch.start(Task::Fetch { model }, launcher, session);
            }
            UpkeepRequest::CancelFetch => self.fetch = JobSlot::default(),
        }
    }

    /// Returns the report on the machine, once it was inspected.
    pub(super) fn machine(&self) -> Option<&Machine> {
        self.machine.as_deref()
    }

    /// Processes the workers' replies.
    pub(super) fn step(
        &mut self,
        launcher: &Result<Launcher, String>,
        session: &Thread,
    ) -> Vec<Outcome> {
        let now = Instant::now();
        self.is_changed |= self.is_busy();
        let slots = [
            &mut self.inspection,
            &mut self.set_up,
            &mut self.question,
            &mut self.fetch,
        ];

        let ended: Vec<JobOutcome> = slots
            .into_iter()
            .filter_map(|slot| slot.step(now))
            .collect();
        let mut outcomes = Vec::new();
        for ended in ended {
            match ended {
                JobOutcome::Inspected(machine) => self.machine = Some(Arc::new(*machine)),
                JobOutcome::GpuSetUp(gpu) => {
                    self.set_gpu(*gpu);
                    outcomes.push(Outcome::GpuReady);
                }
                JobOutcome::Offered(offer) => self.offer = Some(offer),
                JobOutcome::Fetched(model) => self.set_model(model),
                JobOutcome::Checked(checked) => {
                    outcomes.push(Outcome::Usable(checked.model.clone()));
                    self.checkpoints
                        .retain(|other| other.model != checked.model);
                    self.checkpoints.push(checked);
                }
                _ => {}
            }
        }

        // Inspect the machine if a result arrived before the report on it.
        if self.machine.is_none() && !outcomes.is_empty() && self.inspection.job.is_none() {
            self.handle(UpkeepRequest::Inspect, launcher, session);
        }

        outcomes
    }

    fn set_gpu(&mut self, gpu: Gpu) {
        if let Some(machine) = &mut self.machine {
            Arc::make_mut(machine).gpu = gpu;
        }
    }

    fn set_model(&mut self, model: ModelInfo) {
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

    /// Returns whether a job is running.
    pub(super) fn is_busy(&self) -> bool {
        [&self.inspection, &self.set_up, &self.question, &self.fetch]
            .iter()
            .any(|slot| slot.job.is_some())
    }

    /// Returns the state for the editor, if it may have changed since the last call.
    pub(super) fn take_changed(&mut self) -> Option<UpkeepState> {
        std::mem::take(&mut self.is_changed).then(|| self.state())
    }

    fn state(&self) -> UpkeepState {
        UpkeepState {
            machine: self.machine.clone(),
            inspection: self.inspection.state(),
            set_up: self.set_up.state(),
            question: self.question.state(),
            asked_model: self.question.model.clone(),
            offer: self.offer.clone(),
            fetch: self.fetch.state(),
            fetched_model: self.fetch.model.clone(),
            checkpoints: self.checkpoints.clone(),
        }
    }

    /// Tells all processes to end, and waits for nothing.
    pub(super) fn shut_down(&mut self) {
        let slots = [
            &mut self.inspection,
            &mut self.set_up,
            &mut self.question,
            &mut self.fetch,
        ];
        slots
            .into_iter()
            .filter_map(|slot| slot.job.as_mut())
            .for_each(Job::shut_down);
    }
}

impl JobSlot {
    /// Starts a task, in place of the one that ran here.
    fn start(&mut self, task: Task, launcher: &Result<Launcher, String>, session: &Thread) {
        let model = match &task {
            Task::Offer { model } | Task::Check { model } | Task::Fetch { model } => model.clone(),
            _ => String::new(),
        };
        *self = Self {
            model,
            ..Self::default()
        };
        let started = match launcher {
            Ok(launcher) => Job::start(task, launcher, session.clone()),
            Err(reason) => Err(Fault::NoFolder(reason.clone())),
        };

        match started {
            Ok(job) => self.job = Some(job),
            Err(fault) => self.fault = Some(fault),
        }
    }

    /// Processes the worker's replies; returns the result once there is one. A fault is kept here.
    fn step(&mut self, now: Instant) -> Option<JobOutcome> {
        let ended = self.job.as_mut()?.step(now)?;
        self.job = None;
        match ended {
            JobOutcome::Failed(fault) => {
                self.fault = Some(fault);
                None
            }
            done => Some(done),
        }
    }

    fn state(&self) -> TaskState {
        match (&self.job, &self.fault) {
            (Some(job), _) => TaskState::Running(job.stage().clone()),
            (None, Some(fault)) => TaskState::Failed(fault.clone()),
            (None, None) => TaskState::Idle,
        }
    }
}
