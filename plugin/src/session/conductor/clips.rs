//! The clip: replacing and undoing it, and playing its stems.

use std::sync::Arc;

use sextet_protocol::ErrorKind;
use sextet_protocol::cache::Entry;

use super::Conductor;
use super::history::History;
use super::state::{Event, State, Stems};
use crate::playback::{Deck, StemFiles};
use crate::saved::{SavedClip, SavedState};
use crate::session::channel::SessionEndpoint;
use crate::session::view::StemOrigin;
use crate::worker::Fault;

impl Conductor {
    /// Replaces the clip, so that the change can be undone.
    pub(super) fn replace_clip(&mut self, clip: Option<SavedClip>) {
        if self.history.replace(clip) {
            self.clip_changed();
        }
    }

    pub(super) fn undo(&mut self) {
        if self.history.undo() {
            self.clip_changed();
            self.open_or_make_stems();
        }
    }

    pub(super) fn redo(&mut self) {
        if self.history.redo() {
            self.clip_changed();
            self.open_or_make_stems();
        }
    }

    pub(super) fn load(&mut self, saved: SavedState) {
        self.settings = saved.settings;
        if self.history.clip() == saved.clip.as_ref() && !self.state.is_capturing() {
            return;
        }

        (self.import, self.render, self.errand, self.notice) = (None, None, None, None);
        self.abandon_take();
        self.history = History::starting_with(saved.clip);
        self.clip_changed();
        self.open_or_make_stems();
    }

    /// Makes state, waveforms and project follow a change of the clip.
    pub(super) fn clip_changed(&mut self) {
        self.apply(match self.history.clip() {
            Some(_) => Event::ClipReplaced,
            None => Event::ClipRemoved,
        });
        self.show_clip();
        self.hold_captures();
        self.save();
    }

    /// Shows the clip without its waveforms, and starts the scan that reads them.
    pub(super) fn show_clip(&mut self) {
        let capture = self.capture_path();
        self.waveforms.show_clip(self.history.clip(), capture);
    }

    /// Plays the clip's stems if they exist. Otherwise starts a separation if the clip had stems
    /// before, or clips are separated automatically.
    pub(super) fn open_or_make_stems(&mut self) {
        let had_stems = self.history.clip().is_some_and(|clip| clip.key.is_some());
        if !self.open_stems(true) && (had_stems || self.settings.automatic) {
            self.separate();
        }
    }

    /// Plays the clip's stems; returns false if the cache has none that can be played. `verify`:
    /// the files may have changed since they were made.
    pub(super) fn open_stems(&mut self, verify: bool) -> bool {
        let event = match self.try_open_stems(verify) {
            Ok(Some(stems)) => Event::StemsOpened(stems),
            Ok(None) => Event::StemsMissing,
            Err(fault) => Event::StemsUnreadable(fault),
        };
        let opened = matches!(event, Event::StemsOpened(_));
        self.apply(event);
        opened
    }

    fn try_open_stems(&mut self, verify: bool) -> Result<Option<Stems>, Fault> {
        let (Some(clip), Ok(launcher)) = (self.history.clip(), &self.launcher) else {
            return Ok(None);
        };
        let Some(key) = clip.key else {
            return Ok(None);
        };

        // Open the files twice: the deck and the scan read independently of each other.
        let open = || -> Result<Option<StemFiles>, Fault> {
            match Entry::open(launcher.folders(), &key) {
                Ok(entry) => StemFiles::open(entry)
                    .map(Some)
                    .map_err(|error| Fault::Stems(error.to_string())),
                Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
                Err(error) => Err(Fault::Stems(error.to_string())),
            }
        };

        let (Some(to_play), Some(to_see)) = (open()?, open()?) else {
            return Ok(None);
        };

        let manifest = to_play.entry().manifest();
        let stem_origin = StemOrigin::of(manifest);

        if (manifest.frames, manifest.rate_hz) != (clip.frames, clip.rate_hz) {
            return Err(Fault::Stems(
                "The stems in the cache are not of this clip.".to_owned(),
            ));
        }

        let placement = clip.placement();
        let session_hz = self.channel.as_ref().map(SessionEndpoint::session_hz);
        let deck = session_hz
            .map(|session_hz| Deck::new(to_play, placement, session_hz, std::thread::current()))
            .transpose()
            .map_err(|error| Fault::Stems(error.to_string()))?;

        self.waveforms.scan_stems(key, to_see, verify);
        Ok(Some(Stems {
            engine: stem_origin.description().into(),
            stem_origin: Arc::new(stem_origin),
            deck: deck.map(Arc::new),
        }))
    }

    /// Hands the deck of the stems over to the audio thread, or takes the one that it has away.
    pub(super) fn hand_deck_over(&mut self) {
        if let Some(endpoint) = &mut self.channel {
            endpoint.play(self.state.deck());
        }
    }

    /// Makes stems again that turn out to be damaged while they are played.
    pub(super) fn check_deck(&mut self) {
        if let Some(fault) = self.state.deck().and_then(|deck| deck.fault()) {
            self.remake(fault.to_string());
        }
    }

    /// Takes the findings of the scan over.
    pub(super) fn poll_scan(&mut self) {
        let placement = self.history.clip().map(SavedClip::placement);
        let placement = placement.filter(|_| !self.state.is_capturing());
        if let Some(damage) = self.waveforms.poll_scan(placement) {
            self.remake(damage);
        }
    }

    /// Stops playing stems that are damaged, and makes them again if that is possible.
    fn remake(&mut self, damage: String) {
        self.waveforms.stop_scan();
        self.show_notice(&Fault::Stems(damage));
        self.apply(Event::StemsDamaged);
    }

    /// Returns whether the stems were made with another model than the chosen one, or another
    /// engine than the one that was chosen by name. Stems that this very choice led to are the best
    /// that it gives, so they do not count.
    pub(super) fn differs_from_settings(&self) -> bool {
        let State::Ready(stems) = &self.state else {
            return false;
        };

        let key = self.history.clip().and_then(|clip| clip.key);
        let is_answer = self
            .answered
            .as_ref()
            .is_some_and(|(answer, model, engine)| {
                Some(*answer) == key
                    && (model, *engine) == (&self.settings.model, self.settings.engine)
            });

        !is_answer && !stems.stem_origin.fits(&self.settings)
    }

    /// Resumes with a capture that was missing and exists again, together with the disk that it is
    /// on.
    pub(super) fn retry_missing_capture(&mut self) {
        if let State::Failed {
            fault: Fault::Missing { .. },
            ..
        } = &self.state
            && self.capture_path().is_some_and(|path| path.is_file())
        {
            self.apply(Event::CaptureFound);
            self.show_clip();
            self.hold_captures();
            self.open_or_make_stems();
        }
    }

    /// Moves the clip. Its waveforms, its stems and its separation stay.
    pub(super) fn move_clip(&mut self, frame: i64) {
        let (Some(clip), Some(session_hz)) = (self.history.clip(), self.shared.session_hz()) else {
            return;
        };

        let start = i128::from(frame) * i128::from(clip.rate_hz) / i128::from(session_hz);
        let clip = SavedClip {
            start_frame: start as i64,
            ..clip.clone()
        };

        let placement = clip.placement();
        if !self.history.replace(Some(clip)) {
            return;
        }

        if !self.state.is_capturing() {
            self.waveforms.move_clip(placement);
        }
        self.save();
        if self.state.stems().is_some() {
            self.open_stems(false);
        }
    }
}
