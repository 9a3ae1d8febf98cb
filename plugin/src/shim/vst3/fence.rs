//! The fence: delays an instance's end until nice-plug's worker has nothing left to do for it.
//!
//! On Linux nice-plug 0.4.2 sends every parameter change of the audio thread to a worker thread
//! that all VST3 instances share. The worker ends when it meets a task of an instance that is gone;
//! the last instance's destructor then panics inside COM's `release`, which aborts the host. So one
//! instance is made that is never destroyed, and every other one waits, before it goes, until the
//! worker has done its tasks: a [`Fence`] sent through the kept instance comes last.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use nice_plug::prelude::{AsyncExecutor, Plugin, Vst3Plugin};
use nice_plug::wrapper::vst3::Wrapper;

/// Longest time that an instance waits: longer than the worker was ever seen to need, shorter than
/// people wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// A background task that only reports that it ran.
pub struct Fence(SyncSender<()>);

impl Fence {
    /// Reports that the task ran. Ignores the error: the instance may have run out of patience.
    pub(crate) fn pass(self) {
        let _ = self.0.send(());
    }
}

/// Sends a fence to nice-plug's worker through one instance.
type SendFence = Box<dyn Fn(Fence) + Send + Sync>;

thread_local! {
    static LAST: RefCell<Option<SendFence>> = const { RefCell::new(None) };
}
static KEPT: OnceLock<Option<SendFence>> = OnceLock::new();

/// Keeps the executor that nice-plug gives to the instance which is being made on this thread.
pub(crate) fn remember_executor<P: Plugin<BackgroundTask = Fence>>(executor: &AsyncExecutor<P>) {
    let executor = executor.clone();
    LAST.set(Some(Box::new(move |fence| {
        executor.execute_background(fence);
    })));
}

/// Makes the instance that is never destroyed, once.
pub(super) fn keep_worker<P: Vst3Plugin>() {
    if cfg!(target_os = "linux") {
        KEPT.get_or_init(|| {
            std::mem::forget(Wrapper::<P>::new());
            LAST.take()
        });
    }
}

/// Waits until the worker has done all tasks that were sent to it so far.
pub(super) fn drain_worker() {
    let Some(send) = KEPT.get().and_then(Option::as_ref) else {
        return;
    };

    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let (passed, wait) = mpsc::sync_channel(1);
        send(Fence(passed));
        match wait.recv_timeout(end.saturating_duration_since(Instant::now())) {
            // The queue was full, so the fence was dropped.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(Duration::from_millis(1)),
            Ok(()) | Err(RecvTimeoutError::Timeout) => return,
        }
    }
}
