//! The channel between audio thread and session thread: the tape in one direction, decks in the
//! other. Both ends are made together.

use std::sync::Arc;
use std::thread::Thread;

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use crate::capture::{Input, Recorder, Tape, recorder_and_tape};
use crate::playback::Deck;
use crate::shared_state::SharedState;

/// Number of decks that may be on their way at once.
const DECKS: usize = 8;

/// A deck to play, or `None` to play nothing.
type Handover = Option<Arc<Deck>>;

/// The audio thread's end of the channel.
pub(crate) struct AudioEndpoint {
    pub(crate) recorder: Recorder,
    decks: Consumer<Handover>,
    retired: Producer<Arc<Deck>>,
    deck: Handover,
}

/// The session thread's end of the channel.
pub(crate) struct SessionEndpoint {
    /// The tape. It is taken out while the session reads it, so that decks can be handed over
    /// meanwhile.
    pub(super) tape: Option<Tape>,
    decks: Producer<Handover>,
    /// The last handover that found the ring full. The ring is full only while nothing is
    /// processed.
    waiting: Option<Handover>,
    /// The last handover.
    played: Handover,
    retired: Consumer<Arc<Deck>>,
    session_hz: u32,
}

/// Creates both ends for a session at `session_hz`. A take that was over for the previous ends is
/// over for these.
pub(crate) fn channel(
    session_hz: u32,
    session: Thread,
    shared: &SharedState,
) -> (AudioEndpoint, SessionEndpoint) {
    let (mut recorder, tape) = recorder_and_tape(session_hz, session);
    if shared.is_take_over() {
        recorder.begin_over();
    }

    let (send, decks) = RingBuffer::new(DECKS);

    // Holds one more than can be on their way: the deck that is played.
    let (retired, collect) = RingBuffer::new(DECKS + 1);
    (
        AudioEndpoint {
            recorder,
            decks,
            retired,
            deck: None,
        },
        SessionEndpoint {
            tape: Some(tape),
            decks: send,
            waiting: None,
            played: None,
            retired: collect,
            session_hz,
        },
    )
}

impl AudioEndpoint {
    /// Records the input if the capture is armed, and reports the recorder's state to the editor.
    pub(crate) fn record(&mut self, armed: bool, input: &Input<'_>, shared: &SharedState) {
        // A request to arm again waits until the parameter is on.
        if armed && shared.take_arm_again() {
            self.recorder.arm_again();
        }

        let (was_armed, was_rolling) = (self.recorder.is_armed(), self.recorder.is_rolling());
        self.recorder.process(armed, input);

        if was_rolling && !self.recorder.is_rolling() {
            self.post_take(shared);
        }

        if self.recorder.is_armed() && !was_armed {
            shared.arm();
            self.recorder.wake_session();
        }

        shared.set_take_over(self.recorder.is_over());
    }

    /// Ends a running take, because the host stops processing.
    pub(crate) fn end_take(&mut self, shared: &SharedState) {
        if self.recorder.is_rolling() {
            self.recorder.stop();
            self.post_take(shared);
            shared.set_take_over(true);
        }
    }

    /// Counts a take that the session has to keep, for which an offline render waits. The count is
    /// raised after the take's end was written to the tape; otherwise the session could settle an
    /// end that it has not read.
    fn post_take(&self, shared: &SharedState) {
        shared.post();
        self.recorder.wake_session();
    }

    /// Returns the deck to play, after processing the handovers. Old decks are sent back, never
    /// dropped here.
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

impl SessionEndpoint {
    pub(super) fn session_hz(&self) -> u32 {
        self.session_hz
    }

    /// Hands a deck over, or takes the current one away, unless that was done before.
    pub(super) fn play(&mut self, deck: Option<&Arc<Deck>>) {
        if deck.map(Arc::as_ptr) == self.played.as_ref().map(Arc::as_ptr) {
            return;
        }
        self.played = deck.cloned();
        self.waiting = Some(self.played.clone());
        self.collect();
    }

    /// Drops the decks that were sent back, and hands over the deck that had to wait.
    pub(super) fn collect(&mut self) {
        while self.retired.pop().is_ok() {}
        if let Some(deck) = self.waiting.take()
            && let Err(PushError::Full(deck)) = self.decks.push(deck)
        {
            self.waiting = Some(deck);
        }
    }

    /// Returns whether a deck waits to be handed over.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }
}
