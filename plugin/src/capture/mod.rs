//! Capturing the track: from the audio thread through a lock-free ring to a file, in its place on
//! the timeline.
//!
//! ```text
//! Recorder ─► ring ─► Tape ─► Take ─► Capture
//! audio thread         session thread   captures/<fingerprint>.wav
//! ```

mod contiguous;
mod recorder;
mod spans;
mod take;
mod tape;

pub(crate) use recorder::{Input, Recorder};
pub(crate) use take::{Capture, Take, TakeError};
pub(crate) use tape::{Tape, TapeEvent, tape};
