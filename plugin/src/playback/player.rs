//! The player: the audio thread's part, which fills the buses for a block.

use std::sync::Arc;
use std::time::Duration;

use sextet_protocol::Stem;

use super::mixer::Mixer;
use super::{CHANNELS, Deck, Levels};
use crate::patience::Patience;

/// Number of frames that are processed at a time.
const RUN_FRAMES: usize = 128;
/// Number of frames over which stems fade where they are missing for a while, or the transport
/// stops.
const FADE_FRAMES: usize = 256;
/// Time that a render sleeps between checks for stems that are still on the disk.
const NAP: Duration = Duration::from_micros(200);

type Run = [[f32; RUN_FRAMES]; CHANNELS];

/// One block of the host.
pub(crate) struct Block<'a> {
    /// The main bus: the input, to be replaced by the output.
    pub(crate) main: [&'a mut [f32]; 2],
    /// The six auxiliary buses, in canonical order.
    pub(crate) stems: [[&'a mut [f32]; 2]; Stem::ALL.len()],
    /// The timeline's frame at the block's start; `None` if the transport stands or has no
    /// position.
    pub(crate) position: Option<i64>,
    /// Position that a looping transport will jump back to.
    pub(crate) loop_start: Option<i64>,
    /// Time that the host gives the block.
    pub(crate) patience: Patience,
}

/// The player of a deck. It neither allocates, locks nor waits, except where the host gives time.
pub(crate) struct Player {
    mixer: Mixer,
    /// Whether nothing has sounded since the start, so that levels need not move gradually.
    fresh: bool,
    /// Level of the stems: 1, or less where they fade in and out.
    presence: f32,
    /// Position at which the stems would go on, and number of frames of fading that are left, when
    /// the transport stops.
    tail: Option<(i64, usize)>,
    run: Box<Run>,
}

impl Player {
    pub(crate) fn new(session_hz: f32) -> Self {
        let run = Box::new([[0.0; RUN_FRAMES]; CHANNELS]);
        Self {
            mixer: Mixer::new(session_hz),
            fresh: true,
            presence: 1.0,
            tail: None,
            run,
        }
    }

    /// Resets the player: what sounded before no longer counts.
    pub(crate) fn reset(&mut self) {
        (self.fresh, self.presence, self.tail) = (true, 1.0, None);
    }

    /// Fills all buses.
    pub(crate) fn play(
        &mut self,
        deck: Option<&Arc<Deck>>,
        levels: &Levels,
        block: &mut Block<'_>,
    ) {
        let levels = if deck.is_some() { levels } else { &Levels::DRY };
        self.mixer.aim(levels, std::mem::take(&mut self.fresh));
        let frames = block.main[0].len();
        let Some(deck) = deck else {
            self.tail = None;
            return self.outside(block, 0, frames);
        };

        match (block.position, self.tail) {
            (Some(position), _) => self.roll(deck, block, position),
            (None, Some((position, left))) => self.fade_out(deck, block, position, left),
            (None, None) => self.outside(block, 0, frames),
        }
    }

    /// Fills the buses while the transport runs: before, inside and after the clip.
    fn roll(&mut self, deck: &Deck, block: &mut Block<'_>, position: i64) {
        let geometry = *deck.geometry();
        let frames = block.main[0].len();
        let head = position - geometry.start;
        let length = geometry.frames.cast_signed();

        deck.ask(head, block.loop_start.map(|start| start - geometry.start));
        // Split the block at the clip's ends.
        let mut done = 0;
        while done < frames {
            let at = head + done as i64;
            let left = frames - done;
            if (0..length).contains(&at) {
                let run = left.min(RUN_FRAMES).min((length - at) as usize);
                self.inside(deck, block, at.cast_unsigned(), done, run);
                done += run;
            } else {
                let run = if at < 0 {
                    left.min(at.unsigned_abs() as usize)
                } else {
                    left
                };
                self.outside(block, done, run);
                done += run;
            }
        }

        // The stems fade out from here if the transport stops.
        let end = head + frames as i64;
        self.tail = (0..length).contains(&end).then_some((end, FADE_FRAMES));
    }

    /// Fades out the last stems after the transport has stopped.
    fn fade_out(&mut self, deck: &Deck, block: &mut Block<'_>, position: i64, left: usize) {
        let frames = block.main[0].len();
        let length = deck.geometry().frames.cast_signed();
        let fading = left.min(frames).min((length - position).max(0) as usize);

        let mut done = 0;
        while done < fading {
            let run = (fading - done).min(RUN_FRAMES);
            let have = deck.read((position + done as i64).cast_unsigned(), run, &mut self.run);
            for channel in self.run.iter_mut() {
                for (frame, sample) in channel[..run].iter_mut().enumerate() {
                    let level = (left - done - frame) as f32 / FADE_FRAMES as f32;
                    *sample = if frame < have {
                        *sample * level * self.presence
                    } else {
                        0.0
                    };
                }
            }

            self.hand_out(block, done, run);
            done += run;
        }

        self.tail = (fading < left && fading == frames)
            .then_some((position + fading as i64, left - fading));
        self.outside(block, done, frames - done);
    }

    /// Plays at most [`RUN_FRAMES`] frames within the clip, from its frame `first` on.
    fn inside(&mut self, deck: &Deck, block: &mut Block<'_>, first: u64, at: usize, frames: usize) {
        let mut have = deck.read(first, frames, &mut self.run);
        if have < frames {
            wait_for(deck, block.patience, || {
                have = deck.read(first, frames, &mut self.run);
                have == frames
            });
        }

        // The frames that follow must be in memory while there is still time to fade out.
        let next = first + frames as u64;
        let safe = block.patience.is_unlimited()
            || have == frames
                && (deck.has(next, FADE_FRAMES)
                    || block.patience.has_time()
                        && wait_for(deck, block.patience, || deck.has(next, FADE_FRAMES)));
        if have < frames || !safe || self.presence < 1.0 {
            self.shade(frames, have, safe);
        }

        self.hand_out(block, at, frames);
    }

    /// Fades in and out where stems are missing: `have` of `frames` frames are there. If not
    /// `safe`, some of those that follow are missing.
    fn shade(&mut self, frames: usize, have: usize, safe: bool) {
        let step = 1.0 / FADE_FRAMES as f32;
        let start = self.presence;
        let level = |frame: usize| {
            let moved = step * (frame + 1) as f32;
            if safe {
                (start + moved).min(1.0)
            } else {
                (start - moved).max(0.0)
            }
        };

        for channel in self.run.iter_mut() {
            for (frame, sample) in channel[..frames].iter_mut().enumerate() {
                *sample = if frame < have {
                    *sample * level(frame)
                } else {
                    0.0
                };
            }
        }

        self.presence = if have < frames {
            0.0
        } else {
            level(frames - 1)
        };
    }

    /// Copies the run's first frames to the buses, from frame `at` of the block on.
    fn hand_out(&mut self, block: &mut Block<'_>, at: usize, frames: usize) {
        for (bus, channels) in block.stems.iter_mut().zip(self.run.chunks_exact(2)) {
            for (out, channel) in bus.iter_mut().zip(channels) {
                out[at..at + frames].copy_from_slice(&channel[..frames]);
            }
        }

        let [left, right] = &mut block.main;
        self.mixer.inside(
            &mut [&mut left[at..at + frames], &mut right[at..at + frames]],
            &self.run,
        );
    }

    fn outside(&mut self, block: &mut Block<'_>, at: usize, frames: usize) {
        for out in block.stems.iter_mut().flatten() {
            out[at..at + frames].fill(0.0);
        }
        let [left, right] = &mut block.main;
        self.mixer
            .outside(&mut [&mut left[at..at + frames], &mut right[at..at + frames]]);
    }
}

/// Wakes the thread that reads ahead, and waits for it while the host gives time; returns whether
/// what was waited for `is_there`.
fn wait_for(deck: &Deck, patience: Patience, mut is_there: impl FnMut() -> bool) -> bool {
    deck.wake();
    while patience.has_time() && !deck.is_broken() {
        std::thread::sleep(NAP);
        if is_there() {
            return true;
        }
    }
    false
}
