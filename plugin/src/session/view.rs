//! What the editor shows of a session: a snapshot that is replaced when something changes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sextet_protocol::Stem;
use sextet_protocol::worker;

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
            Self::Separating(Stage::Working { stage: Some(worker::Stage::Separating), done, total, .. })
                if *total > 0 =>
            {
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
    /// For people: what.
    pub(crate) what: String,
    /// 0 to 1, where it is known.
    pub(crate) part: Option<f32>,
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
    /// Name of the model that the stems were made with.
    pub(crate) made_with: Option<String>,
    pub(crate) errand: Option<Errand>,
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the snapshot; true if it differs.
    pub(super) fn set(&self, view: View) -> bool {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = **current != view;
        if differs {
            *current = Arc::new(view);
        }
        differs
    }
}
