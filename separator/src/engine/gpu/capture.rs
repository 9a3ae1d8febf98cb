//! Capture of CUDA graphs, kept apart from other work on GPUs.

use std::sync::{PoisonError, RwLock};

/// Lock that keeps the capture of a CUDA graph apart from other GPU work. While one thread
/// captures, CUDA refuses many calls of the other threads, above all memory reservations, and
/// abandons the capture. The capture holds the lock for writing; the other steps of an engine's
/// start hold it for reading. A caller that starts several engines must start all of them before
/// one computes.
static CAPTURING: RwLock<()> = RwLock::new(());

/// Runs `work`, which reserves GPU memory or makes similar calls, while no capture is under way.
pub(in crate::engine) fn uncaptured<T>(work: impl FnOnce() -> T) -> T {
    let _none = CAPTURING.read().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// Runs `work`, which captures, while nobody else captures, reserves GPU memory or the like.
pub(in crate::engine) fn capturing<T>(work: impl FnOnce() -> T) -> T {
    let _alone = CAPTURING.write().unwrap_or_else(PoisonError::into_inner);
    work()
}
