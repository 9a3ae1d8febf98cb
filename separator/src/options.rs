//! How a song is separated: every choice that changes the samples that come out.

use crate::Part;

/// Choices of one separation. The default is demucs' `apply_model` with `shifts=0`, six separate
/// stems at the input's own rate and channel count.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What is handed out, in this order; empty: every stem of the model by itself, in canonical
    /// order.
    pub parts: Vec<Part>,
    /// How much of a segment two neighbouring chunks share: 0 (butted) up to, but not including, 1.
    /// demucs: 0.25.
    pub overlap: f64,
    /// Passes over shifted copies of the song, averaged; 0: one pass over the song as it is. demucs
    /// draws the shifts at random up to half a second; here they are evenly spaced over it, so that
    /// the result is the same every time.
    pub shifts: u32,
    /// Whether the stems add up to the input.
    pub sum: Sum,
    /// Rate of what is handed out; `None`: the input's.
    pub rate_hz: Option<u32>,
    /// Whether a mono input gives mono stems.
    pub mono: Mono,
    /// Only the first chunk (the model's segment, 7.8 s in every published model): a quick look,
    /// for debugging.
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

/// Whether the stems add up to the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sum {
    /// As the model gives them: they add up nearly, not exactly.
    #[default]
    Model,
    /// What is missing is shared out among the stems, so that they add up to the input within
    /// rounding.
    Exact,
}

/// What becomes of a mono input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mono {
    /// Mono in, mono out.
    #[default]
    Keep,
    /// Always stereo.
    Stereo,
}
