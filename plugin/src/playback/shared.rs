//! The part of a deck that audio thread, prefetching thread and session share, and the faults of
//! playing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

use super::geometry::Geometry;
use super::pages::Pages;

/// The reason for which a deck cannot play.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeckFault {
    /// No filter exists between the clip's and the session's rates.
    #[error("the stems cannot be converted to the session's sample rate")]
    Rates,
    /// The disk failed while playing.
    #[error("the stems could no longer be read from the disk: {0}")]
    Disk(std::io::ErrorKind),
    /// The system gives no thread.
    #[error("no thread could be started to read the stems")]
    Thread,
}

/// The part of a deck that audio thread, prefetching thread and session share.
pub(super) struct Shared {
    pub(super) geometry: Geometry,
    pub(super) pages: Pages,
    /// Position of the transport in frames from the clip's start, at the session's rate.
    pub(super) head: AtomicI64,
    /// Position that a looping transport will jump back to; `i64::MIN` if it does not loop.
    pub(super) loop_start: AtomicI64,
    /// Number of the audio thread's requests.
    pub(super) asked: AtomicU64,
    pub(super) stop: AtomicBool,
    pub(super) failed: AtomicBool,
    pub(super) fault: Mutex<Option<DeckFault>>,
}
