//! The commands to a session.

use std::path::PathBuf;

use sextet_protocol::worker::{RenderBits, RenderFormat, RenderMix};
use sextet_protocol::{Fingerprint, Stem};

use super::channel::SessionEndpoint;
use super::upkeep::UpkeepRequest;
use super::view::BackgroundKind;
use crate::closeup::CloserLook;
use crate::params::SextetParams;
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
    /// Cancels reading or writing files, collecting or looking for them.
    CancelBackground(BackgroundKind),
    /// Removes the clip.
    Clear,
    /// Moves the clip to a frame of the timeline, at the session's rate.
    MoveClip(i64),
    /// Reads what the editor shows closer, or as spectrograms.
    LookCloser(CloserLook),
    /// Replaces the settings.
    Settings(Settings),
    /// Lists the user's captures, for [`View::captures`](super::View::captures). The list is kept
    /// up to date from then on.
    ListCaptures,
    /// Deletes one of the user's captures, unless an open project uses it.
    DeleteCapture(Fingerprint),
    /// Limits the bytes of all the user's captures, for all instances; `None` for no limit.
    LimitCaptures(Option<u64>),
    /// Copies the clip's capture and stems to a folder, from where the clip is used then.
    Collect(PathBuf),
    /// Looks for the clip's capture in a folder, from where the clip is used then.
    FindCapture(PathBuf),
    /// Passes a request on to the upkeep of the machine.
    Upkeep(UpkeepRequest),
    /// Dismisses the notice.
    DismissNotice,
    /// Dismisses the hint about the GPU.
    DismissHint,
}

/// The order to write stems, and mixes of them, as files. For a format that holds all in one file
/// ([`RenderFormat::is_joined`]), stems and mixes do not matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RenderRequest {
    pub(crate) folder: PathBuf,
    /// The stems; empty means all of them, or none if there are mixes.
    pub(crate) stems: Vec<Stem>,
    /// The mixes: see [`mix_as_heard`] and [`mix_without`].
    pub(crate) mixes: Vec<RenderMix>,
    pub(crate) format: RenderFormat,
    /// Bits of a sample; `None` for the most that the format has, and for one that has none
    /// ([`RenderFormat::bits`]).
    pub(crate) bits: Option<RenderBits>,
    /// Sample rate of the files in Hz. `None`: the clip's own.
    pub(crate) rate_hz: Option<u32>,
}

/// Returns the mix as it is heard now: by the gains, mutes and solos of the parameters, whatever
/// the main output plays. The file is `mix`.
pub(crate) fn mix_as_heard(params: &SextetParams) -> RenderMix {
    RenderMix {
        name: "mix".to_owned(),
        levels: Stem::ALL.into_iter().zip(params.mix()).collect(),
    }
}

/// Returns the sum of all stems but one, at 0 dB. The file is named as the command names it:
/// `no_vocals`.
pub(crate) fn mix_without(stem: Stem) -> RenderMix {
    let rest = Stem::ALL.into_iter().filter(|&other| other != stem);
    RenderMix {
        name: format!("no_{stem}"),
        levels: rest.map(|stem| (stem, 1.0)).collect(),
    }
}
