//! Second line of defence against decoders: a panic inside one becomes an error.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Failure inside a decoder.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecoderFault {
    /// The decoder rejected the data.
    #[error(transparent)]
    Refused(#[from] symphonia::core::errors::Error),
    /// The decoder panicked: a defect in it, triggered by damaged data.
    #[error("the decoder failed on damaged data")]
    Crashed,
}

/// Runs `call`, a call of a third-party decoder. After a panic on damaged data, the caller must
/// reset the decoder or stop using it.
pub(super) fn guard<T>(
    call: impl FnOnce() -> symphonia::core::errors::Result<T>,
) -> Result<T, DecoderFault> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(DecoderFault::Refused),
        Err(_) => Err(DecoderFault::Crashed),
    }
}
