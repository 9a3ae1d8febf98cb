//! What a session is asked to do.

use std::path::PathBuf;

use sextet_protocol::Stem;
use sextet_protocol::worker::{RenderBits, RenderFormat};

use super::audio_end::SessionEnd;
use super::upkeep::Wish;
use super::view::ErrandKind;
use crate::saved::{Saved, Settings};

/// By the host, through the plugin, or by people, through the editor.
pub(crate) enum Command {
    /// Processing begins: the session's end of the lines to the audio thread.
    Activate(Box<SessionEnd>),
    /// A project was loaded.
    Load(Box<Saved>),
    /// Make stems of the clip.
    Separate,
    /// Give up making stems.
    Cancel,
    /// The clip before this one.
    Undo,
    /// The clip that was undone.
    Redo,
    /// Make a file the clip.
    Open(PathBuf),
    /// Write stems as files.
    Render(Order),
    /// Give up reading or writing files.
    CancelErrand(ErrandKind),
    /// Have no clip.
    Clear,
    /// Move the clip to a frame of the timeline, at the session's rate.
    Place(i64),
    /// Other settings.
    Settings(Settings),
    /// Look after the machine.
    Upkeep(Wish),
    /// The notice was read.
    Dismiss,
    /// The hint about the GPU was read.
    DismissHint,
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) folder: PathBuf,
    pub(crate) stems: Vec<Stem>,
    pub(crate) format: RenderFormat,
    pub(crate) bits: RenderBits,
    /// The clip's own where it is not said.
    pub(crate) rate_hz: Option<u32>,
}
