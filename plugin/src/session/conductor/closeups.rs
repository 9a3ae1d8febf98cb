//! The close-ups that the editor has asked for: one of the whole clip, for spectrograms, and one
//! of the stretch that is shown, where overviews are too coarse. They are kept until the clip
//! changes or another stretch is shown.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use sextet_protocol::cache::Entry;
use sextet_protocol::{Fingerprint, Folders};
use sextet_wav::{FloatWav, WavError};

use super::Conductor;
use crate::closeup::{CloserLook, Stretch};
use crate::playback::StemFiles;
use crate::session::examination::{Examination, ExaminedFiles, Parts};
use crate::session::view::{CloseUps, Shown};
use crate::worker::Launcher;

/// Number of columns of the whole clip.
const WHOLE_COLUMNS: usize = 2048;

/// Files that close-ups are read from: a capture, and its stems if there are any.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    capture: PathBuf,
    frames: u64,
    stems: Option<Fingerprint>,
}

impl Origin {
    /// Opens the files; `None` if they cannot be opened, which is noticed by what plays them.
    fn open(&self, folders: &Folders) -> Option<ExaminedFiles> {
        if let Some(key) = self.stems {
            let files = StemFiles::open(Entry::open(folders, &key).ok()?).ok()?;
            return Some(ExaminedFiles::Stems(Box::new(files)));
        }

        let file = File::open(&self.capture).map_err(WavError::from);
        let wav = file.and_then(FloatWav::open).ok()?;
        Some(ExaminedFiles::Clip(Box::new(wav)))
    }
}

/// The examinations, and what they have found.
#[derive(Default)]
pub(super) struct Examinations {
    look: CloserLook,
    origin: Option<Origin>,
    whole: Option<Examination>,
    near: Option<Examination>,
    pub(super) shown: CloseUps,
}

impl Examinations {
    pub(super) fn look_closer(&mut self, look: CloserLook) {
        self.look = look;
    }

    /// Starts and ends examinations as the clip and the editor ask for, and takes their findings.
    fn step(&mut self, origin: Option<Origin>, folders: &Folders) {
        if self.origin != origin {
            (self.whole, self.near) = (None, None);
            self.shown = CloseUps::default();
            self.origin = origin;
        }

        let Some(origin) = self.origin.clone() else {
            return;
        };
        self.start_whole(&origin, folders);
        self.start_near(&origin, folders);

        if let Some(found) = self.whole.as_ref().and_then(Examination::poll) {
            self.shown.whole = Some(Shown(Arc::new(found)));
        }
        if let Some(found) = self.near.as_ref().and_then(Examination::poll) {
            self.shown.near = Some(Shown(Arc::new(found)));
        }
    }

    /// Reads the whole clip's spectrograms once somebody wants to see them.
    fn start_whole(&mut self, origin: &Origin, folders: &Folders) {
        if !self.look.spectrograms || self.whole.is_some() {
            return;
        }

        let stretch = Stretch {
            frames: 0..origin.frames,
            columns: WHOLE_COLUMNS,
        };
        let parts = Parts {
            waveforms: false,
            spectrograms: true,
        };
        self.whole = start(origin, folders, stretch, parts);
    }

    /// Reads the stretch that is shown, unless it was read. The last close-up stays until there is
    /// a new one.
    fn start_near(&mut self, origin: &Origin, folders: &Folders) {
        let Some(stretch) = self.look.near.clone() else {
            return;
        };
        let parts = Parts {
            waveforms: true,
            spectrograms: self.look.spectrograms,
        };
        let is_read = |near: &Examination| near.stretch == stretch && near.parts == parts;
        if !self.near.as_ref().is_some_and(is_read) {
            self.near = None;
            self.near = start(origin, folders, stretch, parts);
        }
    }
}

fn start(
    origin: &Origin,
    folders: &Folders,
    stretch: Stretch,
    parts: Parts,
) -> Option<Examination> {
    let files = origin.open(folders)?;
    Examination::start(files, stretch, parts, std::thread::current())
}

impl Conductor {
    /// Takes care of the close-ups. A take that is growing has none.
    pub(super) fn step_closeups(&mut self) {
        let Some(folders) = self.launcher.as_ref().ok().map(Launcher::folders) else {
            return;
        };
        let has_stems = self.state.stems().is_some();
        let clip = self.history.clip().filter(|_| !self.state.is_capturing());
        let origin = clip.zip(self.capture_path()).map(|(clip, capture)| Origin {
            capture,
            frames: clip.frames,
            stems: clip.key.filter(|_| has_stems),
        });
        self.closeups.step(origin, folders);
    }
}
