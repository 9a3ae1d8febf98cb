//! The session thread: what it owns, and what it does in turn.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use sextet_protocol::cache::Entry;
use sextet_protocol::worker::{ModelInfo, Render};
use sextet_protocol::{ErrorKind, Fingerprint, Folders, Stem};

use super::audio_end::SessionEnd;
use super::command::{Command, Order};
use super::scan::{Scan, Seen, Subject};
use super::view::{Errand, Phase, View, ViewCell, Wave};
use crate::capture::{Event, Take, TakeError};
use crate::engine::{Ended, Fault, Job, Stage, Task};
use crate::link::Link;
use crate::overview::Overview;
use crate::playback::{Deck, Placement, StemFiles};
use crate::saved::{Saved, SavedClip, SavedField, Settings};

/// How long it sleeps when nothing is going on; whoever has something wakes it.
const IDLE: Duration = Duration::from_secs(5);
/// While a job or a take is going on.
const BUSY: Duration = Duration::from_millis(100);
/// Clips that can be undone.
const MOST_UNDO: usize = 50;
/// The editor sees a take grow so often.
const GROWTH: Duration = Duration::from_millis(80);

/// See the module.
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
    errand: Option<Job>,
    deck: Option<Arc<Deck>>,
    scan: Option<Scan>,
    wave: Option<Wave>,
    stems: [Option<Arc<Overview>>; Stem::ALL.len()],
    engine: Option<String>,
    models: Vec<ModelInfo>,
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
            errand: None,
            deck: None,
            scan: None,
            wave: None,
            stems: Default::default(),
            engine: None,
            models: Vec::new(),
            notice: None,
            rendered: None,
            lost_frames: 0,
            takes: 0,
        }
    }

    /// Works until the session is stopped.
    pub(super) fn run(mut self) {
        loop {
            let posted = self.link.posted();
            while let Ok(command) = self.inbox.try_recv() {
                self.obey(command);
            }
            self.listen();
            self.step_separation();
            self.step_errand();
            self.look();
            self.check_deck();
            let waiting = self.separation.is_some() || self.errand_is_import();
            if !waiting {
                self.link.settle(posted);
            }
            self.publish();
            if self.link.is_stopped() {
                return;
            }
            let busy = waiting || self.errand.is_some() || self.take.is_some();
            std::thread::park_timeout(if busy { BUSY } else { IDLE });
        }
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
            Command::CancelErrand => self.errand = None,
            Command::Clear => self.replace_clip(None),
            Command::Place(frame) => self.place(frame),
            Command::Settings(settings) => self.settings = settings,
            Command::Dismiss => self.notice = None,
        }
    }

    // The audio thread.

    fn activate(&mut self, line: SessionEnd) {
        // What is left on the line before, and an end to it.
        self.listen();
        if self.take.is_some() {
            self.finish_take();
        }
        self.line = Some(line);
        self.lost_frames = 0;
        if self.deck.is_some() || self.phase == Phase::Ready {
            self.open_stems();
        }
    }

    /// Hands the audio thread what it plays from now on.
    fn play(&mut self, deck: Option<Arc<Deck>>) {
        if let Some(line) = &mut self.line {
            line.play(deck.clone());
        }
        self.deck = deck;
    }

    fn listen(&mut self) {
        let Some(mut line) = self.line.take() else { return };
        line.collect();
        self.lost_frames = line.tape.lost_frames();
        let rate_hz = line.tape.rate_hz();
        let mut ended = false;
        line.tape.drain(|event| match event {
            Event::Begin => self.begin_take(rate_hz),
            Event::Audio(position, samples) => self.keep(position, samples),
            Event::End => {
                ended = true;
                self.finish_take();
            }
        });
        if !(ended && line.tape.is_over()) {
            self.line = Some(line);
        }
    }

    // Captures.

    fn begin_take(&mut self, rate_hz: u32) {
        let made = match &self.folders {
            Ok(folders) => Take::new(folders, rate_hz).map_err(|error| Fault::Capture(error.to_string())),
            Err(reason) => Err(Fault::NoFolder(reason.clone())),
        };
        match made {
            Ok(take) => {
                self.take = Some(take);
                self.separation = None;
                self.phase = Phase::Capturing;
                self.notice = None;
            }
            Err(fault) => self.give_notice(&fault),
        }
    }

    fn keep(&mut self, position: i64, samples: &[f32]) {
        let Some(take) = &mut self.take else { return };
        if let Err(error) = take.keep(position, samples) {
            self.take = None;
            self.give_notice(&Fault::Capture(format!("The capture was ended: it could not be written ({error}).")));
            self.resume();
        }
    }

    fn finish_take(&mut self) {
        let (Some(take), Ok(folders)) = (self.take.take(), self.folders.clone()) else { return };
        self.phase = Phase::Keeping;
        self.publish();
        let base = self.clip.as_ref().filter(|_| self.settings.extend).map(|clip| (clip.audio, clip.placement()));
        let link = self.link.clone();
        match take.finish(&folders, base, &|| link.is_stopped()) {
            Ok(capture) => {
                self.takes += 1;
                let name = format!("Take {}", self.takes);
                let Placement { start_frame, frames, rate_hz } = capture.placement;
                let clip = SavedClip { audio: capture.audio, start_frame, frames, rate_hz, name, key: None };
                self.replace_clip(Some(clip));
                let overview = Arc::new(capture.overview);
                self.wave = Some(Wave { placement: capture.placement, overview });
                // The waveform is known.
                self.scan = None;
                if self.settings.automatic {
                    self.separate();
                }
            }
            Err(TakeError::Nothing | TakeError::Cancelled) => self.resume(),
            Err(error) => {
                self.give_notice(&Fault::Capture(error.to_string()));
                self.resume();
            }
        }
    }

    /// Goes back to the clip as it was before a capture that came to nothing.
    fn resume(&mut self) {
        self.show_clip();
        self.prepare(false);
    }

    // The clip.

    /// Makes another clip the clip, so that it can be undone.
    fn replace_clip(&mut self, clip: Option<SavedClip>) {
        if self.clip == clip {
            return;
        }
        self.undo.push(self.clip.take());
        if self.undo.len() > MOST_UNDO {
            self.undo.remove(0);
        }
        self.redo.clear();
        self.change_clip(clip);
    }

    fn undo(&mut self) {
        if let Some(before) = self.undo.pop() {
            self.redo.push(self.clip.take());
            self.change_clip(before);
            self.prepare(true);
        }
    }

    fn redo(&mut self) {
        if let Some(after) = self.redo.pop() {
            self.undo.push(self.clip.take());
            self.change_clip(after);
            self.prepare(true);
        }
    }

    fn change_clip(&mut self, clip: Option<SavedClip>) {
        (self.separation, self.scan, self.engine) = (None, None, None);
        self.play(None);
        self.clip = clip;
        self.phase = if self.clip.is_some() { Phase::Captured } else { Phase::Empty };
        self.show_clip();
        self.save();
    }

    /// Shows the clip without its waveforms, which are to be looked at.
    fn show_clip(&mut self) {
        self.stems = Default::default();
        self.wave = self.clip.as_ref().map(|clip| Wave { placement: clip.placement(), overview: Arc::default() });
        if let (Some(clip), Ok(folders)) = (&self.clip, &self.folders) {
            let path = folders.capture(&clip.audio);
            self.scan = path.is_file().then(|| Scan::start(Subject::Clip(path), std::thread::current())).flatten();
        }
    }

    fn load(&mut self, saved: Saved) {
        self.settings = saved.settings;
        if self.clip == saved.clip && self.take.is_none() {
            return;
        }
        (self.take, self.errand, self.notice) = (None, None, None);
        (self.undo, self.redo) = (Vec::new(), Vec::new());
        self.change_clip(saved.clip);
        self.prepare(true);
    }

    /// Plays the clip's stems if they are there; makes them if `make` and they were there once, or are made by themselves.
    fn prepare(&mut self, make: bool) {
        let Some(clip) = &self.clip else {
            self.phase = Phase::Empty;
            return;
        };
        let had_stems = clip.key.is_some();
        self.phase = Phase::Captured;
        if !self.open_stems() && make && (had_stems || self.settings.automatic) {
            self.separate();
        }
    }

    /// Plays the clip's stems; false if there are none in the cache.
    fn open_stems(&mut self) -> bool {
        match self.try_open_stems() {
            Ok(true) => {
                self.phase = Phase::Ready;
                true
            }
            Ok(false) => {
                self.play(None);
                false
            }
            Err(fault) => {
                self.play(None);
                self.phase = Phase::Failed(fault);
                // What is damaged can be made again.
                false
            }
        }
    }

    fn try_open_stems(&mut self) -> Result<bool, Fault> {
        let (Some(clip), Ok(folders)) = (&self.clip, &self.folders) else { return Ok(false) };
        let Some(key) = clip.key else { return Ok(false) };
        let open = || -> Result<Option<StemFiles>, Fault> {
            match Entry::open(folders, &key) {
                Ok(entry) => StemFiles::open(entry).map(Some).map_err(|error| Fault::Stems(error.to_string())),
                Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
                Err(error) => Err(Fault::Stems(error.to_string())),
            }
        };
        let (Some(to_play), Some(to_see)) = (open()?, open()?) else { return Ok(false) };
        let manifest = to_play.entry().manifest();
        let (model, engine) = (manifest.model.clone(), manifest.engine.clone());
        if (manifest.frames, manifest.rate_hz) != (clip.frames, clip.rate_hz) {
            return Err(Fault::Stems("The stems in the cache are not of this clip.".to_owned()));
        }
        let placement = clip.placement();
        if let Some(session_hz) = self.line.as_ref().map(SessionEnd::session_hz) {
            let deck = Deck::new(to_play, placement, session_hz, std::thread::current());
            let deck = deck.map_err(|error| Fault::Stems(error.to_string()))?;
            self.play(Some(Arc::new(deck)));
        }
        self.engine = Some(format!("{model} on {engine}"));
        self.scan = Scan::start(Subject::Stems(Box::new(to_see)), std::thread::current());
        Ok(true)
    }

    fn place(&mut self, frame: i64) {
        let (Some(clip), Some(session_hz)) = (&self.clip, self.link.session_hz()) else { return };
        let start = i128::from(frame) * i128::from(clip.rate_hz) / i128::from(session_hz);
        let clip = SavedClip { start_frame: start as i64, ..clip.clone() };
        if self.clip.as_ref() == Some(&clip) {
            return;
        }
        let was_ready = self.phase == Phase::Ready;
        let (wave, stems) = (self.wave.take(), std::mem::take(&mut self.stems));
        let separation = self.separation.take();
        self.replace_clip(Some(clip));
        (self.wave, self.stems) = (wave, stems);
        if let (Some(wave), Some(clip)) = (&mut self.wave, &self.clip) {
            wave.placement = clip.placement();
        }
        self.separation = separation;
        if was_ready {
            self.open_stems();
        }
    }

    // Jobs.

    fn separate(&mut self) {
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
        let task = Task::Separate { song, model: self.settings.model.clone(), engine: self.settings.engine };
        match Job::start(task, folders, std::thread::current()) {
            Ok(job) => {
                self.phase = Phase::Separating(job.stage().clone());
                self.separation = Some(job);
            }
            Err(fault) => self.phase = Phase::Failed(fault),
        }
    }

    fn cancel(&mut self) {
        if self.separation.take().is_some() {
            self.phase = if self.deck.is_some() { Phase::Ready } else { Phase::Captured };
        }
    }

    fn step_separation(&mut self) {
        let Some(job) = &mut self.separation else { return };
        let ended = job.step(Instant::now());
        self.engine.clone_from(&job.engine);
        if !job.models.is_empty() {
            self.models = std::mem::take(&mut job.models);
        }
        if let Some(warning) = job.warning.take() {
            self.notice = Some((warning, String::new()));
        }
        match ended {
            None => self.phase = Phase::Separating(job.stage().clone()),
            Some(Ended::Separated { key, .. }) => {
                self.separation = None;
                self.separated(key);
            }
            Some(Ended::Failed(fault)) => {
                self.separation = None;
                self.phase = Phase::Failed(fault);
            }
            Some(Ended::Imported { .. } | Ended::Rendered { .. }) => {
                self.separation = None;
                let said = "it answered another question than it was asked".to_owned();
                self.phase = Phase::Failed(Fault::Died { how: said, said: String::new() });
            }
        }
    }

    fn separated(&mut self, key: Fingerprint) {
        let Some(clip) = &mut self.clip else { return };
        clip.key = Some(key);
        self.save();
        if !self.open_stems() && !matches!(self.phase, Phase::Failed(_)) {
            let gone = "The stems were made but are no longer in the cache; its limit may be too small for them.";
            self.phase = Phase::Failed(Fault::Stems(gone.to_owned()));
        }
    }

    fn open(&mut self, path: &Path) {
        self.start_errand(Task::Import { song: path.to_owned() });
    }

    fn render(&mut self, order: Order) {
        let Some((key, name)) = self.clip.as_ref().and_then(|clip| Some((clip.key?, clip.name.clone()))) else {
            return;
        };
        let Order { folder, stems, format, bits, rate_hz } = order;
        let job = sextet_protocol::worker::JobId(1);
        let render = Render { job, key, stems, folder, name, format, bits: Some(bits), rate_hz };
        self.start_errand(Task::Render(Box::new(render)));
    }

    fn start_errand(&mut self, task: Task) {
        let started = match &self.folders {
            Ok(folders) => Job::start(task, folders, std::thread::current()),
            Err(reason) => Err(Fault::NoFolder(reason.clone())),
        };
        match started {
            Ok(job) => (self.errand, self.notice) = (Some(job), None),
            Err(fault) => self.give_notice(&fault),
        }
    }

    fn errand_is_import(&self) -> bool {
        self.errand.as_ref().is_some_and(|job| matches!(job.task(), Task::Import { .. }))
    }

    fn step_errand(&mut self) {
        let Some(ended) = self.errand.as_mut().and_then(|job| job.step(Instant::now())) else { return };
        let Some(job) = self.errand.take() else { return };
        match (job.task(), ended) {
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

    fn give_notice(&mut self, fault: &Fault) {
        self.notice = Some((fault.to_string(), fault.remedy()));
    }

    // What was seen.

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
            self.wave = Some(Wave { placement: clip.placement(), overview: Arc::new(overview) });
        }
    }

    fn check_deck(&mut self) {
        if let Some(fault) = self.deck.as_ref().and_then(|deck| deck.fault()) {
            self.remake(&Fault::Stems(fault.to_string()));
        }
    }

    /// The stems are not what they were: they are not played on, but made again if that can be.
    fn remake(&mut self, fault: &Fault) {
        self.play(None);
        self.scan = None;
        self.give_notice(fault);
        self.separate();
    }

    // What others see.

    fn save(&self) {
        let (clip, settings) = (self.clip.clone(), self.settings.clone());
        self.saved.update(Saved { clip, settings, status: self.phase.words(), ..Saved::default() });
    }

    fn publish(&mut self) {
        let clip = match &self.take {
            Some(take) if self.shown_at.elapsed() >= GROWTH => {
                self.shown_at = Instant::now();
                let (start_frame, overview) = take.overview();
                let frames = overview.bins.len() as u64 * crate::overview::BIN_FRAMES as u64;
                let rate_hz = self.link.session_hz().unwrap_or(44_100);
                let placement = Placement { start_frame, frames, rate_hz };
                Some(Wave { placement, overview: Arc::new(overview) })
            }
            Some(_) => self.view.get().clip.clone(),
            None => self.wave.clone(),
        };
        let errand = self.errand.as_ref().map(|job| Errand {
            what: match job.task() {
                Task::Import { song } => format!("Opening {}", song.display()),
                _ => "Rendering stems to files".to_owned(),
            },
            part: match job.stage() {
                Stage::Working { done, total, .. } if *total > 0 => Some(*done as f32 / *total as f32),
                _ => None,
            },
        });
        let view = View {
            phase: self.phase.clone(),
            name: self.clip.as_ref().map_or_else(String::new, |clip| clip.name.clone()),
            clip,
            stems: self.stems.clone(),
            lost_frames: self.lost_frames,
            engine: self.engine.clone(),
            models: self.models.clone(),
            errand,
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
