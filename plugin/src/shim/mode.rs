//! The mode of the block that is being processed: real time, or offline, where the host waits.
//!
//! nice-plug 0.4.2 hands the mode over with the activation alone. CLAP hosts may change it between
//! two blocks, and VST3 hosts give it with every block. The shims know, and the plugin asks here.

use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering};

thread_local! {
    static OFFLINE: Cell<Option<bool>> = const { Cell::new(None) };
}

const UNSAID: u8 = 0;
const REALTIME: u8 = 1;
const OFFLINE_SAID: u8 = 2;

/// Returns whether the block that this thread processes is rendered offline; `None` if the host has
/// said nothing beyond the mode of the activation.
pub(crate) fn is_offline() -> Option<bool> {
    OFFLINE.get()
}

/// Processes a block of a mode.
pub(super) fn during_block<R>(offline: Option<bool>, process: impl FnOnce() -> R) -> R {
    OFFLINE.set(offline);
    let result = process();
    OFFLINE.set(None);
    result
}

/// The mode that a host has set last.
#[derive(Debug, Default)]
pub(super) struct HostMode(AtomicU8);

impl HostMode {
    pub(super) fn set_offline(&self, offline: bool) {
        let said = if offline { OFFLINE_SAID } else { REALTIME };
        self.0.store(said, Ordering::Release);
    }

    /// Returns the mode; `None` if the host has not set it yet.
    pub(super) fn is_offline(&self) -> Option<bool> {
        match self.0.load(Ordering::Acquire) {
            UNSAID => None,
            said => Some(said == OFFLINE_SAID),
        }
    }
}
