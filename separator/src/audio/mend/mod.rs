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
mod ogg_damage;

use std::fs::File;
use std::io::{BufReader, Seek as _};

use super::Layout;
use super::flac::info::StreamInfo;
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
    /// Number of damaged pages of an Ogg file.
    pub(super) damaged_pages: u64,
    /// Places of an Ogg file at which pages are missing.
    pub(super) gaps: Vec<Gap>,
    /// Sentences about the file, without its name.
    pub(super) notes: Vec<String>,
}

/// Place in an Ogg stream at which pages are damaged or missing. Times are those that pages state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// Number of the stream in a chained file, from 0.
    pub(super) stream: usize,
    /// Serial number of the stream.
    pub(super) serial: u32,
    /// Time at which the last page before it ends; `None` where there is none.
    pub(super) start: Option<i64>,
    /// Time at which the first page behind it ends.
    pub(super) end: i64,
    /// Number of packets that this page holds as a whole.
    pub(super) packets: usize,
}

/// Part of a file that is decoded as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// The pieces; `None` where the file is presented as it is.
    pub(super) pieces: Option<Vec<Piece>>,
    /// Facts about the stream, if the pieces are the frames of FLAC without its headers.
    pub(super) flac: Option<FlacPart>,
}

/// A stream of FLAC's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlacPart {
    pub(super) info: StreamInfo,
    /// Position that the first frame states, where it stands at the place of the first one.
    pub(super) start: Option<u64>,
}

impl Part {
    fn of(pieces: Vec<Piece>) -> Self {
        Self {
            pieces: Some(pieces),
            flac: None,
        }
    }

    /// Returns the position that the first FLAC frame states.
    pub(super) fn flac_start(&self) -> Option<u64> {
        self.flac?.start
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
