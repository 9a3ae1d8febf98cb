//! Options of a separation: every choice that changes the resulting samples.

use crate::Part;
use crate::setters::setters;

/// Options of one separation. The default is demucs' `apply_model` with `shifts=0`: six separate
/// stems at the input's own rate and channel count.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// Parts to produce, in this order. Empty: every stem of the model by itself, in canonical
    /// order.
    pub parts: Vec<Part>,
    /// Share of a segment that two neighbouring chunks have in common: from 0 (no overlap) up to,
    /// but not including, 1. demucs uses 0.25.
    pub overlap: f64,
    /// Number of passes over shifted copies of the song, whose results are averaged. 0: one pass
    /// over the unshifted song. demucs draws the shifts at random up to half a second. Here they
    /// are evenly spaced over it, so that the result is the same every time.
    pub shifts: u32,
    /// Whether the stems add up to the input.
    pub sum: Sum,
    /// Sample rate of the stems in Hz; `None` for the input's rate.
    pub rate_hz: Option<u32>,
    /// Channels of the stems of a mono input.
    pub mono: Mono,
    /// Whether only the first chunk is separated (the model's segment, 7.8 s in every published
    /// model). It serves as a quick look, for debugging.
    pub single_chunk: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parts: Vec::new(),
            overlap: 0.25,
            shifts: 0,
            sum: Sum::Model,
            rate_hz: None,
            mono: Mono::Keep,
            single_chunk: false,
        }
    }
}

setters!(Options {
    parts: Vec<Part>,
    overlap: f64,
    shifts: u32,
    sum: Sum,
    rate_hz: impl Into<Option<u32>>,
    mono: Mono,
    single_chunk: bool,
});

/// Treatment of the difference between the input and the sum of the stems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sum {
    /// The stems stay as the model gives them. They add up to the input approximately, not exactly.
    #[default]
    Model,
    /// The difference is shared out among the stems, so that they add up to the input within
    /// rounding.
    Exact,
}

/// Channels of the stems of a mono input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mono {
    /// A mono input gives mono stems.
    #[default]
    Keep,
    /// The stems are always stereo.
    Stereo,
}
