//! What the editor shows of a session: a snapshot that is replaced when something changes.

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

/// What an instance is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Phase {
    /// There is no clip.
    #[default]
    Empty,
    /// The track is being captured.
    Capturing,
    /// The capture is written to its place.
    Keeping,
    /// There is a clip and nothing is made of it.
    Captured,
    /// Stems are being made.
    Separating(Stage),
    /// The stems are there.
    Ready,
    /// There is a clip, but no stems of it, for a reason.
    Failed(Fault),
}

impl Phase {
    /// In a few words, for projects and logs.
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

/// A waveform in its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wave {
    pub(crate) placement: Placement,
    pub(crate) overview: Arc<Overview>,
}

/// A file being read, or files being written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Errand {
    pub(crate) kind: ErrandKind,
    /// For people: what.
    pub(crate) what: String,
    /// 0 to 1, where it is known.
    pub(crate) part: Option<f32>,
}

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrandKind {
    Import,
    Render,
}

/// What stems were made with, by their entry's manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MadeWith {
    /// As the worker was asked for it: a name or a path.
    pub(crate) model: String,
    /// The engine, for people.
    pub(crate) engine: String,
    /// Its class: `cpu-f32`.
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

    /// Both, for people: `sextet-mini on CPU (rten)`.
    pub(crate) fn words(&self) -> String {
        format!("{} on {}", model_title(&self.model), self.engine)
    }

    /// The engine as it is asked for; `None` for one of another version.
    pub(crate) fn engine(&self) -> Option<EngineName> {
        match self.class.split('-').next() {
            Some("cpu") => Some(EngineName::Cpu),
            Some("tensorrt") => Some(EngineName::Tensorrt),
            _ => None,
        }
    }

    /// Whether that is what is chosen.
    pub(crate) fn fits(&self, settings: &Settings) -> bool {
        let engine = settings.engine == EngineName::Auto || self.engine() == Some(settings.engine);
        self.model == settings.model && engine
    }
}

/// What people call a model: its name, or that of its file.
pub(crate) fn model_title(model: &str) -> String {
    let path = Path::new(model);
    let is_file = path.components().count() > 1;
    let name = path
        .file_stem()
        .filter(|_| is_file)
        .map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| model.to_owned())
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct View {
    pub(crate) phase: Phase,
    /// What people call the clip.
    pub(crate) name: String,
    /// The clip, or what is captured of it so far.
    pub(crate) clip: Option<Wave>,
    /// Each stem, as far as it was looked at.
    pub(crate) stems: [Option<Arc<Overview>>; Stem::ALL.len()],
    /// Frames that were lost while capturing.
    pub(crate) lost_frames: u64,
    /// Engine and model in use, for people.
    pub(crate) engine: Option<String>,
    /// What the stems were made with.
    pub(crate) made_with: Option<MadeWith>,
    /// That is not what is chosen now.
    pub(crate) is_made_otherwise: bool,
    pub(crate) errand: Option<Errand>,
    pub(crate) upkeep: Upkept,
    /// The clip was separated on the CPU although there is a GPU, which is not set up.
    pub(crate) has_gpu_hint: bool,
    /// Something that went wrong besides, or is worth knowing, and what to do.
    pub(crate) notice: Option<(String, String)>,
    /// Where files were rendered to last.
    pub(crate) rendered: Option<PathBuf>,
    pub(crate) settings: Settings,
    pub(crate) can_undo: bool,
    pub(crate) can_redo: bool,
    /// Whether there are stems to be rendered.
    pub(crate) has_stems: bool,
}

/// Where the snapshot lies.
#[derive(Default)]
pub(crate) struct ViewCell(Mutex<Arc<View>>);

impl ViewCell {
    pub(crate) fn get(&self) -> Arc<View> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the snapshot; true if it differs.
    pub(crate) fn set(&self, view: View) -> bool {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = **current != view;
        if differs {
            *current = Arc::new(view);
        }
        differs
    }
}
