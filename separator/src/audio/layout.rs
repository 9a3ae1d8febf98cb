//! Layout of audio.

/// Number of channels and sample rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Number of channels, at least one.
    pub channels: usize,
    /// Sample rate in Hz (frames a second).
    pub rate_hz: u32,
}
