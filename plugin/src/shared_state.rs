//! The state that audio thread, session thread and editor share: numbers that are read and written
//! without locks.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

use nice_plug_egui::RepaintNotifier;

use crate::meters::Meters;

/// The shared state of one instance.
#[derive(Default)]
pub(crate) struct SharedState {
    /// The timeline's frame that was played last, at the session's rate.
    position: AtomicI64,
    playing: AtomicBool,
    /// The session's rate in Hz; 0 until the host has told it.
    session_hz: AtomicU32,
    /// Number of requests to the session thread that may change what is played.
    posted: AtomicU64,
    /// Number of these requests that are completely done.
    settled: AtomicU64,
    /// Whether the take for which the capture is armed is over.
    take_over: AtomicBool,
    /// Whether the editor wants another take, although the capture was not disarmed in between.
    arm_again: AtomicBool,
    /// Whether the capture was armed and the session has not noticed yet.
    armed: AtomicBool,
    /// Whether the plugin is being removed.
    stop: AtomicBool,
    /// The stretch in which the transport loops, in frames at the session's rate. There is none
    /// where the end is not behind the start.
    loop_start: AtomicI64,
    loop_end: AtomicI64,
    /// Levels of what is played.
    pub(crate) meters: Meters,
    pub(crate) repaint: RepaintNotifier,
}

impl SharedState {
    /// Creates the state; `repaint` makes the editor draw again.
    pub(crate) fn new(repaint: RepaintNotifier) -> Self {
        Self {
            repaint,
            ..Self::default()
        }
    }

    /// Stores the transport's position; returns true if the editor has to show a change.
    pub(crate) fn transport(&self, position: Option<i64>) -> bool {
        let was_playing = self.playing.swap(position.is_some(), Ordering::Relaxed);
        let Some(position) = position else {
            return was_playing;
        };
        self.position.swap(position, Ordering::Relaxed) != position || !was_playing
    }

    /// Stores the stretch in which the transport loops; returns true if it has changed.
    pub(crate) fn set_loop(&self, stretch: Option<(i64, i64)>) -> bool {
        let (start, end) = stretch.unwrap_or((0, 0));
        let old_start = self.loop_start.swap(start, Ordering::Relaxed);
        let old_end = self.loop_end.swap(end, Ordering::Relaxed);
        (old_start, old_end) != (start, end)
    }

    /// Returns the stretch in which the transport loops, if it does.
    pub(crate) fn loop_stretch(&self) -> Option<Range<i64>> {
        let start = self.loop_start.load(Ordering::Relaxed);
        let end = self.loop_end.load(Ordering::Relaxed);
        (start < end).then_some(start..end)
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

    /// Returns the session's rate, once the host has told it.
    pub(crate) fn session_hz(&self) -> Option<u32> {
        Some(self.session_hz.load(Ordering::Relaxed)).filter(|&hz| hz > 0)
    }

    /// Counts a request that may change what is played.
    pub(crate) fn post(&self) {
        self.posted.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn posted(&self) -> u64 {
        self.posted.load(Ordering::Acquire)
    }

    /// Marks the requests up to a count as done.
    pub(crate) fn settle(&self, posted: u64) {
        self.settled.store(posted, Ordering::Release);
    }

    /// Returns whether stems may still come. An offline render waits for them.
    pub(crate) fn is_pending(&self) -> bool {
        self.settled.load(Ordering::Acquire) != self.posted() && !self.is_stopped()
    }

    /// Stores whether the take for which the capture is armed is over.
    pub(crate) fn set_take_over(&self, over: bool) {
        self.take_over.store(over, Ordering::Relaxed);
    }

    /// Returns whether the take is over and nothing more is captured, although the capture's
    /// parameter is on.
    pub(crate) fn is_take_over(&self) -> bool {
        self.take_over.load(Ordering::Relaxed) && !self.arm_again.load(Ordering::Relaxed)
    }

    /// Asks for another take.
    pub(crate) fn arm_again(&self) {
        self.arm_again.store(true, Ordering::Relaxed);
    }

    /// Returns whether another take was asked for since the last call.
    pub(crate) fn take_arm_again(&self) -> bool {
        self.arm_again.swap(false, Ordering::Relaxed)
    }

    /// Notes that the capture was armed.
    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::Release);
    }

    /// Returns whether the capture was armed since the last call.
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
