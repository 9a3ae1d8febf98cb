//! What audio thread, session thread and editor see of each other: numbers that are read and
//! written without locks.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

use nice_plug_egui::RepaintNotifier;

/// See the module.
#[derive(Default)]
pub(crate) struct Link {
    /// The timeline's frame that was played last, at the session's rate.
    position: AtomicI64,
    playing: AtomicBool,
    /// 0 until the host has said it.
    session_hz: AtomicU32,
    /// Counts what the session thread was asked for that may change what is played.
    posted: AtomicU64,
    /// Of these, how many it has dealt with to the end.
    settled: AtomicU64,
    /// The take for which the capture is armed is over.
    take_over: AtomicBool,
    /// The editor wants another take, although the capture was not disarmed in between.
    arm_again: AtomicBool,
    /// The capture was armed, and the session has not heard of it.
    armed: AtomicBool,
    /// The plugin is being removed.
    stop: AtomicBool,
    pub(crate) repaint: RepaintNotifier,
}

impl Link {
    /// `repaint` lets the editor draw again.
    pub(crate) fn new(repaint: RepaintNotifier) -> Self {
        Self {
            repaint,
            ..Self::default()
        }
    }

    /// Notes where the transport is; true if that changed what an editor shows.
    pub(crate) fn transport(&self, position: Option<i64>) -> bool {
        let was_playing = self.playing.swap(position.is_some(), Ordering::Relaxed);
        let Some(position) = position else {
            return was_playing;
        };
        self.position.swap(position, Ordering::Relaxed) != position || !was_playing
    }

    pub(crate) fn position(&self) -> i64 {
        self.position.load(Ordering::Relaxed)
    }

    pub(crate) fn is_playing(&self) -> bool {
        self.playing.load(Ordering::Relaxed)
    }

    pub(crate) fn set_session_hz(&self, session_hz: u32) {
        self.session_hz.store(session_hz, Ordering::Relaxed);
    }

    /// The session's rate, once the host has said it.
    pub(crate) fn session_hz(&self) -> Option<u32> {
        Some(self.session_hz.load(Ordering::Relaxed)).filter(|&hz| hz > 0)
    }

    /// Something was asked for that may change what is played.
    pub(crate) fn post(&self) {
        self.posted.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn posted(&self) -> u64 {
        self.posted.load(Ordering::Acquire)
    }

    /// All that was posted up to a count is dealt with.
    pub(crate) fn settle(&self, posted: u64) {
        self.settled.store(posted, Ordering::Release);
    }

    /// Whether stems may still come: a render waits for them.
    pub(crate) fn is_pending(&self) -> bool {
        self.settled.load(Ordering::Acquire) != self.posted() && !self.is_stopped()
    }

    /// Notes whether the take for which the capture is armed is over.
    pub(crate) fn set_take_over(&self, over: bool) {
        self.take_over.store(over, Ordering::Relaxed);
    }

    /// Whether the capture hears nothing more although its parameter is on: the take is over.
    pub(crate) fn is_take_over(&self) -> bool {
        self.take_over.load(Ordering::Relaxed) && !self.arm_again.load(Ordering::Relaxed)
    }

    /// Asks for another take.
    pub(crate) fn arm_again(&self) {
        self.arm_again.store(true, Ordering::Relaxed);
    }

    /// Whether another take was asked for since the last time.
    pub(crate) fn take_arm_again(&self) -> bool {
        self.arm_again.swap(false, Ordering::Relaxed)
    }

    /// The capture was armed.
    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::Release);
    }

    /// Whether it was armed since the last time.
    pub(crate) fn take_armed(&self) -> bool {
        self.armed.swap(false, Ordering::Acquire)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
