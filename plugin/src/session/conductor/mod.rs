//! The conductor: the state of the session thread, and its loop.

mod clips;
mod errands;
mod hint;
mod jobs;
mod takes;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use sextet_protocol::worker::EngineName;
use sextet_protocol::{Fingerprint, Folders, Stem};

use crate::capture::Take;
use crate::engine::{Fault, Job, Kept};
use crate::link::Link;
use crate::overview::Overview;
use crate::playback::{Deck, Placement};
use crate::saved::{Saved, SavedClip, SavedField, Settings};
use crate::session::audio_end::SessionEnd;
use crate::session::command::Command;
use crate::session::scan::{Scan, Seen};
use crate::session::upkeep::Upkeep;
use crate::session::view::{MadeWith, Phase, View, ViewCell, Wave};

/// Time that the thread sleeps when nothing is going on. Any event wakes it.
const IDLE: Duration = Duration::from_secs(5);
/// Time that the thread sleeps while a job or a take is going on.
const BUSY: Duration = Duration::from_millis(100);
/// Interval at which the editor shows a growing take.
const GROWTH: Duration = Duration::from_millis(80);

/// The state of the session thread.
pub(super) struct Conductor {
    inbox: Receiver<Command>,
    folders: Result<Folders, String>,
    saved: Arc<SavedField>,
    link: Arc<Link>,
    view: Arc<ViewCell>,
    line: Option<SessionEnd>,
    settings: Settings,
    clip: Option<SavedClip>,
    undo: Vec<Option<SavedClip>>,
    redo: Vec<Option<SavedClip>>,
    phase: Phase,
    take: Option<Take>,
    shown_at: Instant,
    separation: Option<Job>,
    kept: Option<Kept>,
    /// Whether the separation's worker was started before the GPU was set up.
    is_outrun: bool,
    import: Option<Job>,
    render: Option<Job>,
    upkeep: Upkeep,
    deck: Option<Arc<Deck>>,
    scan: Option<Scan>,
    wave: Option<Wave>,
    stems: [Option<Arc<Overview>>; Stem::ALL.len()],
    engine: Option<String>,
    made_with: Option<MadeWith>,
    /// Stems that the last choice of model and engine led to, whatever they were made with.
    answered: Option<(Fingerprint, (String, EngineName))>,
    /// Whether the need for the hint about the GPU was considered.
    considered_hint: bool,
    /// Whether the hint waits for the report on the GPU.
    awaits_hint: bool,
    /// Whether the hint is shown, because there is a GPU to be set up.
    has_hint: bool,
    notice: Option<(String, String)>,
    rendered: Option<std::path::PathBuf>,
    lost_frames: u64,
    takes: u32,
}

impl Conductor {
    pub(super) fn new(
        inbox: Receiver<Command>,
        folders: Result<Folders, String>,
        saved: Arc<SavedField>,
        link: Arc<Link>,
        view: Arc<ViewCell>,
    ) -> Self {
        let settings = saved.get().settings;
        Self {
            inbox,
            folders,
            saved,
            link,
            view,
            line: None,
            settings,
            clip: None,
            undo: Vec::new(),
            redo: Vec::new(),
            phase: Phase::Empty,
            take: None,
            shown_at: Instant::now(),
            separation: None,
            kept: None,
            is_outrun: false,
            import: None,
            render: None,
            upkeep: Upkeep::default(),
            deck: None,
            scan: None,
            wave: None,
            stems: Default::default(),
            engine: None,
            made_with: None,
            answered: None,
            considered_hint: false,
            awaits_hint: false,
            has_hint: false,
            notice: None,
            rendered: None,
            lost_frames: 0,
            takes: 0,
        }
    }

    /// Runs the loop until the session is stopped.
    pub(super) fn run(mut self) {
        loop {
            let posted = self.link.posted();
            // Obey the commands, then read the tape.
            while let Ok(command) = self.inbox.try_recv() {
                self.obey(command);
            }

            self.listen();
            if self.link.take_armed() {
                self.warm_up();
            }

            // Step the jobs, and take their results.
            self.step_separation();
            self.step_errands();
            self.step_kept();
            self.step_upkeep();
            self.look();

            self.check_deck();
            self.find_again();

            // All requests that were counted before this round are settled, unless stems are on
            // their way.
            let waiting = self.separation.is_some() || self.import.is_some();
            if !waiting {
                self.link.settle(posted);
            }

            // Show the new state, and end or sleep.
            self.publish();
            if self.link.is_stopped() {
                self.dismiss_workers();
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
        let handing_over = self.line.as_ref().is_some_and(SessionEnd::is_waiting);
        let leaving_off = self.kept.as_ref().is_some_and(Kept::is_leaving_off);
        self.take.is_some()
            || self.render.is_some()
            || self.upkeep.is_busy()
            || handing_over
            || leaving_off
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Activate(line) => self.activate(*line),
            Command::Load(saved) => self.load(*saved),
            Command::Separate => self.separate(),
            Command::Cancel => self.cancel(),
            Command::Undo => self.undo(),
            Command::Redo => self.redo(),
            Command::Open(path) => self.open(&path),
            Command::Render(order) => self.render(order),
            Command::CancelErrand(kind) => self.cancel_errand(kind),
            Command::Clear => self.replace_clip(None),
            Command::Place(frame) => self.place(frame),
            Command::Settings(settings) => self.settings = settings,
            Command::Upkeep(wish) => self
                .upkeep
                .obey(wish, &self.folders, &std::thread::current()),
            Command::Dismiss => self.notice = None,
            Command::DismissHint => self.dismiss_hint(),
        }
    }

    fn look(&mut self) {
        let mut damage = None;
        while let Some(seen) = self.scan.as_ref().and_then(Scan::hear) {
            match seen {
                Seen::Clip(overview) => self.show_wave(overview),
                Seen::Stems(stems, clip) => {
                    self.stems = stems.map(|overview| Some(Arc::new(overview)));
                    self.show_wave(clip);
                }
                Seen::Damaged(reason) => damage = Some(reason),
            }
        }

        if let Some(reason) = damage {
            self.remake(&Fault::Stems(reason));
        }
    }

    fn show_wave(&mut self, overview: Overview) {
        if let (Some(clip), None) = (&self.clip, &self.take) {
            self.wave = Some(Wave {
                placement: clip.placement(),
                overview: Arc::new(overview),
            });
        }
    }

    fn check_deck(&mut self) {
        if let Some(fault) = self.deck.as_ref().and_then(|deck| deck.fault()) {
            self.remake(&Fault::Stems(fault.to_string()));
        }
    }

    /// Stops playing stems that are damaged, and makes them again if that is possible.
    fn remake(&mut self, fault: &Fault) {
        self.play(None);
        self.scan = None;
        self.give_notice(fault);
        self.separate();
    }

    fn save(&self) {
        let (clip, settings) = (self.clip.clone(), self.settings.clone());
        self.saved.update(Saved {
            clip,
            settings,
            status: self.phase.words(),
            ..Saved::default()
        });
    }

    fn publish(&mut self) {
        let clip = match &self.take {
            Some(take) if self.shown_at.elapsed() >= GROWTH => {
                self.shown_at = Instant::now();
                let (start_frame, overview) = take.overview();
                let frames = overview.bins.len() as u64 * crate::overview::BIN_FRAMES as u64;

                let rate_hz = self.link.session_hz().unwrap_or(44_100);
                let placement = Placement {
                    start_frame,
                    frames,
                    rate_hz,
                };

                Some(Wave {
                    placement,
                    overview: Arc::new(overview),
                })
            }
            Some(_) => self.view.get().clip.clone(),
            None => self.wave.clone(),
        };

        let view = View {
            phase: self.phase.clone(),
            name: self
                .clip
                .as_ref()
                .map_or_else(String::new, |clip| clip.name.clone()),
            clip,
            stems: self.stems.clone(),
            lost_frames: self.lost_frames,
            engine: self.engine.clone(),
            made_with: self.made_with.clone(),
            is_made_otherwise: self.is_made_otherwise(),
            errand: self.errand(),
            upkeep: self.upkeep.shown(),
            has_gpu_hint: self.has_hint,
            notice: self.notice.clone(),
            rendered: self.rendered.clone(),
            settings: self.settings.clone(),
            can_undo: !self.undo.is_empty(),
            can_redo: !self.redo.is_empty(),
            has_stems: self.phase == Phase::Ready || self.deck.is_some(),
        };

        self.save();
        if self.view.set(view) {
            self.link.repaint.request_repaint();
        }
    }
}
