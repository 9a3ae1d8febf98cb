//! The lines between audio thread and session thread. Both ends are made together.

use std::sync::Arc;
use std::thread::Thread;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::capture::{Recorder, Tape, tape};
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
    pub(super) tape: Tape,
    decks: Producer<Handover>,
    retired: Consumer<Arc<Deck>>,
    session_hz: u32,
}

/// Makes both ends for a session at `session_hz`.
pub(crate) fn lines(session_hz: u32, session: Thread) -> (AudioEnd, SessionEnd) {
    let (recorder, tape) = tape(session_hz, session);
    let (send, decks) = RingBuffer::new(DECKS);
    // One more than can be on their way: the one that is played.
    let (retired, collect) = RingBuffer::new(DECKS + 1);
    (AudioEnd { recorder, decks, retired, deck: None }, SessionEnd { tape, decks: send, retired: collect, session_hz })
}

impl AudioEnd {
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

    /// Hands a deck over, or takes it away; false if the line is full, which it is only while nothing is processed.
    pub(super) fn play(&mut self, deck: Handover) -> bool {
        self.collect();
        self.decks.push(deck).is_ok()
    }

    /// Drops what was given back.
    pub(super) fn collect(&mut self) {
        while self.retired.pop().is_ok() {}
    }
}
