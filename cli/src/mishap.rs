//! Panics, which are mistakes of ours or of a library: told like any other failure, with where they
//! happened.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use crate::fault::{Fault, Kind};

/// What the latest panic said.
static LATEST: Mutex<Option<String>> = Mutex::new(None);

/// Has panics noted instead of printed. Some are part of a day's work: a decoder that gives up on a
/// damaged file. With `RUST_BACKTRACE` set they are printed as ever.
pub(crate) fn keep_quiet() {
    let usual = take_hook();
    set_hook(Box::new(move |info| {
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            usual(info);
        }
        *LATEST.lock().unwrap_or_else(PoisonError::into_inner) = Some(describe(info));
    }));
}

/// Runs `work`; a panic in it becomes an error.
///
/// # Errors
/// `work`'s own, or the panic.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
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
