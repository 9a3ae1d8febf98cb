//! A clip's place on the session's timeline.

/// A clip's place on the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// First frame of the clip on the timeline, in frames at the clip's rate. Negative for a
    /// project that begins before 0.
    pub(crate) start_frame: i64,
    /// Length of the clip in frames, at its own rate.
    pub(crate) frames: u64,
    /// Sample rate of the clip in Hz.
    pub(crate) rate_hz: u32,
}
