//! Ways in which ffmpeg fails.

use std::process::ExitStatus;
use std::time::Duration;

/// Reason why ffmpeg did not decode a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FfmpegFault {
    /// It cannot be started.
    #[error("ffmpeg cannot be started")]
    NotStarted(#[source] std::io::Error),
    /// It cannot be read from or waited for.
    #[error("ffmpeg cannot be read from")]
    Pipe(#[source] std::io::Error),
    /// It ended with an error.
    #[error("ffmpeg ended early ({status}){}", if said.is_empty() { String::new() } else { format!(": {said}") })]
    Ended {
        /// Way in which the process ended.
        status: ExitStatus,
        /// First line that it said.
        said: String,
    },
    /// It spoke of an error.
    #[error("ffmpeg says: {said}")]
    Said {
        /// First line that it said.
        said: String,
    },
    /// It did not write the file.
    #[error("ffmpeg did not write the file that it was asked for")]
    NoFile,
    /// It wrote something else than audio.
    #[error("ffmpeg gave something that is no audio")]
    NoAudio,
    /// It gave nothing for a long time.
    #[error("ffmpeg gave nothing for {} s", waited.as_secs_f64())]
    Stalled {
        /// Time without samples.
        waited: Duration,
    },
}

impl FfmpegFault {
    /// Returns whether ffmpeg itself works and cannot read the file either.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Ended { status, .. } if status.code().is_some())
    }
}
