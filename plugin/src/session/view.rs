//! The view of a session: a snapshot for the editor that is replaced when something changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sextet_protocol::Stem;
use sextet_protocol::cache::Manifest;
use sextet_protocol::worker::{self, EngineName};

use super::upkeep::Upkept;
use crate::engine::{Fault, Stage};
use crate::overview::Overview;
use crate::playback::Placement;
use crate::saved::Settings;

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
    pub(crate) fn words(&self) -> String {
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

/// A file being read, or files being written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Errand {
    pub(crate) kind: ErrandKind,
    /// Name of the files, for people.
    pub(crate) what: String,
    /// Part that is done, 0 to 1, where it is known.
    pub(crate) part: Option<f32>,
}

/// The kind of an errand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrandKind {
    Import,
    Render,
}

/// The model and the engine that stems were made with, by their entry's manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MadeWith {
    /// Name or path of the model, as the worker was asked for it.
    pub(crate) model: String,
    /// Name of the engine, for people.
    pub(crate) engine: String,
    /// Class of the engine: `cpu-f32`.
    class: String,
}

impl MadeWith {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        Self {
            model: manifest.model.clone(),
            engine: manifest.engine.clone(),
            class: manifest.recipe.engine.clone(),
        }
    }

    /// Returns model and engine for people: `sextet-mini on CPU (rten)`.
    pub(crate) fn words(&self) -> String {
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
    /// Number of frames that were lost while capturing.
    pub(crate) lost_frames: u64,
    /// Engine and model in use, for people.
    pub(crate) engine: Option<String>,
    /// Model and engine that the stems were made with.
    pub(crate) made_with: Option<MadeWith>,
    /// Whether `made_with` differs from the current choice.
    pub(crate) is_made_otherwise: bool,
    pub(crate) errand: Option<Errand>,
    pub(crate) upkeep: Upkept,
    /// Whether the clip was separated on the CPU although there is a GPU, which is not set up.
    pub(crate) has_gpu_hint: bool,
    /// A message about a fault or a fact, and the remedy.
    pub(crate) notice: Option<(String, String)>,
    /// Folder of the files that were rendered last.
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

    /// Replaces the snapshot; returns true if the new one differs.
    pub(crate) fn set(&self, view: View) -> bool {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = **current != view;
        if differs {
            *current = Arc::new(view);
        }
        differs
    }
}
