//! Files that symphonia would misread, presented so that it reads them right.
//!
//! The encoders' manuals describe files as encoders write them. People have files that were joined
//! with `cat`, cut without being encoded anew, recorded by a program that crashed, or tagged with a
//! poster. Each function here looks at the bytes of one format and returns the pieces that make a
//! file as the manual describes it; the samples are never touched.

pub(super) mod bytes;
mod caf;
mod flac;
mod mpeg;
pub(super) mod ogg;

use std::fs::File;
use std::io::{BufReader, Seek as _};

use super::Layout;
use super::media_file::Piece;
use super::trim::Trim;

/// Facts about a file that symphonia does not state, and the pieces in which it is presented.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mended {
    /// The first song of the file, or all of it.
    pub(super) part: Part,
    /// Further songs, which have to be decoded by themselves.
    pub(super) more: Vec<Part>,
    /// Layouts of the parts of a joined file, in their order.
    pub(super) layouts: Vec<Layout>,
    /// Song within the decoded frames, where the file consists of several parts.
    pub(super) trim: Option<Trim>,
    /// Whether the file ends within its samples.
    pub(super) cut_off: bool,
    /// Number of damaged pages of an Ogg file, whose sound is missing.
    pub(super) damaged_pages: u64,
}

/// Part of a file that is decoded as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// The pieces; `None` where the file is presented as it is.
    pub(super) pieces: Option<Vec<Piece>>,
    /// Position that the first FLAC frame states, where it stands at the place of the first one.
    pub(super) flac_start: Option<u64>,
}

impl Part {
    fn of(pieces: Vec<Piece>) -> Self {
        Self {
            pieces: Some(pieces),
            flac_start: None,
        }
    }
}

/// Looks at a file before symphonia opens it.
pub(super) fn mend(file: &mut File) -> std::io::Result<Mended> {
    let bytes = file.metadata()?.len();
    file.rewind()?;
    let mut reader = BufReader::with_capacity(1 << 16, file);

    let mut start = 0;
    while let Some(end) = bytes::after_tag(&mut reader, start)?.filter(|&end| end > start) {
        start = end;
    }
    let magic = bytes::array_at::<4>(&mut reader, start)?.unwrap_or_default();

    let mended = match magic {
        [b'f', b'L', b'a', b'C'] => flac::mend(&mut reader, start, bytes)?,
        [b'c', b'a', b'f', b'f'] => caf::mend(&mut reader, bytes)?,
        [b'O', b'g', b'g', b'S'] => ogg::mend(&mut reader, bytes)?,
        [0xff, second, ..] if second & 0xf6 == 0xf0 => {
            mpeg::mend(&mut reader, mpeg::Kind::Adts, start, bytes)?
        }
        [0xff, second, ..] if second & 0xe0 == 0xe0 => {
            mpeg::mend(&mut reader, mpeg::Kind::Layers, start, bytes)?
        }
        _ => None,
    };
    Ok(mended.unwrap_or_default())
}
