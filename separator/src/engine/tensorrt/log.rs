//! TensorRT's log: the process's logger, and the reasons that its calls do not give themselves.

use std::cell::RefCell;
use std::sync::{Mutex, OnceLock, PoisonError};

use trtx::{LogHandler, Logger, Severity};

use super::error::TensorRtError;
use crate::engine::gpu::GpuError;

/// Last error message of TensorRT. Its calls only report that they failed.
static COMPLAINT: Mutex<String> = Mutex::new(String::new());

thread_local! {
    /// Last error message on this thread. Several engines may be at work.
    static OWN_COMPLAINT: RefCell<String> = const { RefCell::new(String::new()) };
}

struct Complaints;

impl LogHandler for Complaints {
    fn log(&self, severity: Severity, message: &str) {
        if severity <= Severity::Error {
            message.clone_into(&mut COMPLAINT.lock().unwrap_or_else(PoisonError::into_inner));
            OWN_COMPLAINT.with_borrow_mut(|own| message.clone_into(own));
        }
        if std::env::var_os("SEXTET_TENSORRT_LOG").is_some() {
            eprintln!("tensorrt {severity:?}: {message}");
        }
    }
}

/// Returns the process's logger, which lives as long as the process.
pub(super) fn logger() -> Result<&'static Logger, TensorRtError> {
    static LOGGER: OnceLock<Option<Logger>> = OnceLock::new();
    let logger = LOGGER.get_or_init(|| Logger::new(Complaints).ok());
    logger.as_ref().ok_or_else(|| TensorRtError::Failed {
        action: "start logging",
        reason: "no memory".to_owned(),
    })
}

/// Turns a failure of a call that tried to `action` into an error with TensorRT's own reason.
pub(super) fn failed(action: &'static str) -> impl Fn(trtx::Error) -> TensorRtError {
    move |error| {
        let latest = std::mem::take(&mut *COMPLAINT.lock().unwrap_or_else(PoisonError::into_inner));

        // TensorRT also has threads of its own, whose messages are only in `COMPLAINT`.
        let own = OWN_COMPLAINT.take();
        let reason = if own.is_empty() { latest } else { own };

        let memory = ["out of memory", "OutOfMemory", "cudaErrorMemoryAllocation"];
        if memory.iter().any(|sign| reason.contains(sign)) {
            return GpuError::OutOfMemory { action }.into();
        }

        let reason = if reason.is_empty() {
            error.to_string()
        } else {
            reason
        };

        TensorRtError::Failed {
            action,
            reason: reason.trim().to_owned(),
        }
    }
}
