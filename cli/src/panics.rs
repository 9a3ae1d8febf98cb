//! Panics, which are bugs of this program or of a library. They are reported like any other
//! failure, with their location.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use crate::fault::{Fault, Kind};

/// Description of the latest panic.
static LATEST: Mutex<Option<String>> = Mutex::new(None);

/// Installs a panic hook that records the message instead of printing it. Decoders may panic on
/// damaged files; those panics are expected and caught. With `RUST_BACKTRACE` set, panics are
/// printed as well.
pub(crate) fn record() {
    let usual = take_hook();
    set_hook(Box::new(move |info| {
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            usual(info);
        }
        *LATEST.lock().unwrap_or_else(PoisonError::into_inner) = Some(describe(info));
    }));
}

/// Runs `work` and turns a panic in it into an error.
///
/// # Errors
/// `work`'s own, or the panic.
pub(crate) fn catch<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let latest = LATEST.lock().unwrap_or_else(PoisonError::into_inner).take();
        let what = latest.unwrap_or_else(|| "no more is known".to_owned());
        Err(Fault::new(Kind::Internal, format!("sextet made a mistake: {what}")).into())
    })
}

fn describe(info: &PanicHookInfo) -> String {
    let place = info
        .location()
        .map_or_else(String::new, |place| format!(" ({place})"));
    format!("{}{place}", info.payload_as_str().unwrap_or("a panic"))
}
