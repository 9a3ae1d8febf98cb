//! The view of a session: a snapshot for the editor that is replaced when something changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sextet_protocol::Stem;
use sextet_protocol::cache::Manifest;
use sextet_protocol::worker::{self, EngineName};

use super::upkeep::UpkeepState;
use crate::captures::CaptureList;
use crate::closeup::CloseUp;
use crate::overview::Overview;
use crate::placement::Placement;
use crate::saved::Settings;
use crate::worker::{Fault, Stage};

/// The phase of an instance's work.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Phase {
    /// There is no clip.
    #[default]
    Empty,
    /// The track is being captured.
    Capturing,
    /// The capture is being written to its place.
    Keeping,
    /// There is a clip without stems, and no work on it.
    Captured,
    /// The stems are being made.
    Separating(Stage),
    /// The stems are there.
    Ready,
    /// There is a clip without stems, for this reason.
    Failed(Fault),
}

impl Phase {
    /// Returns the phase in a few words, for projects and logs.
    pub(crate) fn description(&self) -> String {
        match self {
            Self::Empty => "empty".to_owned(),
            Self::Capturing => "capturing".to_owned(),
            Self::Keeping => "keeping the capture".to_owned(),
            Self::Captured => "captured".to_owned(),
            Self::Separating(Stage::Starting) => "starting".to_owned(),
            Self::Separating(Stage::Queued(_)) => "queued".to_owned(),
            Self::Separating(Stage::Loading(_)) => "loading".to_owned(),
            Self::Separating(Stage::Working {
                stage: Some(worker::Stage::Separating),
                done,
                total,
                ..
            }) if *total > 0 => {
                format!("separating, {} %", 100 * done / total)
            }
            Self::Separating(Stage::Working { .. }) => "separating".to_owned(),
            Self::Ready => "ready".to_owned(),
            Self::Failed(fault) => format!("failed: {fault} {}", fault.remedy()),
        }
    }
}

/// A waveform in its place on the timeline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wave {
    pub(crate) placement: Placement,
    pub(crate) overview: Arc<Overview>,
}

/// A close-up, which is compared by identity: it is never changed.
#[derive(Clone, Debug)]
pub(crate) struct Shown(pub(crate) Arc<CloseUp>);

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The close-ups, as far as they were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CloseUps {
    /// The whole clip, which has no waveforms: those are the overviews.
    pub(crate) whole: Option<Shown>,
    /// A stretch that is shown, or was.
    pub(crate) near: Option<Shown>,
}

/// A file being read, or files being written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BackgroundJob {
    pub(crate) kind: BackgroundKind,
    /// Name of the files, for people.
    pub(crate) what: String,
    /// Part that is done, 0 to 1, where it is known.
    pub(crate) part: Option<f32>,
}

/// The kind of a background job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BackgroundKind {
    Import,
    Render,
    /// Collecting a clip, or looking for its capture.
    Errand,
}

/// The model and the engine that stems were made with, by their entry's manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StemOrigin {
    /// Name or path of the model, as the worker was asked for it.
    pub(crate) model: String,
    /// Name of the engine, for people.
    pub(crate) engine: String,
    /// Class of the engine: `cpu-f32`.
    class: String,
}

impl StemOrigin {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        Self {
            model: manifest.model.clone(),
            engine: manifest.engine.clone(),
            class: manifest.recipe.engine.clone(),
        }
    }

    /// Returns model and engine for people: `sextet-mini on CPU`.
    pub(crate) fn description(&self) -> String {
        format!("{} on {}", model_title(&self.model), self.engine)
    }

    /// Returns the engine as the settings name it; `None` for one of another version.
    pub(crate) fn engine(&self) -> Option<EngineName> {
        match self.class.split('-').next() {
            Some("cpu") => Some(EngineName::Cpu),
            Some("cuda") => Some(EngineName::Cuda),
            Some("tensorrt") => Some(EngineName::Tensorrt),
            _ => None,
        }
    }

    /// Returns whether model and engine are the chosen ones.
    pub(crate) fn fits(&self, settings: &Settings) -> bool {
        let engine = settings.engine == EngineName::Auto || self.engine() == Some(settings.engine);
        self.model == settings.model && engine
    }
}

/// Returns a model's name for people: its own, or that of its file.
pub(crate) fn model_title(model: &str) -> String {
    let path = Path::new(model);
    let is_file = path.components().count() > 1;
    let name = path
        .file_stem()
        .filter(|_| is_file)
        .map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| model.to_owned())
}

/// The snapshot of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct View {
    pub(crate) phase: Phase,
    /// Name of the clip, for people.
    pub(crate) name: String,
    /// The clip's waveform, or the part that is captured so far.
    pub(crate) clip: Option<Wave>,
    /// Overview of each stem, as far as it was scanned.
    pub(crate) stems: [Option<Arc<Overview>>; Stem::ALL.len()],
    /// Close-ups of clip and stems, which the editor asks for.
    pub(crate) closeups: CloseUps,
    /// Number of frames that were lost while capturing.
    pub(crate) lost_frames: u64,
    /// Sentence that says how many frames of the clip were no audio, and where; empty if none.
    pub(crate) silenced: String,
    /// Engine and model in use, for people.
    pub(crate) engine: Option<Arc<str>>,
    /// Model and engine that the stems were made with.
    pub(crate) stem_origin: Option<Arc<StemOrigin>>,
    /// Whether `stem_origin` differs from the current choice.
    pub(crate) differs_from_settings: bool,
    pub(crate) background_job: Option<BackgroundJob>,
    pub(crate) upkeep: UpkeepState,
    /// Whether the clip was separated on the CPU although there is a GPU, which is not set up.
    pub(crate) has_gpu_hint: bool,
    /// A message about a fault or a fact, and the remedy.
    pub(crate) notice: Option<(String, String)>,
    /// The user's captures, once they were listed.
    pub(crate) captures: Option<Arc<CaptureList>>,
    /// Folder of the files that were rendered, or collected, last.
    pub(crate) rendered: Option<PathBuf>,
    pub(crate) settings: Settings,
    pub(crate) can_undo: bool,
    pub(crate) can_redo: bool,
    /// Whether there are stems to be rendered.
    pub(crate) has_stems: bool,
}

/// The cell that holds the snapshot.
#[derive(Default)]
pub(crate) struct ViewCell(Mutex<Arc<View>>);

impl ViewCell {
    pub(crate) fn get(&self) -> Arc<View> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the snapshot.
    pub(crate) fn set(&self, view: View) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }
}

/// The next snapshot, while it is compared with the last one part by part.
#[derive(Default)]
pub(super) struct Draft {
    view: View,
    is_changed: bool,
}

impl Draft {
    /// Sets a part.
    pub(super) fn put<T: PartialEq>(&mut self, part: fn(&mut View) -> &mut T, now: T) {
        let part = part(&mut self.view);
        if *part != now {
            *part = now;
            self.is_changed = true;
        }
    }

    /// Sets a part, which is copied only if it differs.
    pub(super) fn put_ref<T: PartialEq + Clone>(&mut self, part: fn(&mut View) -> &mut T, now: &T) {
        let part = part(&mut self.view);
        if *part != *now {
            part.clone_from(now);
            self.is_changed = true;
        }
    }

    /// Returns the snapshot if it differs from the one that was returned last.
    pub(super) fn take_changed(&mut self) -> Option<View> {
        std::mem::take(&mut self.is_changed).then(|| self.view.clone())
    }
}
