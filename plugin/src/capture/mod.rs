//! Capturing the track: from the audio thread through a lock-free ring to a file, in its place on
//! the timeline.
//!
//! ```text
//! Recorder ─► ring ─► Tape ─► Take ─► Capture
//! audio thread         session thread   captures/<fingerprint>.wav
//! ```

mod contiguous;
mod recorder;
mod silenced;
mod spans;
mod take;
mod tape;

pub(crate) use recorder::{Input, Recorder};
pub(crate) use silenced::Silenced;
pub(crate) use take::{Capture, Take, TakeError};
pub(crate) use tape::{Tape, TapeEvent};

/// Creates a recorder and the tape that it writes to, for a session at `rate_hz`. The recorder
/// wakes the thread `session` when it has written something.
pub(crate) fn recorder_and_tape(rate_hz: u32, session: std::thread::Thread) -> (Recorder, Tape) {
    let (head, tape) = tape::ring(rate_hz, session);
    (Recorder::new(head), tape)
}
