//! The conductor: the state of the session thread, and its loop.

mod background;
mod captures;
mod clips;
mod closeups;
mod hint;
mod history;
mod publish;
mod separation;
mod state;
mod takes;
mod waveforms;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use sextet_protocol::Fingerprint;
use sextet_protocol::worker::EngineName;

use crate::captures::{CaptureList, Errand, Holds};
use crate::saved::{SavedField, Settings};
use crate::session::channel::SessionEndpoint;
use crate::session::command::Command;
use crate::session::upkeep::Upkeep;
use crate::session::view::{Draft, ViewCell};
use crate::shared_state::SharedState;
use crate::worker::{IdleWorker, Job, Launcher};
use closeups::Examinations;
use hint::GpuHint;
use history::History;
use state::{Effect, Event, State};
use waveforms::Waveforms;

/// Time that the thread sleeps when nothing is going on. Any event wakes it.
const IDLE: Duration = Duration::from_secs(5);
/// Time that the thread sleeps while a job or a take is going on.
const BUSY: Duration = Duration::from_millis(100);

/// The session thread's own: the state of the work, and all that it is done with.
pub(super) struct Conductor {
    // Connections to the editor, the project, the audio thread and the command.
    inbox: Receiver<Command>,
    launcher: Result<Launcher, String>,
    saved: Arc<SavedField>,
    shared: Arc<SharedState>,
    channel: Option<SessionEndpoint>,

    // The clip and the work on it.
    settings: Settings,
    history: History,
    state: State,
    waveforms: Waveforms,
    closeups: Examinations,
    /// Stems that the last choice of model and engine led to, whatever they were made with.
    answered: Option<(Fingerprint, String, EngineName)>,
    /// Worker that waits for the next separation.
    idle_worker: Option<IdleWorker>,
    /// Number of takes so far, by which captures are named.
    takes: u32,
    lost_frames: u64,

    // Work beside the clip.
    import: Option<Job>,
    render: Option<Job>,
    errand: Option<Errand>,
    /// Captures that are in use here.
    holds: Holds,
    /// The user's captures, as they were listed last.
    capture_list: Option<Arc<CaptureList>>,
    /// Folder of the files that were rendered last.
    rendered: Option<PathBuf>,
    upkeep: Upkeep,
    hint: GpuHint,

    // The editor's view.
    notice: Option<(String, String)>,
    draft: Draft,
    view: Arc<ViewCell>,
}

impl Conductor {
    pub(super) fn new(
        inbox: Receiver<Command>,
        launcher: Result<Launcher, String>,
        saved: Arc<SavedField>,
        shared: Arc<SharedState>,
        view: Arc<ViewCell>,
    ) -> Self {
        Self {
            inbox,
            launcher,
            shared,
            channel: None,
            settings: saved.get().settings,
            saved,
            history: History::default(),
            state: State::Empty,
            waveforms: Waveforms::default(),
            closeups: Examinations::default(),
            answered: None,
            idle_worker: None,
            takes: 0,
            lost_frames: 0,
            import: None,
            render: None,
            errand: None,
            holds: Holds::default(),
            capture_list: None,
            rendered: None,
            upkeep: Upkeep::default(),
            hint: GpuHint::default(),
            notice: None,
            draft: Draft::default(),
            view,
        }
    }

    /// Runs the loop until the session is stopped.
    pub(super) fn run(mut self) {
        loop {
            let posted = self.shared.posted();
            // Handle the commands, then read the tape.
            while let Ok(command) = self.inbox.try_recv() {
                self.handle(command);
            }

            self.read_tape();
            if self.shared.take_armed() {
                self.warm_up();
            }

            // Step the jobs, and take their results.
            self.step_separation();
            self.step_background();
            self.step_errand();
            self.step_idle_worker();
            self.step_upkeep();
            self.poll_scan();
            self.step_closeups();

            self.check_deck();
            self.retry_missing_capture();

            // Let the audio thread play what the state says. All requests that were counted before
            // this round are settled then, unless stems are on their way.
            self.hand_deck_over();
            let waiting = self.state.job().is_some() || self.import.is_some();
            if !waiting {
                self.shared.settle(posted);
            }

            // Show the new state, and end or sleep.
            self.save();
            self.publish();
            if self.shared.is_stopped() {
                self.shut_workers_down();
                return;
            }

            std::thread::park_timeout(if waiting || self.is_busy() {
                BUSY
            } else {
                IDLE
            });
        }
    }

    /// Returns whether there is work that needs a short interval.
    fn is_busy(&self) -> bool {
        let handing_over = self
            .channel
            .as_ref()
            .is_some_and(SessionEndpoint::is_waiting);
        let is_cancelling = self
            .idle_worker
            .as_ref()
            .is_some_and(IdleWorker::is_cancelling);
        self.state.is_capturing()
            || self.render.is_some()
            || self.errand.is_some()
            || self.upkeep.is_busy()
            || handing_over
            || is_cancelling
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Activate(endpoint) => self.activate(*endpoint),
            Command::Load(saved) => self.load(*saved),
            Command::Separate => self.separate(),
            Command::Cancel => self.apply(Event::SeparationCancelled),
            Command::Undo => self.undo(),
            Command::Redo => self.redo(),
            Command::Open(path) => self.open(&path),
            Command::Render(order) => self.render(order),
            Command::CancelBackground(kind) => self.cancel_background(kind),
            Command::Clear => self.replace_clip(None),
            Command::MoveClip(frame) => self.move_clip(frame),
            Command::LookCloser(look) => self.closeups.look_closer(look),
            Command::Settings(settings) => {
                self.settings = settings;
                self.hold_captures();
            }
            Command::ListCaptures => self.list_captures(),
            Command::DeleteCapture(audio) => self.delete_capture(&audio),
            Command::LimitCaptures(limit_bytes) => self.limit_captures(limit_bytes),
            Command::Collect(folder) => self.collect(folder),
            Command::FindCapture(folder) => self.find_capture(folder),
            Command::Upkeep(request) => {
                self.upkeep
                    .handle(request, &self.launcher, &std::thread::current())
            }
            Command::DismissNotice => self.notice = None,
            Command::DismissHint => self.dismiss_hint(),
        }
    }

    /// Changes the state, and does what is to be done about it.
    fn apply(&mut self, event: Event) {
        let (state, effect) = std::mem::take(&mut self.state).apply(event);
        self.state = state;
        match effect {
            None => {}
            Some(Effect::FinishTake(take)) => self.finish_take(take),
            Some(Effect::CancelJob(job)) => self.idle_worker = job.cancel(),
            Some(Effect::KeepWorker(job)) => self.idle_worker = job.keep_worker(),
            Some(Effect::Separate) => self.separate(),
        }
    }
}
