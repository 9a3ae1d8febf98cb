//! A second song behind the first one, in a file whose container says where it ends.
//!
//! Players hear the first one alone, and so does Sextet; that the second is there has to be told.
//! What has no such container, such as MP3, FLAC and Ogg, is heard to the last song (`mend/`).

use std::fs::File;
use std::io::{BufReader, Read, Result, Seek};

use super::mend::bytes::{array_at, some_at};
use super::mkv;

/// Most bytes behind the end of a file in which the next one is looked for.
const SEARCH_BYTES: usize = 1 << 16;
/// Most boxes of an MP4 file that are followed.
const MOST_BOXES: u32 = 100_000;

/// Containers that say where they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Wave,
    Aiff,
    Mp4,
    Matroska,
}

impl Container {
    /// Returns the container that begins with `head`.
    fn of(head: [u8; 12]) -> Option<Self> {
        let (first, name) = (&head[..4], &head[8..]);
        if first == b"RIFF" && name == b"WAVE" {
            Some(Self::Wave)
        } else if first == b"FORM" && (name == b"AIFF" || name == b"AIFC") {
            Some(Self::Aiff)
        } else if &head[4..8] == b"ftyp" {
            Some(Self::Mp4)
        } else if first == [0x1a, 0x45, 0xdf, 0xa3] {
            Some(Self::Matroska)
        } else {
            None
        }
    }
}

/// Returns the place at which another song of the same kind begins behind the first one of `file`.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn find(file: File) -> Result<Option<u64>> {
    let bytes = file.metadata()?.len();
    let mut file = BufReader::new(file);
    let Some(head) = array_at::<12>(&mut file, 0)? else {
        return Ok(None);
    };
    let Some(container) = Container::of(head) else {
        return Ok(None);
    };

    let end = match container {
        Container::Wave => chunk_end(head, u32::from_le_bytes),
        Container::Aiff => chunk_end(head, u32::from_be_bytes),
        Container::Mp4 => boxes_end(&mut file, bytes)?,
        Container::Matroska => mkv::segment_end(&mut file),
    };
    let Some(end) = end else {
        return Ok(None);
    };

    // Garbage may lie between them.
    let behind = some_at(&mut file, end, SEARCH_BYTES)?;
    let mut heads = (0..behind.len()).map_while(|at| behind[at..].first_chunk::<12>());
    let next = heads.position(|head| Container::of(*head) == Some(container));
    Ok(next.map(|at| end + at as u64))
}

/// Returns the end of the chunk that is the whole file; `None` where its size is left open.
fn chunk_end(head: [u8; 12], number: fn([u8; 4]) -> u32) -> Option<u64> {
    let [_, _, _, _, a, b, c, d, ..] = head;
    let size = number([a, b, c, d]);
    let end = 8 + u64::from(size) + u64::from(size % 2);
    (1..u32::MAX).contains(&size).then_some(end)
}

/// Returns the end of the last box, or the place of one that is no box or the beginning of another
/// file. It is looked for from there on.
fn boxes_end(file: &mut (impl Read + Seek), bytes: u64) -> Result<Option<u64>> {
    let mut at = 0;
    for _ in 0..MOST_BOXES {
        let Some([a, b, c, d, name @ ..]) = array_at::<8>(file, at)? else {
            return Ok(None);
        };
        let size = match u32::from_be_bytes([a, b, c, d]) {
            // It extends to the end of the file, unless it is no box but zeros.
            0 if name != [0; 4] => bytes - at,
            1 => array_at::<8>(file, at + 8)?.map_or(0, u64::from_be_bytes),
            size => u64::from(size),
        };

        let next = at
            .checked_add(size)
            .filter(|&next| size >= 8 && next <= bytes);
        match next {
            Some(next) if at == 0 || name != *b"ftyp" => at = next,
            // The file's own type is not that of another.
            _ => return Ok(Some(at.max(8))),
        }
    }
    Ok(None)
}
