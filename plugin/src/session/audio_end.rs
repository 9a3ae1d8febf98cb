//! The lines between audio thread and session thread. Both ends are made together.

use std::sync::Arc;
use std::thread::Thread;

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use crate::capture::{Input, Recorder, Tape, tape};
use crate::link::Link;
use crate::playback::Deck;

/// Decks that may be on their way at once.
const DECKS: usize = 8;

/// A deck to play, or none.
type Handover = Option<Arc<Deck>>;

/// The audio thread's end.
pub(crate) struct AudioEnd {
    pub(crate) recorder: Recorder,
    decks: Consumer<Handover>,
    retired: Producer<Arc<Deck>>,
    deck: Handover,
}

/// The session thread's end.
pub(crate) struct SessionEnd {
    /// Away while somebody listens to it, who may hand decks over meanwhile.
    pub(super) tape: Option<Tape>,
    decks: Producer<Handover>,
    /// What found the line full, which it is only while nothing is processed. The last one counts.
    waiting: Option<Handover>,
    retired: Consumer<Arc<Deck>>,
    session_hz: u32,
}

/// Makes both ends for a session at `session_hz`. A take that was over for the ends before is over
/// for these.
pub(crate) fn lines(session_hz: u32, session: Thread, link: &Link) -> (AudioEnd, SessionEnd) {
    let (mut recorder, tape) = tape(session_hz, session);
    if link.is_take_over() {
        recorder.begin_over();
    }

    let (send, decks) = RingBuffer::new(DECKS);

    // One more than can be on their way: the one that is played.
    let (retired, collect) = RingBuffer::new(DECKS + 1);
    (
        AudioEnd {
            recorder,
            decks,
            retired,
            deck: None,
        },
        SessionEnd {
            tape: Some(tape),
            decks: send,
            waiting: None,
            retired: collect,
            session_hz,
        },
    )
}

impl AudioEnd {
    /// Notes what is heard, if it is to be captured, and lets the editor see how that stands.
    pub(crate) fn hear(&mut self, armed: bool, input: &Input<'_>, link: &Link) {
        // Before the parameter is on again there is nothing to arm.
        if armed && link.take_arm_again() {
            self.recorder.arm_again();
        }

        let (was_armed, was_rolling) = (self.recorder.is_armed(), self.recorder.is_rolling());
        self.recorder.hear(armed, input);

        if was_rolling && !self.recorder.is_rolling() {
            self.post_take(link);
        }

        if self.recorder.is_armed() && !was_armed {
            link.arm();
            self.recorder.wake_session();
        }

        link.set_take_over(self.recorder.is_over());
    }

    /// The host stops processing: a take that is running is over.
    pub(crate) fn end_take(&mut self, link: &Link) {
        if self.recorder.is_rolling() {
            self.recorder.stop();
            self.post_take(link);
            link.set_take_over(true);
        }
    }

    /// The session has a take to keep, which a render waits for. Counted once the take's end is on
    /// the tape: the session would settle an end that it has not heard.
    fn post_take(&self, link: &Link) {
        link.post();
        self.recorder.wake_session();
    }

    /// The deck to play, after taking what has come. Decks are given back, never dropped here.
    pub(crate) fn deck(&mut self) -> Option<&Arc<Deck>> {
        while !self.retired.is_full() {
            let Ok(next) = self.decks.pop() else { break };
            if let Some(old) = std::mem::replace(&mut self.deck, next) {
                let _ = self.retired.push(old);
            }
        }
        self.deck.as_ref()
    }
}

impl SessionEnd {
    pub(super) fn session_hz(&self) -> u32 {
        self.session_hz
    }

    /// Hands a deck over, or takes it away.
    pub(super) fn play(&mut self, deck: Handover) {
        self.waiting = Some(deck);
        self.collect();
    }

    /// Drops what was given back, and hands over what had to wait.
    pub(super) fn collect(&mut self) {
        while self.retired.pop().is_ok() {}
        if let Some(deck) = self.waiting.take()
            && let Err(PushError::Full(deck)) = self.decks.push(deck)
        {
            self.waiting = Some(deck);
        }
    }

    /// Whether a deck waits to be handed over.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }
}
