//! CAF whose samples extend to the end of the file, wherever that is ("Core Audio Format
//! Specification 1.0", Apple: the size -1 of the `data` chunk).

use std::io::{Read, Result, Seek};

use super::bytes::array_at;
use super::{Mended, Part};
use crate::audio::media_file::Piece;

/// Most chunks before the samples.
const MOST_CHUNKS: u32 = 1000;

/// Writes the size of the samples into a file that leaves it open, or that is shorter than it says.
/// Returns `None` for every other one.
pub(super) fn mend(file: &mut (impl Read + Seek), bytes: u64) -> Result<Option<Mended>> {
    let mut at = 8;
    for _ in 0..MOST_CHUNKS {
        let Some(head) = array_at::<12>(file, at)? else {
            return Ok(None);
        };
        let (name, [a, b, c, d, e, f, g, h]) = split(head);
        let size = i64::from_be_bytes([a, b, c, d, e, f, g, h]);

        let body = at + 12;
        if &name == b"data" {
            let there = bytes.saturating_sub(body);
            let is_open = size == -1;
            let is_short = u64::try_from(size).is_ok_and(|size| size > there);
            return Ok((is_open || is_short).then(|| Mended {
                part: Part::of(vec![
                    Piece::File(0..at + 4),
                    Piece::Bytes(there.to_be_bytes().to_vec()),
                    Piece::File(body..bytes),
                ]),
                cut_off: is_short,
                ..Mended::default()
            }));
        }

        let Some(next) = u64::try_from(size)
            .ok()
            .and_then(|size| body.checked_add(size))
        else {
            return Ok(None);
        };
        at = next;
    }

    Ok(None)
}

/// Splits the header of a chunk into its name and its size.
fn split(head: [u8; 12]) -> ([u8; 4], [u8; 8]) {
    let [n0, n1, n2, n3, size @ ..] = head;
    ([n0, n1, n2, n3], size)
}
