//! Facts of a page: what it says of its song, and what was written.

use std::path::PathBuf;

use serde::Serialize;

/// Song of a page, as the page presents it.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) title: String,
    pub(crate) artist: Option<String>,
    /// Name of the model.
    pub(crate) model: String,
}

/// Format of the audio in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Codec {
    /// FLAC.
    Flac,
    /// MP3, by ffmpeg.
    Mp3,
}

impl Codec {
    /// Returns its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flac => "FLAC",
            Self::Mp3 => "MP3",
        }
    }

    /// Returns the extension of its files.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Flac => "flac",
            Self::Mp3 => "mp3",
        }
    }
}

/// Page that was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WrittenPage {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) codec: Codec,
    /// Reason why it is not as small as it could be.
    pub(crate) warning: Option<String>,
}

/// Audio of a page, as its scripts read it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PageFacts {
    /// Frames of the song at `rate_hz`.
    pub(super) frames: u64,
    /// Rate at which the page plays.
    pub(super) rate_hz: u32,
    /// Frames before the song, which hold the mark.
    pub(super) lead_frames: u64,
    /// Middle of the mark.
    pub(super) mark_frame: u64,
    /// Factor by which the decoded stems are amplified.
    pub(super) gain: f32,
    /// Names of the stems.
    pub(super) stems: Vec<String>,
}
