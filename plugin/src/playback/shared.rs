//! The part of a deck that audio thread, prefetching thread and session share, and the faults of
//! playing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::Thread;

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
    /// Players of the stems: an instance, and its copies on other tracks.
    pub(super) heads: Box<[Head]>,
    /// Number of the audio thread's requests.
    pub(super) asked: AtomicU64,
    pub(super) stop: AtomicBool,
    pub(super) failed: AtomicBool,
    pub(super) fault: Mutex<Option<DeckFault>>,
    /// Session threads, which are woken when reading fails.
    pub(super) sessions: Mutex<Vec<Thread>>,
}

/// The place of one player.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) is_taken: AtomicBool,
    /// Position of the transport in frames from the clip's start, at the session's rate.
    pub(super) position: AtomicI64,
    /// Position that a looping transport will jump back to; `i64::MIN` if it does not loop.
    pub(super) loop_start: AtomicI64,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            is_taken: AtomicBool::new(false),
            position: AtomicI64::new(0),
            loop_start: AtomicI64::new(i64::MIN),
        }
    }
}

impl Shared {
    /// Takes a head that nobody has; returns its number, or `None` if there is none.
    pub(super) fn take_head(&self) -> Option<usize> {
        let number = self
            .heads
            .iter()
            .position(|head| !head.is_taken.swap(true, Ordering::AcqRel))?;
        self.heads[number].position.store(0, Ordering::Relaxed);
        self.heads[number]
            .loop_start
            .store(i64::MIN, Ordering::Relaxed);
        self.asked.fetch_add(1, Ordering::Release);
        Some(number)
    }
}
