//! Encoder delay and length of MP4 audio: the edit list and iTunes' gapless comment.
//!
//! symphonia reads MP4 but honours neither. Boxes: ISO/IEC 14496-12, sections 8.2 to 8.6; `iTunSMPB`: four or more
//! hexadecimal numbers, of which the second, third and fourth are delay, padding and length in frames.

use std::io::{Read, Seek, SeekFrom};

use super::trim::Trim;

/// A `moov` box larger than this is not looked into.
const LARGEST_MOOV: u64 = 256 << 20;

/// Which frames of the audio track number `track_id` are the song; `None` where the file does not say, or says nonsense.
pub(super) fn read_trim(mut file: impl Read + Seek, track_id: u32, rate_hz: u32) -> Option<Trim> {
    let moov = find_moov(&mut file)?;
    let movie_hz = timescale(child(&moov, b"mvhd")?)?;
    let track = children(&moov).filter(|(name, _)| name == b"trak").map(|(_, body)| body);
    let track = track.into_iter().find(|track| child(track, b"tkhd").and_then(track_number) == Some(track_id))?;
    let header = child(child(track, b"mdia")?, b"mdhd")?;
    // Edits count in the media's time scale: frames, when it is the sample rate.
    if timescale(header)? != rate_hz {
        return None;
    }
    if let Some(trim) = itunes_comment(&moov) {
        return Some(trim);
    }
    let (start, length) = edit(child(child(track, b"edts")?, b"elst")?)?;
    let media = duration(header)?.checked_sub(start)?;
    // The edit counts in the movie's time scale, often milliseconds: where it agrees with the media's own length within
    // one tick, the latter is exact.
    let (length, tick) = (u128::from(length) * u128::from(rate_hz) / u128::from(movie_hz), rate_hz.div_ceil(movie_hz));
    let length = u64::try_from(length).ok()?;
    let frames = if length == 0 || media.abs_diff(length) <= u64::from(tick) { media } else { media.min(length) };
    Some(Trim { delay: start, frames: Some(frames), padding: u64::MAX })
}

/// The body of the file's `moov` box.
fn find_moov(file: &mut (impl Read + Seek)) -> Option<Vec<u8>> {
    let mut at = 0_u64;
    loop {
        file.seek(SeekFrom::Start(at)).ok()?;
        let mut header = [0; 8];
        file.read_exact(&mut header).ok()?;
        let (mut size, mut header_size) = (u64::from(be32(&header)?), 8);
        if size == 1 {
            let mut large = [0; 8];
            file.read_exact(&mut large).ok()?;
            (size, header_size) = (u64::from_be_bytes(large), 16);
        }
        let body = size.checked_sub(header_size);
        if &header[4..] == b"moov" {
            let mut moov = Vec::new();
            file.take(body.filter(|&body| body <= LARGEST_MOOV)?).read_to_end(&mut moov).ok()?;
            return Some(moov);
        }
        body?;
        at = at.checked_add(size)?;
    }
}

/// The boxes in `body`, name and body each; ends at the first that does not fit.
fn children(mut body: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let size = usize::try_from(be32(body)?).ok()?;
        let name = body.get(4..8)?.try_into().ok()?;
        let inside = body.get(8..size)?;
        body = &body[size..];
        Some((name, inside))
    })
}

fn child<'a>(body: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    children(body).find(|(found, _)| found == name).map(|(_, inside)| inside)
}

fn be32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?))
}

fn be64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?))
}

/// Units a second, of an `mvhd` or `mdhd` box; never 0.
fn timescale(header: &[u8]) -> Option<u32> {
    let at = if *header.first()? == 1 { 20 } else { 12 };
    be32(header.get(at..)?).filter(|&scale| scale > 0)
}

/// Length in units, of an `mdhd` box.
fn duration(header: &[u8]) -> Option<u64> {
    if *header.first()? == 1 { be64(header.get(24..)?) } else { be32(header.get(16..)?).map(u64::from) }
}

/// The number of a track, of its `tkhd` box.
fn track_number(header: &[u8]) -> Option<u32> {
    be32(header.get(if *header.first()? == 1 { 20 } else { 12 }..)?)
}

/// Start in the media's units and length in the movie's, of the first edit that is not a gap.
fn edit(list: &[u8]) -> Option<(u64, u64)> {
    let (version, mut entries) = (*list.first()?, list.get(8..)?);
    for _ in 0..be32(list.get(4..)?)? {
        let (length, start, size) = if version == 1 {
            (be64(entries)?, be64(entries.get(8..)?)? as i64, 20)
        } else {
            (u64::from(be32(entries)?), i64::from(be32(entries.get(4..)?)? as i32), 12)
        };
        if let Ok(start) = u64::try_from(start) {
            return Some((start, length));
        }
        entries = entries.get(size..)?;
    }
    None
}

/// What iTunes and its kin write: `moov/udta/meta/ilst/----` with the name `iTunSMPB`.
fn itunes_comment(moov: &[u8]) -> Option<Trim> {
    // `meta` is a full box: version and flags come before its children.
    let list = child(child(child(moov, b"udta")?, b"meta")?.get(4..)?, b"ilst")?;
    let comments = children(list).filter(|(name, _)| name == b"----").map(|(_, body)| body);
    let is_gapless = |body: &&[u8]| child(body, b"name").and_then(|name| name.get(4..)) == Some(b"iTunSMPB");
    let text = std::str::from_utf8(child(comments.into_iter().find(is_gapless)?, b"data")?.get(8..)?).ok()?;
    let mut numbers = text.split_whitespace().skip(1).map(|number| u64::from_str_radix(number, 16).ok());
    let (delay, _padding, frames) = (numbers.next()??, numbers.next()??, numbers.next()??);
    (frames > 0).then_some(Trim { delay, frames: Some(frames), padding: u64::MAX })
}
