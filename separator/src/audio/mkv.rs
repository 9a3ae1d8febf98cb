//! Encoder delay of audio in Matroska and WebM.
//!
//! symphonia tells it in the ticks of the file, mostly milliseconds; the file states it in
//! nanoseconds (RFC 9559, section 5.1.4.1.28: `CodecDelay`).

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use super::mend::bytes::some_at;

const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1f43_b675;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const TRACK_NUMBER: u32 = 0xd7;
const CODEC_DELAY: u32 = 0x56aa;

/// Largest list of tracks that is read, in bytes.
const LARGEST_TRACKS: u64 = 16 << 20;

/// Returns the delay of the track with the number `track`, in frames at `rate_hz`.
pub(super) fn codec_delay(file: File, track: u32, rate_hz: u32) -> Option<u64> {
    let tracks = find_tracks(&mut BufReader::new(file))?;
    let entry = elements(&tracks)
        .filter(|(id, _)| *id == TRACK_ENTRY)
        .find(|(_, entry)| child(entry, TRACK_NUMBER) == Some(u64::from(track)))?;

    let nanoseconds = u128::from(child(entry.1, CODEC_DELAY)?);
    let frames = (nanoseconds * u128::from(rate_hz) + 500_000_000) / 1_000_000_000;
    u64::try_from(frames).ok()
}

/// Returns the end of the segment, if the file states it.
pub(super) fn segment_end(file: &mut (impl Read + Seek)) -> Option<u64> {
    let mut at = 0;
    loop {
        let (id, size, length) = header(&some_at(file, at, 12).ok()?)?;
        at = at.checked_add(length as u64)?.checked_add(size?)?;
        if id == SEGMENT {
            return Some(at);
        }
    }
}

/// Returns the body of the first `Tracks` element.
fn find_tracks(file: &mut (impl Read + Seek)) -> Option<Vec<u8>> {
    loop {
        let mut head = Vec::new();
        let at = file.stream_position().ok()?;
        file.take(12).read_to_end(&mut head).ok()?;
        let (id, size, length) = header(&head)?;
        let body = at + length as u64;

        match id {
            // Look into the segment, whose length may not be known.
            SEGMENT => file.seek(SeekFrom::Start(body)).ok()?,
            TRACKS => {
                let size = size.filter(|&size| size <= LARGEST_TRACKS)?;
                file.seek(SeekFrom::Start(body)).ok()?;
                let mut tracks = Vec::new();
                file.take(size).read_to_end(&mut tracks).ok()?;
                return Some(tracks);
            }
            CLUSTER => return None,
            _ => file.seek(SeekFrom::Start(body.checked_add(size?)?)).ok()?,
        };
    }
}

/// Returns the elements in `body`, each as number and body. Ends at the first one that does not
/// fit.
fn elements(mut body: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (id, size, length) = header(body)?;
        let end = length.checked_add(usize::try_from(size?).ok()?)?;
        let inside = body.get(length..end)?;
        body = &body[end..];
        Some((id, inside))
    })
}

/// Returns the value of the unsigned integer `id` in `body`.
fn child(body: &[u8], id: u32) -> Option<u64> {
    let (_, value) = elements(body).find(|(found, _)| *found == id)?;
    let number = |value: &[u8]| {
        value
            .iter()
            .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
    };
    (value.len() <= 8).then(|| number(value))
}

/// Parses the header of an element (RFC 8794, section 4): its number, its size if known, and the
/// length of the header.
fn header(bytes: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let id_length = bytes.first()?.leading_zeros() as usize + 1;
    let id = bytes.get(..id_length).filter(|id| id.len() <= 4)?;
    let id = id.iter().fold(0, |id, &byte| id << 8 | u32::from(byte));

    let first = *bytes.get(id_length)?;
    let size_length = first.leading_zeros() as usize + 1;
    let size = bytes
        .get(id_length..id_length + size_length)
        .filter(|size| size.len() <= 8)?;
    let value = size
        .iter()
        .fold(0, |value, &byte| value << 8 | u64::from(byte));
    let mask = (1 << (7 * size_length)) - 1;
    let value = Some(value & mask).filter(|&value| value != mask);
    Some((id, value, id_length + size_length))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
        let size = (body.len() as u64 | 1 << 56).to_be_bytes();
        [id, &size, body].concat()
    }

    fn saved(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn the_delay_is_that_of_the_track() {
        let entry = |number: u8, delay: &[u8]| {
            let number = element(&[0xd7], &[number]);
            element(&[0xae], &[number, element(&[0x56, 0xaa], delay)].concat())
        };
        // 1024 frames at 44.1 kHz, in nanoseconds.
        let entries = [entry(1, &[0]), entry(2, &23_219_955_u32.to_be_bytes())].concat();
        let tracks = element(&[0x16, 0x54, 0xae, 0x6b], &entries);
        let head = element(&[0x1a, 0x45, 0xdf, 0xa3], b"webm");
        let void = element(&[0xec], &[0; 300]);

        let inside = [void, tracks].concat();
        let known = element(&[0x18, 0x53, 0x80, 0x67], &inside);
        let open = [b"\x18\x53\x80\x67\xff".as_slice(), &inside].concat();
        for segment in [known, open] {
            let file = [head.as_slice(), &segment].concat();
            for (track, expected) in [(1, Some(0)), (2, Some(1024)), (3, None)] {
                assert_eq!(codec_delay(saved(&file), track, 44_100), expected);
            }
            for cut in 0..file.len() {
                assert_eq!(codec_delay(saved(&file[..cut]), 3, 44_100), None);
            }
        }
    }
}
