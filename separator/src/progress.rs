//! Listener for progress, warnings and cancelling.

use crate::audio::Warning;

/// Progress of a separation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The first pass reads the input once for its statistics.
    Reading {
        /// Number of frames read so far, at the input's rate.
        frames: u64,
    },
    /// The second pass separates.
    Separating {
        /// Number of chunks that the model has separated.
        chunks_done: u64,
        /// Number of chunks in all.
        chunks_total: u64,
    },
}

/// Steps before an engine can separate. They occur once for a model on a machine, or never.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Preparing {
    /// Another process is building the same engine.
    Waiting,
    /// The engine is being built.
    Building {
        /// Number of steps done.
        done: u32,
        /// Number of steps in all.
        total: u32,
    },
    /// The GPU compiles the built plan. It does not report progress.
    Compiling,
    /// The float16 stems are compared with float32 stems.
    Comparing,
    /// Rounding to float16 would change the stems of this model too much, so it is computed in
    /// float32.
    InFloat32 {
        /// Error of float16, relative to the stems.
        error: f64,
    },
    /// The GPU's memory is too small, so a smaller batch is tried.
    SmallerBatch {
        /// New number of segments in a batch.
        batch: usize,
    },
    /// The GPU gives numbers that are not finite with the previous batch, so another batch is
    /// tried.
    OtherBatch {
        /// New number of segments in a batch.
        batch: usize,
    },
    /// The built plan could not be kept, so the next start will take as long.
    NotKept {
        /// Reason of the failure.
        reason: String,
    },
}

/// Listener of a separation. It can cancel the separation between two chunks.
pub trait Listener {
    /// Receives the progress. It is called often, with figures that never decrease within a pass.
    fn progress(&mut self, _progress: Progress) {}

    /// Receives a step of an engine's preparation.
    fn preparing(&mut self, _step: Preparing) {}

    /// Receives a warning, once for each fact worth telling the user.
    fn warning(&mut self, _warning: &Warning) {}

    /// Returns whether to cancel. It is called between two chunks; `true` ends the separation with
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    fn cancelled(&self) -> bool {
        false
    }
}

/// Listener that ignores everything.
pub struct Ignore;

impl Listener for Ignore {}
