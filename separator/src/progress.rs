//! One listener for progress, warnings and cancelling.

use crate::audio::Warning;

/// How far a separation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The first pass reads the input once for its statistics: so many frames of the input's rate
    /// so far.
    Reading {
        /// Frames read.
        frames: u64,
    },
    /// The second pass separates.
    Separating {
        /// Chunks of the model done.
        chunks_done: u64,
        /// Chunks of the model in all.
        chunks_total: u64,
    },
}

/// What happens before an engine can separate: once for a model on a machine, or never.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Preparing {
    /// Another process is building the same engine.
    Waiting,
    /// The engine is being built.
    Building {
        /// Steps done.
        done: u32,
        /// Steps in all.
        total: u32,
    },
    /// The GPU compiles what was built, which it does not say the progress of.
    Compiling,
    /// What the engine gives in float16 is compared with float32.
    Comparing,
    /// Rounding to float16 would change the stems of this model too much: it is computed in
    /// float32.
    InFloat32 {
        /// By how much, relative to the stems.
        error: f64,
    },
    /// The GPU's memory is too small; fewer segments at a time are tried.
    SmallerBatch {
        /// Segments at a time.
        batch: usize,
    },
    /// With as many segments at a time the GPU gives numbers that are not finite; another number is
    /// tried.
    OtherBatch {
        /// Segments at a time.
        batch: usize,
    },
    /// What was built could not be kept: the next start takes as long.
    NotKept {
        /// Why.
        reason: String,
    },
}

/// Hears what a separation does and may stop it between two chunks.
pub trait Listener {
    /// Called often, with figures that never go back within a pass.
    fn progress(&mut self, _progress: Progress) {}

    /// Called while an engine is made ready.
    fn preparing(&mut self, _step: Preparing) {}

    /// Called once for each thing worth telling the user.
    fn warning(&mut self, _warning: &Warning) {}

    /// Asked between two chunks; `true` ends the separation with
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    fn cancelled(&self) -> bool {
        false
    }
}

/// A listener that does not listen.
pub struct Ignore;

impl Listener for Ignore {}
