//! Ogg whose cover is larger than symphonia takes, and the layouts of chained Ogg streams (RFC
//! 3533, section 6; "Vorbis I", section 4.2; RFC 7845, section 5).

use std::fs::File;
use std::io::{BufReader, Read, Result, Seek};
use std::path::Path;

use super::bytes::{array_at, some_at};
use super::{Mended, Part, ogg_damage};
use crate::audio::Layout;
use crate::audio::media_file::Piece;

/// Largest comment header that is presented. symphonia 0.6.1 refuses packets of more than 16 MiB.
const LARGEST_COMMENT: u64 = 15 << 20;
/// Largest packet that is kept in memory, in bytes.
const LARGEST_SETUP: usize = 1 << 20;

/// Flag of a page that begins with the rest of a packet.
pub(super) const CONTINUED: u8 = 1;
/// Flag of the first page of a stream.
pub(super) const FIRST: u8 = 2;

/// Replaces a comment header that is too large by an empty one, and lists the layouts of chained
/// streams. Returns `None` for a file that needs neither.
pub(super) fn mend(file: &mut (impl Read + Seek), bytes: u64) -> Result<Option<Mended>> {
    let Some(first) = Page::read(file, 0)? else {
        return Ok(None);
    };

    let damage = ogg_damage::find(file)?;
    let mut pieces = without_cover(file, &first, bytes)?;
    if damage.pages > 0 {
        let pieces_or_all = pieces.unwrap_or_else(|| vec![Piece::File(0..bytes)]);
        pieces = Some(damage.repaired(pieces_or_all));
    }
    let mended = Mended {
        part: pieces.map_or_else(Part::default, Part::of),
        layouts: layouts(file)?,
        damaged_pages: damage.pages,
        gaps: damage.gaps,
        notes: damage.notes,
        ..Mended::default()
    };
    Ok((mended != Mended::default()).then_some(mended))
}

/// Returns the number of frames of a file of Vorbis whose audio lies on a single page, which states
/// it.
pub(in crate::audio) fn frames_of_only_page(path: &Path) -> Option<u64> {
    let mut file = BufReader::new(File::open(path).ok()?);
    let first = Page::read(&mut file, 0).ok()??;
    let is_vorbis = some_at(&mut file, first.body, 7).ok()? == b"\x01vorbis";
    if !is_vorbis || first.flags & FIRST == 0 {
        return None;
    }

    // Pages of the headers state 0, and pages on which no packet ends all ones.
    let (mut at, mut stated) = (first.end, None);
    while let Some(page) = Page::read(&mut file, at).ok()? {
        if page.serial != first.serial || stated.is_some() {
            return None;
        }
        stated = (1..u64::MAX).contains(&page.frames).then_some(page.frames);
        at = page.end;
    }
    stated
}

/// Header of a page.
struct Page {
    flags: u8,
    /// Number of frames until the end of the last packet that ends on the page.
    frames: u64,
    serial: [u8; 4],
    lacing: Vec<u8>,
    body: u64,
    end: u64,
}

impl Page {
    /// Reads the header of the page at `at`; `None` where there is no page.
    fn read(file: &mut (impl Read + Seek), at: u64) -> Result<Option<Self>> {
        let Some(head) = array_at::<27>(file, at)?.filter(|head| head.starts_with(b"OggS\0"))
        else {
            return Ok(None);
        };

        let mut lacing = vec![0; usize::from(head[26])];
        if file.read_exact(&mut lacing).is_err() {
            return Ok(None);
        }
        let body = at + 27 + lacing.len() as u64;
        let length: u64 = lacing.iter().map(|&size| u64::from(size)).sum();
        let [.., a, b, c, d, e, f, g, h] = *head.first_chunk::<14>().unwrap_or(&[0; 14]);
        Ok(Some(Self {
            flags: head[5],
            frames: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            serial: [head[14], head[15], head[16], head[17]],
            lacing,
            body,
            end: body + length,
        }))
    }
}

/// Returns the layouts of the audio streams if there are several, one after the other.
fn layouts(file: &mut (impl Read + Seek)) -> Result<Vec<Layout>> {
    let (mut found, mut streams, mut after_data, mut at) = (Vec::new(), 1, false, 0);
    while let Some(page) = Page::read(file, at)? {
        if page.flags & FIRST == 0 {
            after_data = true;
        } else {
            streams += u32::from(std::mem::take(&mut after_data));
            found.extend(layout(&some_at(file, page.body, 64)?));
        }
        at = page.end;
    }
    Ok(if streams > 1 { found } else { Vec::new() })
}

/// Returns the layout that the first packet of a stream states.
fn layout(packet: &[u8]) -> Option<Layout> {
    let (channels, rate_hz) = if let Some(head) = packet.strip_prefix(b"\x01vorbis") {
        // A version of four bytes comes first.
        let &[channels, a, b, c, d] = head.get(4..9)? else {
            return None;
        };
        (channels, u32::from_le_bytes([a, b, c, d]))
    } else if let Some(head) = packet.strip_prefix(b"OpusHead") {
        (*head.get(1)?, 48_000)
    } else {
        // FLAC: nine bytes of the mapping, "fLaC", the header of STREAMINFO and ten of its bytes.
        let &[a, b, c] = packet.strip_prefix(b"\x7fFLAC")?.get(22..25)? else {
            return None;
        };
        ((c >> 1 & 7) + 1, u32::from_be_bytes([0, a, b, c]) >> 4)
    };
    Some(Layout {
        channels: usize::from(channels),
        rate_hz,
    })
}

/// Returns the pieces of a file of Vorbis or Opus whose second packet is too large, with an empty
/// comment header in its place.
fn without_cover(
    file: &mut (impl Read + Seek),
    first: &Page,
    bytes: u64,
) -> Result<Option<Vec<Piece>>> {
    let start = some_at(file, first.body, 8)?;
    let (empty, headers): (&[u8], usize) = match start.as_slice() {
        [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => (b"\x03vorbis\0\0\0\0\0\0\0\0\x01", 2),
        b"OpusHead" => (b"OpusTags\0\0\0\0\0\0\0\0", 1),
        _ => return Ok(None),
    };

    // Collect the packets after the first: the comments, of which only the length matters, and the
    // setup of Vorbis.
    let (mut at, mut comment_bytes, mut complete) = (first.end, 0_u64, 0);
    let mut setup = Vec::new();
    while complete < headers {
        let Some(page) = Page::read(file, at)? else {
            return Ok(None);
        };
        let mut from = page.body;
        for &size in page.lacing.iter().filter(|_| page.serial == first.serial) {
            match complete {
                0 => comment_bytes += u64::from(size),
                1 if headers == 2 => setup.extend(some_at(file, from, usize::from(size))?),
                _ => {}
            }
            from += u64::from(size);
            complete += usize::from(size < 255);
        }

        at = page.end;
        let usual = complete > 0 && comment_bytes <= LARGEST_COMMENT;
        if usual || setup.len() > LARGEST_SETUP {
            return Ok(None);
        }
    }

    let mut packets = vec![empty.to_vec()];
    packets.extend((headers == 2).then_some(setup));
    Ok(Some(vec![
        Piece::File(0..first.end),
        Piece::Bytes(pages(first.serial, &packets)),
        Piece::File(at..bytes),
    ]))
}

/// Writes packets into pages of the stream `serial`, the second page of the stream first.
fn pages(serial: [u8; 4], packets: &[Vec<u8>]) -> Vec<u8> {
    // Each packet ends with a segment of less than 255 bytes.
    let mut segments: Vec<(&[u8], bool)> = Vec::new();
    for packet in packets {
        let whole = packet.chunks(255).map(|segment| (segment, true));
        let begin = segments.len();
        segments.extend(whole);
        if packet.len().is_multiple_of(255) {
            segments.push((&[], true));
        }
        segments[begin].1 = false;
    }

    let mut out = Vec::new();
    for (number, run) in segments.chunks(255).enumerate() {
        let flags = if run[0].1 { CONTINUED } else { 0 };
        let mut page = [b"OggS\0".as_slice(), &[flags], &[0; 8], &serial].concat();
        page.extend((number as u32 + 1).to_le_bytes());
        page.extend([0; 4]);
        page.push(run.len() as u8);
        page.extend(run.iter().map(|(segment, _)| segment.len() as u8));
        run.iter().for_each(|(segment, _)| page.extend(*segment));

        let crc = checksum(&page);
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        out.extend(page);
    }
    out
}

/// Returns the checksum of a page whose field for it is 0: a CRC of 32 bits with the polynomial
/// 0x04c11db7, neither reflected nor inverted (RFC 3533, section 6).
fn checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc: u32, _| {
            if crc & 1 << 31 != 0 {
                crc << 1 ^ 0x04c1_1db7
            } else {
                crc << 1
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Writes a file of one stream: its packets, of which the first has a page of its own.
    fn stream(first: &[u8], packets: &[Vec<u8>]) -> Vec<u8> {
        let mut out = pages([1, 2, 3, 4], &[first.to_vec()]);
        out[5] = FIRST;
        out[22..26].fill(0);
        let crc = checksum(&out);
        out[22..26].copy_from_slice(&crc.to_le_bytes());
        out.extend(pages([1, 2, 3, 4], packets));
        out
    }

    fn presented(file: &[u8], pieces: &[Piece]) -> Vec<u8> {
        let piece = |piece: &Piece| match piece {
            Piece::File(range) => file[range.start as usize..range.end as usize].to_vec(),
            Piece::Bytes(bytes) => bytes.clone(),
        };
        pieces.iter().flat_map(piece).collect()
    }

    #[test]
    fn a_comment_header_that_is_too_large_becomes_empty() {
        let vorbis = b"\x01vorbis\0\0\0\0\x02\x44\xac\0\0";
        let opus = b"OpusHead\x01\x02\0\0";
        for extra in [-1, 0, 1, 254, 255] {
            let cover = vec![7; (LARGEST_COMMENT as i64 + extra) as usize];
            for (first, headers, empty) in [
                (
                    vorbis.as_slice(),
                    2,
                    b"\x03vorbis\0\0\0\0\0\0\0\0\x01".as_slice(),
                ),
                (opus.as_slice(), 1, b"OpusTags\0\0\0\0\0\0\0\0".as_slice()),
            ] {
                let rest = vec![vec![9; 300]; headers - 1];
                let sound = pages([1, 2, 3, 4], &[vec![5; 1000]]);
                let head = stream(first, &[vec![cover.clone()], rest.clone()].concat());
                let file = [head, sound.clone()].concat();

                let mended = mend(&mut Cursor::new(&file), file.len() as u64).unwrap();
                let pieces = mended.and_then(|mended| mended.part.pieces);
                assert_eq!(pieces.is_some(), extra > 0, "{extra}");
                if let Some(pieces) = pieces {
                    let expected = stream(first, &[vec![empty.to_vec()], rest.clone()].concat());
                    let found = presented(&file, &pieces);
                    assert!(found == [expected, sound].concat(), "{extra}");
                }
            }
        }
    }

    #[test]
    fn packets_fill_pages() {
        for length in [0, 1, 254, 255, 256, 510, 65_024, 65_025, 65_026, 200_000] {
            let packets = [vec![1; length], vec![2; 3]];
            let bytes = pages([0; 4], &packets);
            let (mut at, mut ends, mut sum) = (0, 0, 0);
            while let Some(page) = Page::read(&mut Cursor::new(&bytes), at).unwrap() {
                ends += page.lacing.iter().filter(|&&size| size < 255).count();
                sum += page.end - page.body;
                at = page.end;
            }
            assert_eq!((at, ends, sum), (bytes.len() as u64, 2, length as u64 + 3));
        }
    }
}
