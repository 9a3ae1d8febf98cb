//! Bounds of the audio that is accepted.

/// Sample rates that are accepted, in Hz.
pub const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// Largest number of channels that is accepted.
pub const MAX_CHANNELS: usize = 8;
