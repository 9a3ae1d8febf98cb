//! The second line of defence against decoders: a panic inside one becomes an error.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::read_error::Fault;

/// Runs `call` into a third-party decoder. Where it panics on damaged data, the caller must not use
/// what it was called on any further, or reset it first.
pub(super) fn guard<T>(
    call: impl FnOnce() -> symphonia::core::errors::Result<T>,
) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Fault::Decoder),
        Err(_) => Err(Fault::Crashed),
    }
}
