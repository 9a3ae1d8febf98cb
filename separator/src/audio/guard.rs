//! Second line of defence against decoders: a panic inside one becomes an error.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::read_error::Fault;

/// Runs `call`, a call of a third-party decoder. After a panic on damaged data, the caller must
/// reset the decoder or stop using it.
pub(super) fn guard<T>(
    call: impl FnOnce() -> symphonia::core::errors::Result<T>,
) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Fault::Decoder),
        Err(_) => Err(Fault::Crashed),
    }
}
