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
mod ogg;

use std::fs::File;
use std::io::{BufReader, Seek as _};

use symphonia::core::formats::FormatId;
use symphonia::core::formats::well_known::{
    FORMAT_ID_ADTS, FORMAT_ID_MP1, FORMAT_ID_MP2, FORMAT_ID_MP3,
};

use super::Layout;
use super::source::Piece;
use super::trim::Trim;

/// Facts about a file that symphonia does not state, and the pieces in which it is presented.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mended {
    /// The pieces; `None` where the file is presented as it is.
    pub(super) pieces: Option<Vec<Piece>>,
    /// Layouts of the parts of a joined file, in their order.
    pub(super) layouts: Vec<Layout>,
    /// Song within the decoded frames, where the file consists of several parts.
    pub(super) trim: Option<Trim>,
    /// Position that the first FLAC frame states, where it stands at the place of the first one.
    pub(super) flac_start: Option<u64>,
    /// Whether the file ends within its samples.
    pub(super) cut_off: bool,
    /// Whether the file consists of parts that cannot be decoded as one.
    pub(super) mixed: bool,
}

/// Looks at a container before symphonia opens it.
pub(super) fn container(file: &mut File) -> std::io::Result<Mended> {
    let bytes = file.metadata()?.len();
    file.rewind()?;
    let mut reader = BufReader::new(file);
    let start = bytes::after_id3(&mut reader, 0)?.unwrap_or(0);
    let magic = bytes::array_at::<4>(&mut reader, start)?.unwrap_or_default();

    let mended = match &magic {
        b"fLaC" => flac::mend(&mut reader, start, bytes)?,
        b"caff" => caf::mend(&mut reader, bytes)?,
        b"OggS" => ogg::mend(&mut reader, bytes)?,
        _ => None,
    };
    Ok(mended.unwrap_or_default())
}

/// Looks at a stream of frames without a container, once symphonia has told that it is `format`.
pub(super) fn frames(file: &mut File, format: FormatId) -> std::io::Result<Mended> {
    let kind = match format {
        FORMAT_ID_MP1 | FORMAT_ID_MP2 | FORMAT_ID_MP3 => mpeg::Kind::Layers,
        FORMAT_ID_ADTS => mpeg::Kind::Adts,
        _ => return Ok(Mended::default()),
    };
    let bytes = file.metadata()?.len();
    file.rewind()?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    Ok(mpeg::mend(&mut reader, kind, bytes)?.unwrap_or_default())
}
