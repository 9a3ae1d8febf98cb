//! Takes: from the audio thread's channel to the clip.

use std::path::Path;

use sextet_protocol::Folders;

use super::Conductor;
use super::state::Event;
use crate::capture::{Capture, Take, TakeError, TapeEvent};
use crate::captures::{capture_of, folder_for_new};
use crate::placement::Placement;
use crate::saved::SavedClip;
use crate::session::channel::SessionEndpoint;
use crate::worker::Fault;

impl Conductor {
    pub(super) fn activate(&mut self, endpoint: SessionEndpoint) {
        // The take ends with the old channel, so the rest of that channel is read first.
        self.read_tape();
        self.apply(Event::TakeEnded);

        self.channel = Some(endpoint);
        self.lost_frames = 0;

        if self.state.stems().is_some() {
            self.open_stems(false);
        }
    }

    pub(super) fn read_tape(&mut self) {
        let Some(endpoint) = &mut self.channel else {
            return;
        };

        endpoint.collect();
        let Some(mut tape) = endpoint.tape.take() else {
            return;
        };

        self.lost_frames = tape.lost_frames();
        let rate_hz = tape.rate_hz();

        // Process the events. The tape is taken out of the channel, which may hand decks over
        // meanwhile.
        let mut ended = false;
        tape.drain(|event| match event {
            TapeEvent::Begin => self.begin_take(rate_hz),
            TapeEvent::Audio(position, samples) => self.write_to_take(position, samples),
            TapeEvent::End => {
                ended = true;
                self.apply(Event::TakeEnded);
            }
        });

        // The channel ends with the audio thread's end of the tape.
        if ended && tape.is_over() {
            self.channel = None;
        } else if let Some(endpoint) = &mut self.channel {
            endpoint.tape = Some(tape);
        }
    }

    fn begin_take(&mut self, rate_hz: u32) {
        let made = match &self.launcher {
            Ok(launcher) => Take::new(&folder_for_new(&self.settings, launcher.folders()), rate_hz)
                .map_err(|error| Fault::Capture(error.to_string())),
            Err(reason) => Err(Fault::NoFolder(reason.clone())),
        };
        match made {
            Ok(take) => {
                self.apply(Event::TakeBegun(take));
                self.notice = None;
                self.warm_up();
            }
            Err(fault) => self.show_notice(&fault),
        }
    }

    fn write_to_take(&mut self, position: i64, samples: &[f32]) {
        let Some(take) = self.state.take_mut() else {
            return;
        };
        if let Err(error) = take.write(position, samples) {
            self.show_notice(&Fault::Capture(format!(
                "The capture was ended: it could not be written ({error})."
            )));
            self.resume();
        }
    }

    /// Makes a capture of a take that is over.
    pub(super) fn finish_take(&mut self, mut take: Take) {
        let Ok(launcher) = self.launcher.clone() else {
            return self.resume();
        };

        // Show the state before the files are written, which may take a while.
        self.publish();
        let base = self
            .history
            .clip()
            .filter(|_| self.settings.extend)
            .map(|clip| {
                take.keep_silenced(clip.placement(), &clip.silenced);
                let file = capture_of(clip, &self.settings, launcher.folders());
                (file, clip.placement())
            });

        let shared = self.shared.clone();
        let folder = take.folder().to_owned();
        match take.finish(base, &|| shared.is_stopped()) {
            Ok(capture) => self.take_finished(capture, &folder, launcher.folders()),
            Err(TakeError::Nothing | TakeError::Cancelled) => self.resume(),
            Err(error) => {
                self.show_notice(&Fault::Capture(error.to_string()));
                self.resume();
            }
        }
    }

    /// Makes a capture the clip.
    fn take_finished(&mut self, capture: Capture, folder: &Path, folders: &Folders) {
        self.takes += 1;
        let name = format!("Take {}", self.takes);
        let file = folder.join(format!("{}.wav", capture.audio));
        let is_elsewhere = folder != folders.captures();

        let Placement {
            start_frame,
            frames,
            rate_hz,
        } = capture.placement;

        self.history.replace(Some(SavedClip {
            audio: capture.audio,
            start_frame,
            frames,
            rate_hz,
            name,
            key: None,
            silenced: capture.silenced,
            file: file.to_str().map(str::to_owned).filter(|_| is_elsewhere),
        }));

        self.clip_changed();
        self.new_capture();
        if self.settings.automatic {
            self.separate();
        }
        self.waveforms
            .show_capture(capture.placement, capture.overview);
    }

    /// Returns to the clip as it was before a capture that failed or was empty.
    fn resume(&mut self) {
        self.abandon_take();
        self.show_clip();
        self.open_stems(true);
    }

    /// Drops the take, if there is one.
    pub(super) fn abandon_take(&mut self) {
        let has_clip = self.history.clip().is_some();
        self.apply(Event::TakeAbandoned { has_clip });
    }
}
