//! Takes: from the audio thread's line to the clip.

use std::sync::Arc;

use super::Conductor;
use crate::capture::{Event, Take, TakeError};
use crate::engine::Fault;
use crate::playback::{Deck, Placement};
use crate::saved::SavedClip;
use crate::session::audio_end::SessionEnd;
use crate::session::view::{Phase, Wave};

impl Conductor {
    pub(super) fn activate(&mut self, line: SessionEnd) {
        // The take ends with the old line, so the rest of that line is read first.
        self.listen();
        if self.take.is_some() {
            self.finish_take();
        }

        self.line = Some(line);
        self.lost_frames = 0;

        if self.deck.is_some() || self.phase == Phase::Ready {
            self.open_stems(false);
        }
    }

    /// Sets the deck that the audio thread plays from now on.
    pub(super) fn play(&mut self, deck: Option<Arc<Deck>>) {
        if let Some(line) = &mut self.line {
            line.play(deck.clone());
        }
        self.deck = deck;
    }

    pub(super) fn listen(&mut self) {
        let Some(line) = &mut self.line else { return };

        line.collect();
        let Some(mut tape) = line.tape.take() else {
            return;
        };

        self.lost_frames = tape.lost_frames();
        let rate_hz = tape.rate_hz();

        // Process the events. The tape is taken out of the line, which may hand decks over
        // meanwhile.
        let mut ended = false;
        tape.drain(|event| match event {
            Event::Begin => self.begin_take(rate_hz),
            Event::Audio(position, samples) => self.keep(position, samples),
            Event::End => {
                ended = true;
                self.finish_take();
            }
        });

        // The line ends with the audio thread's end of the tape.
        if ended && tape.is_over() {
            self.line = None;
        } else if let Some(line) = &mut self.line {
            line.tape = Some(tape);
        }
    }

    pub(super) fn begin_take(&mut self, rate_hz: u32) {
        let made = match &self.folders {
            Ok(folders) => {
                Take::new(folders, rate_hz).map_err(|error| Fault::Capture(error.to_string()))
            }
            Err(reason) => Err(Fault::NoFolder(reason.clone())),
        };
        match made {
            Ok(take) => {
                self.take = Some(take);
                self.give_up();
                self.phase = Phase::Capturing;
                self.notice = None;
                self.warm_up();
            }
            Err(fault) => self.give_notice(&fault),
        }
    }

    pub(super) fn keep(&mut self, position: i64, samples: &[f32]) {
        let Some(take) = &mut self.take else { return };
        if let Err(error) = take.keep(position, samples) {
            self.take = None;
            self.give_notice(&Fault::Capture(format!(
                "The capture was ended: it could not be written ({error})."
            )));
            self.resume();
        }
    }

    pub(super) fn finish_take(&mut self) {
        let (Some(take), Ok(folders)) = (self.take.take(), self.folders.clone()) else {
            return;
        };

        // Show the phase before the files are written, which may take a while.
        self.phase = Phase::Keeping;
        self.publish();
        let base = self
            .clip
            .as_ref()
            .filter(|_| self.settings.extend)
            .map(|clip| (clip.audio, clip.placement()));

        let link = self.link.clone();
        match take.finish(&folders, base, &|| link.is_stopped()) {
            Ok(capture) => {
                self.takes += 1;
                let name = format!("Take {}", self.takes);
                let Placement {
                    start_frame,
                    frames,
                    rate_hz,
                } = capture.placement;

                let clip = SavedClip {
                    audio: capture.audio,
                    start_frame,
                    frames,
                    rate_hz,
                    name,
                    key: None,
                };

                self.replace_clip(Some(clip));
                if self.settings.automatic {
                    self.separate();
                }

                let overview = Arc::new(capture.overview);
                self.wave = Some(Wave {
                    placement: capture.placement,
                    overview,
                });

                // The waveform is known, so that no scan is needed.
                self.scan = None;
            }
            Err(TakeError::Nothing | TakeError::Cancelled) => self.resume(),
            Err(error) => {
                self.give_notice(&Fault::Capture(error.to_string()));
                self.resume();
            }
        }
    }

    /// Returns to the clip as it was before a capture that failed or was empty.
    pub(super) fn resume(&mut self) {
        self.show_clip();
        self.prepare(false);
    }
}
