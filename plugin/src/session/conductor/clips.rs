//! The clip: replacing and undoing it, and playing its stems.

use std::sync::Arc;

use sextet_protocol::ErrorKind;
use sextet_protocol::cache::Entry;

use super::Conductor;
use crate::engine::Fault;
use crate::playback::{Deck, StemFiles};
use crate::saved::{Saved, SavedClip};
use crate::session::audio_end::SessionEnd;
use crate::session::scan::{Scan, Subject};
use crate::session::view::{MadeWith, Phase, Wave};

/// Number of clips that can be undone.
const MOST_UNDO: usize = 50;

impl Conductor {
    /// Replaces the clip, so that the change can be undone.
    pub(super) fn replace_clip(&mut self, clip: Option<SavedClip>) {
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

    pub(super) fn undo(&mut self) {
        if let Some(before) = self.undo.pop() {
            self.redo.push(self.clip.take());
            self.change_clip(before);
            self.prepare(true);
        }
    }

    pub(super) fn redo(&mut self) {
        if let Some(after) = self.redo.pop() {
            self.undo.push(self.clip.take());
            self.change_clip(after);
            self.prepare(true);
        }
    }

    pub(super) fn change_clip(&mut self, clip: Option<SavedClip>) {
        self.give_up();
        (self.scan, self.engine, self.made_with) = (None, None, None);
        self.play(None);
        self.clip = clip;

        self.phase = if self.clip.is_some() {
            Phase::Captured
        } else {
            Phase::Empty
        };

        self.show_clip();
        self.save();
    }

    /// Shows the clip without its waveforms, and starts the scan that reads them.
    pub(super) fn show_clip(&mut self) {
        self.stems = Default::default();
        self.wave = self.clip.as_ref().map(|clip| Wave {
            placement: clip.placement(),
            overview: Arc::default(),
        });

        if let (Some(clip), Ok(folders)) = (&self.clip, &self.folders) {
            let path = folders.capture(&clip.audio);
            self.scan = path
                .is_file()
                .then(|| Scan::start(Subject::Clip(path), std::thread::current()))
                .flatten();
        }
    }

    pub(super) fn load(&mut self, saved: Saved) {
        self.settings = saved.settings;
        if self.clip == saved.clip && self.take.is_none() {
            return;
        }
        (self.take, self.import, self.render, self.notice) = (None, None, None, None);
        (self.undo, self.redo) = (Vec::new(), Vec::new());
        self.change_clip(saved.clip);
        self.prepare(true);
    }

    /// Plays the clip's stems if they exist. Otherwise starts a separation if `make`, and the clip
    /// had stems before or clips are separated automatically.
    pub(super) fn prepare(&mut self, make: bool) {
        let Some(clip) = &self.clip else {
            self.phase = Phase::Empty;
            return;
        };
        let had_stems = clip.key.is_some();
        self.phase = Phase::Captured;
        if !self.open_stems(true) && make && (had_stems || self.settings.automatic) {
            self.separate();
        }
    }

    /// Plays the clip's stems; returns false if the cache has none. `verify`: the files may have
    /// changed since they were made.
    pub(super) fn open_stems(&mut self, verify: bool) -> bool {
        match self.try_open_stems(verify) {
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
                // The caller can make damaged stems again.
                false
            }
        }
    }

    fn try_open_stems(&mut self, verify: bool) -> Result<bool, Fault> {
        let (Some(clip), Ok(folders)) = (&self.clip, &self.folders) else {
            return Ok(false);
        };
        let Some(key) = clip.key else {
            return Ok(false);
        };

        // Open the files twice: the deck and the scan read independently of each other.
        let open = || -> Result<Option<StemFiles>, Fault> {
            match Entry::open(folders, &key) {
                Ok(entry) => StemFiles::open(entry)
                    .map(Some)
                    .map_err(|error| Fault::Stems(error.to_string())),
                Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
                Err(error) => Err(Fault::Stems(error.to_string())),
            }
        };

        let (Some(to_play), Some(to_see)) = (open()?, open()?) else {
            return Ok(false);
        };

        let manifest = to_play.entry().manifest();
        let made_with = MadeWith::of(manifest);

        if (manifest.frames, manifest.rate_hz) != (clip.frames, clip.rate_hz) {
            return Err(Fault::Stems(
                "The stems in the cache are not of this clip.".to_owned(),
            ));
        }

        let placement = clip.placement();
        if let Some(session_hz) = self.line.as_ref().map(SessionEnd::session_hz) {
            let deck = Deck::new(to_play, placement, session_hz, std::thread::current());
            let deck = deck.map_err(|error| Fault::Stems(error.to_string()))?;
            self.play(Some(Arc::new(deck)));
        }

        // Note the model and the engine, and scan the files.
        self.engine = Some(made_with.words());
        self.made_with = Some(made_with);
        let subject = Subject::Stems {
            files: Box::new(to_see),
            verify,
        };

        self.scan = Scan::start(subject, std::thread::current());
        Ok(true)
    }

    /// Returns whether the stems were made with another model than the chosen one, or another
    /// engine than the one that was chosen by name. Stems that this very choice led to are the best
    /// that it gives, so they do not count.
    pub(super) fn is_made_otherwise(&self) -> bool {
        let Some(made) = self
            .made_with
            .as_ref()
            .filter(|_| self.phase == Phase::Ready)
        else {
            return false;
        };

        let key = self.clip.as_ref().and_then(|clip| clip.key);
        let computing = self.settings.computing();
        let is_answer = self
            .answered
            .as_ref()
            .is_some_and(|(answer, to)| Some(*answer) == key && *to == computing);

        !is_answer && !made.fits(&self.settings)
    }

    /// Resumes with a capture that was missing and exists again, together with the disk that it is
    /// on.
    pub(super) fn find_again(&mut self) {
        if let Phase::Failed(Fault::Missing { path }) = &self.phase
            && path.is_file()
        {
            self.show_clip();
            self.prepare(true);
        }
    }

    pub(super) fn place(&mut self, frame: i64) {
        let (Some(clip), Some(session_hz)) = (&self.clip, self.link.session_hz()) else {
            return;
        };

        let start = i128::from(frame) * i128::from(clip.rate_hz) / i128::from(session_hz);
        let clip = SavedClip {
            start_frame: start as i64,
            ..clip.clone()
        };

        if self.clip.as_ref() == Some(&clip) {
            return;
        }

        // Keep the waveforms, the stems and the separation: only the place changes.
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
            self.open_stems(false);
        }
    }
}
