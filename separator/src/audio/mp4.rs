//! Encoder delay and length of MP4 audio: the edit list and iTunes' gapless comment.
//!
//! symphonia reads MP4 but honours neither. Boxes: ISO/IEC 14496-12, sections 8.2 to 8.6;
//! `iTunSMPB`: four or more hexadecimal numbers, of which the second, third and fourth are delay,
//! padding and length in frames.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::trim::Trim;

/// Largest `moov` box that is parsed, in bytes.
const LARGEST_MOOV: u64 = 256 << 20;

/// Returns the frames of the audio track number `track_id` that belong to the song, or `None` where
/// the file does not state them or the statement makes no sense.
///
/// An edit list that goes back in time gives several passes, each from the beginning of the track.
pub(super) fn read_trim(
    mut file: impl Read + Seek,
    track_id: u32,
    rate_hz: u32,
) -> Option<Vec<Trim>> {
    // Find the track.
    let moov = find_moov(&mut file)?;
    let movie_hz = timescale(child(&moov, b"mvhd")?)?;
    let track = children(&moov)
        .filter(|(name, _)| name == b"trak")
        .map(|(_, body)| body);

    let track = track
        .into_iter()
        .find(|track| child(track, b"tkhd").and_then(track_number) == Some(track_id))?;
    let header = child(child(track, b"mdia")?, b"mdhd")?;
    let media_hz = timescale(header)?;

    let edits = child(track, b"edts")
        .and_then(|edts| child(edts, b"elst"))
        .map_or_else(Vec::new, edits);

    // The comment knows of one run of frames. Several edits were made after it was written.
    if edits.len() <= 1
        && media_hz == rate_hz
        && let Some(trim) = itunes_comment(&moov)
    {
        return Some(vec![trim]);
    }

    // A fragmented file states its length in its fragments, mostly nowhere else. An edit without a
    // length in one is a placeholder, which ffmpeg and browsers do not apply.
    let is_fragmented = child(&moov, b"mvex").is_some();
    if is_fragmented && edits.iter().all(|&(_, length)| length == 0) {
        return None;
    }
    let media = duration(header).filter(|&ticks| ticks > 0 && !is_fragmented);
    let frames = |ticks: u64, hz: u32| scaled(ticks, rate_hz, hz);
    let media = media.map(|ticks| frames(ticks, media_hz));

    // The edit's length counts in the movie's time scale, often milliseconds.
    let tick = u64::from(rate_hz.div_ceil(movie_hz));
    let ranges: Vec<_> = edits
        .iter()
        .filter_map(|&(start, length)| {
            let length = (length > 0).then(|| frames(length, movie_hz));
            range(frames(start, media_hz), length, media, tick)
        })
        .collect();

    passes(&ranges)
}

/// Largest number of times that an edit list may go back in time. Each costs a pass.
const MOST_PASSES: usize = 64;

/// Returns the frames of an edit, or `None` for one that holds none. Without a length, the edit
/// extends to the end of the media.
fn range(start: u64, length: Option<u64>, media: Option<u64>, tick: u64) -> Option<Range<u64>> {
    let left = media.unwrap_or(u64::MAX).checked_sub(start)?;
    let frames = match length {
        // Where the length agrees with the media's own within one tick, the latter is exact.
        Some(length) if left.abs_diff(length) > tick => left.min(length),
        _ => left,
    };
    (frames > 0).then(|| start..start + frames)
}

/// Sorts the ranges of the edits into passes within which they ascend, or returns `None` where
/// there are none or too many.
fn passes(ranges: &[Range<u64>]) -> Option<Vec<Trim>> {
    let mut passes: Vec<Vec<Range<u64>>> = Vec::new();
    for range in ranges {
        match passes.last_mut() {
            Some(pass) if pass.last().is_some_and(|last| last.end <= range.start) => {
                pass.push(range.clone());
            }
            _ => passes.push(vec![range.clone()]),
        }
    }
    (1..=MOST_PASSES)
        .contains(&passes.len())
        .then(|| passes.into_iter().map(Trim::parts).collect())
}

/// Converts a number of ticks at `from_hz` to the nearest number of frames at `to_hz`.
fn scaled(ticks: u64, to_hz: u32, from_hz: u32) -> u64 {
    let frames =
        (u128::from(ticks) * u128::from(to_hz) + u128::from(from_hz / 2)) / u128::from(from_hz);
    u64::try_from(frames).unwrap_or(u64::MAX)
}

/// Returns the end of the last top-level box according to the boxes themselves. It lies beyond the
/// file's end if the file was cut off. Returns `None` for a file that is not MP4.
pub(super) fn claimed_bytes(file: &mut (impl Read + Seek), file_bytes: u64) -> Option<u64> {
    let mut at = 0;
    while at < file_bytes {
        let Some(found) = BoxHeader::read(file, at) else {
            break;
        };
        if at == 0 && &found.name != b"ftyp" {
            return None;
        }

        // A size of 0 means that the box extends to the end of the file.
        at = if found.bytes == 0 {
            file_bytes
        } else {
            at.checked_add(found.bytes)?
        };
    }

    Some(at)
}

/// Header of a box at the top level of a file.
struct BoxHeader {
    name: [u8; 4],
    /// Size of the whole box in bytes, at least that of its header; 0 if the box extends to the end
    /// of the file.
    bytes: u64,
    header_bytes: u64,
}

impl BoxHeader {
    fn read(file: &mut (impl Read + Seek), at: u64) -> Option<Self> {
        file.seek(SeekFrom::Start(at)).ok()?;
        let mut head = [0; 8];
        file.read_exact(&mut head).ok()?;
        let [.., a, b, c, d] = head;
        let (name, bytes) = ([a, b, c, d], u64::from(be32(&head)?));

        let (bytes, header_bytes) = if bytes == 1 {
            let mut large = [0; 8];
            file.read_exact(&mut large).ok()?;
            (u64::from_be_bytes(large), 16)
        } else {
            (bytes, 8)
        };

        (bytes == 0 || bytes >= header_bytes).then_some(Self {
            name,
            bytes,
            header_bytes,
        })
    }
}

/// Returns the body of the file's `moov` box.
fn find_moov(file: &mut (impl Read + Seek)) -> Option<Vec<u8>> {
    let mut at = 0_u64;
    loop {
        let found = BoxHeader::read(file, at)?;
        if &found.name == b"moov" {
            let body = found
                .bytes
                .checked_sub(found.header_bytes)
                .filter(|&body| body <= LARGEST_MOOV)?;
            let mut moov = Vec::new();
            file.take(body).read_to_end(&mut moov).ok()?;
            return Some(moov);
        }

        // A box that extends to the end of the file is the last one.
        at = at.checked_add(found.bytes).filter(|_| found.bytes > 0)?;
    }
}

/// Returns the boxes in `body`, each as name and body. Ends at the first box that does not fit.
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
    children(body)
        .find(|(found, _)| found == name)
        .map(|(_, inside)| inside)
}

fn be32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?))
}

fn be64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?))
}

/// Returns the units a second of an `mvhd` or `mdhd` box, never 0.
fn timescale(header: &[u8]) -> Option<u32> {
    let at = if *header.first()? == 1 { 20 } else { 12 };
    be32(header.get(at..)?).filter(|&scale| scale > 0)
}

/// Returns the length of an `mdhd` box in its units.
fn duration(header: &[u8]) -> Option<u64> {
    if *header.first()? == 1 {
        be64(header.get(24..)?)
    } else {
        be32(header.get(16..)?).map(u64::from)
    }
}

/// Returns the number of a track from its `tkhd` box.
fn track_number(header: &[u8]) -> Option<u32> {
    be32(header.get(if *header.first()? == 1 { 20 } else { 12 }..)?)
}

/// Returns the start in the media's units and the length in the movie's units of every edit that
/// is neither a gap nor a still picture (of rate 0). A length of 0 is one that is not known.
fn edits(list: &[u8]) -> Vec<(u64, u64)> {
    let size = if list.first() == Some(&1) { 20 } else { 12 };
    let count = list.get(4..).and_then(be32).unwrap_or(0) as usize;
    let entries = list.get(8..).unwrap_or_default().chunks_exact(size);

    let edit = |entry: &[u8]| {
        let rate = be32(&entry[size - 4..])?;
        let (length, start) = if size == 20 {
            (be64(entry)?, be64(&entry[8..])? as i64)
        } else {
            (
                u64::from(be32(entry)?),
                i64::from(be32(&entry[4..])? as i32),
            )
        };
        let start = u64::try_from(start).ok()?;
        (rate != 0).then_some((start, length))
    };
    entries.take(count).filter_map(edit).collect()
}

/// Returns the frames that iTunes and similar programs state: `moov/udta/meta/ilst/----` with the
/// name `iTunSMPB`.
fn itunes_comment(moov: &[u8]) -> Option<Trim> {
    // `meta` is a full box: version and flags come before its children.
    let list = child(child(child(moov, b"udta")?, b"meta")?.get(4..)?, b"ilst")?;
    let comments = children(list)
        .filter(|(name, _)| name == b"----")
        .map(|(_, body)| body);
    let is_gapless =
        |body: &&[u8]| child(body, b"name").and_then(|name| name.get(4..)) == Some(b"iTunSMPB");

    let text =
        std::str::from_utf8(child(comments.into_iter().find(is_gapless)?, b"data")?.get(8..)?)
            .ok()?;
    let mut numbers = text
        .split_whitespace()
        .skip(1)
        .map(|number| u64::from_str_radix(number, 16).ok());
    let (delay, _padding, frames) = (numbers.next()??, numbers.next()??, numbers.next()??);

    (frames > 0).then(|| Trim::song(delay, Some(frames), u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::ops::Range;

    use sextet_cases::each_case;

    use super::{Trim, claimed_bytes, read_trim};

    const RATE_HZ: u32 = 44_100;

    fn boxed(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        [
            (body.len() as u32 + 8).to_be_bytes().as_slice(),
            name,
            &body,
        ]
        .concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// Returns an MP4 file with one track. The arguments are its movie and media time scales, media
    /// duration, edits (length, start) and iTunes comment.
    fn mp4(
        movie_hz: u32,
        media_hz: u32,
        duration: u32,
        edits: &[(u32, i32)],
        comment: &str,
    ) -> Vec<u8> {
        let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, movie_hz, 0])]);
        let tkhd = boxed(b"tkhd", &[&words(&[0, 0, 0, 1, 0, 0])]);
        let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, media_hz, duration])]);
        let list = edits
            .iter()
            .flat_map(|&(length, start)| [length, start as u32, 0x1_0000]);

        let list = words(
            &[0, edits.len() as u32]
                .into_iter()
                .chain(list)
                .collect::<Vec<_>>(),
        );

        let edts = if edits.is_empty() {
            Vec::new()
        } else {
            boxed(b"edts", &[&boxed(b"elst", &[&list])])
        };

        let trak = boxed(b"trak", &[&tkhd, &edts, &boxed(b"mdia", &[&mdhd])]);
        let name = boxed(b"name", &[&[0; 4], b"iTunSMPB"]);
        let item = boxed(
            b"----",
            &[
                &name,
                &boxed(b"data", &[&words(&[1, 0]), comment.as_bytes()]),
            ],
        );

        let meta = boxed(b"meta", &[&[0; 4], &boxed(b"ilst", &[&item])]);
        let udta = if comment.is_empty() {
            Vec::new()
        } else {
            boxed(b"udta", &[&meta])
        };

        let (ftyp, mdat) = (boxed(b"ftyp", &[b"M4A "]), boxed(b"mdat", &[&[0; 100]]));
        [ftyp, mdat, boxed(b"moov", &[&mvhd, &trak, &udta])].concat()
    }

    #[test]
    #[allow(
        clippy::single_range_in_vec_init,
        reason = "a list of one range is meant"
    )]
    fn delay_and_length_are_read() {
        let trim = |delay, frames| Some(vec![Trim::song(delay, Some(frames), u64::MAX)]);
        let parts = |passes: &[&[Range<u64>]]| {
            Some(
                passes
                    .iter()
                    .map(|parts| Trim::parts(parts.to_vec()))
                    .collect(),
            )
        };

        let itunes = " 00000000 00000840 000001C4 00000000000AC440 00000000";
        let cases = [
            ("nothing said", mp4(1000, RATE_HZ, 13_369, &[], ""), None),
            (
                "milliseconds agree with the media",
                mp4(1000, RATE_HZ, 13_369, &[(280, 1024)], ""),
                trim(1024, 12_345),
            ),
            (
                "an edit that cuts the end",
                mp4(RATE_HZ, RATE_HZ, 14_336, &[(12_345, 1024)], ""),
                trim(1024, 12_345),
            ),
            (
                "an edit longer than the media",
                mp4(1000, RATE_HZ, 5_000, &[(9_000, 1000)], ""),
                trim(1000, 4_000),
            ),
            (
                "a length of 0: all",
                mp4(1000, RATE_HZ, 5_000, &[(0, 1000)], ""),
                trim(1000, 4_000),
            ),
            (
                "a gap first",
                mp4(1000, RATE_HZ, 13_369, &[(500, -1), (280, 1024)], ""),
                trim(1024, 12_345),
            ),
            (
                "only a gap",
                mp4(1000, RATE_HZ, 13_369, &[(500, -1)], ""),
                None,
            ),
            (
                "a start after the end",
                mp4(1000, RATE_HZ, 1_000, &[(280, 1024)], ""),
                None,
            ),
            (
                "iTunes says it",
                mp4(1000, RATE_HZ, 710_656, &[(1, 5)], itunes),
                trim(0x840, 0xac440),
            ),
            (
                "iTunes says nonsense",
                mp4(1000, RATE_HZ, 13_369, &[(280, 1024)], " xyz"),
                trim(1024, 12_345),
            ),
            (
                "another time scale than the rate",
                mp4(1000, 2 * RATE_HZ, 26_738, &[(280, 2048)], ""),
                trim(1024, 12_345),
            ),
            (
                "several edits, whatever iTunes says",
                mp4(
                    1000,
                    RATE_HZ,
                    88_200,
                    &[(1000, 1024), (500, 45_124)],
                    itunes,
                ),
                parts(&[&[1024..45_124, 45_124..67_174]]),
            ),
            (
                "edits that go back",
                mp4(
                    1000,
                    RATE_HZ,
                    88_200,
                    &[(500, 44_100), (9, -1), (500, 0)],
                    "",
                ),
                parts(&[&[44_100..66_150], &[0..22_050]]),
            ),
            (
                "a length that is not known",
                mp4(1000, RATE_HZ, 0, &[(0, 1024)], ""),
                parts(&[&[1024..u64::MAX]]),
            ),
            (
                "a time scale of 0",
                mp4(0, RATE_HZ, 13_369, &[(280, 1024)], ""),
                None,
            ),
        ];

        each_case(cases, |(name, bytes, expected)| {
            assert_eq!(
                read_trim(Cursor::new(&bytes), 1, RATE_HZ),
                expected,
                "{name}"
            );
            assert_eq!(
                read_trim(Cursor::new(&bytes), 2, RATE_HZ),
                None,
                "{name}: another track"
            );
        });
    }

    /// Checks that no cut and no changed byte causes a panic or an endless loop.
    #[test]
    fn broken_boxes_are_nothing() {
        let whole = mp4(1000, RATE_HZ, 13_369, &[(280, 1024)], " 0 1 2 3");
        for cut in 0..whole.len() {
            let _ = read_trim(Cursor::new(&whole[..cut]), 1, RATE_HZ);
            let claimed = claimed_bytes(&mut Cursor::new(&whole[..cut]), cut as u64);
            assert!(
                claimed.is_none_or(|end| end <= whole.len() as u64),
                "cut at {cut}"
            );
        }

        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let _ = read_trim(Cursor::new(&bytes), 1, RATE_HZ);
                let _ = claimed_bytes(&mut Cursor::new(&bytes), bytes.len() as u64);
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_off_claims_its_former_length() {
        let whole = mp4(1000, RATE_HZ, 13_369, &[], "");
        let length = |bytes: &[u8]| claimed_bytes(&mut Cursor::new(bytes), bytes.len() as u64);
        assert_eq!(length(&whole), Some(whole.len() as u64));
        assert_eq!(length(&whole[..whole.len() - 30]), Some(whole.len() as u64));
        // The samples end at 120; the boxes after them are unknown.
        assert_eq!(length(&whole[..60]), Some(120));
        assert_eq!(length(b"RIFF....WAVEfmt "), None);
    }
}
