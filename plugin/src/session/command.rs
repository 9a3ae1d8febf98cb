//! The commands to a session.

use std::path::PathBuf;

use sextet_protocol::Stem;
use sextet_protocol::worker::{RenderBits, RenderFormat};

use super::channel::SessionEndpoint;
use super::upkeep::UpkeepRequest;
use super::view::BackgroundKind;
use crate::closeup::CloserLook;
use crate::saved::{SavedState, Settings};

/// A command of the host, through the plugin, or of the user, through the editor.
pub(crate) enum Command {
    /// Processing begins. The value is the session's end of the lines to the audio thread.
    Activate(Box<SessionEndpoint>),
    /// A project was loaded.
    Load(Box<SavedState>),
    /// Makes stems of the clip.
    Separate,
    /// Cancels the separation.
    Cancel,
    /// Returns to the previous clip.
    Undo,
    /// Returns to the clip that was undone.
    Redo,
    /// Makes a file the clip.
    Open(PathBuf),
    /// Writes stems as files.
    Render(RenderRequest),
    /// Cancels reading or writing files.
    CancelBackground(BackgroundKind),
    /// Removes the clip.
    Clear,
    /// Moves the clip to a frame of the timeline, at the session's rate.
    MoveClip(i64),
    /// Reads what the editor shows closer, or as spectrograms.
    LookCloser(CloserLook),
    /// Replaces the settings.
    Settings(Settings),
    /// Passes a request on to the upkeep of the machine.
    Upkeep(UpkeepRequest),
    /// Dismisses the notice.
    DismissNotice,
    /// Dismisses the hint about the GPU.
    DismissHint,
}

/// The order to write stems as files.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RenderRequest {
    pub(crate) folder: PathBuf,
    pub(crate) stems: Vec<Stem>,
    pub(crate) format: RenderFormat,
    pub(crate) bits: RenderBits,
    /// Sample rate of the files in Hz. `None`: the clip's own.
    pub(crate) rate_hz: Option<u32>,
}
