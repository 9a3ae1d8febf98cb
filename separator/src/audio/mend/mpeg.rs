//! MPEG audio and ADTS, frame by frame: tags between the frames, joined songs, changes of the
//! layout (ISO/IEC 11172-3, section 2.4.1.3; ISO/IEC 13818-7, section 6.2).
//!
//! symphonia looks for frames inside of covers, and knows the delay of the first song alone.

use std::io::{BufRead, Read, Result, Seek, SeekFrom};
use std::ops::Range;

use super::bytes::{after_tag, array_at, some_at};
use super::{Mended, Part};
use crate::audio::Layout;
use crate::audio::media_file::Piece;
use crate::audio::trim::Trim;

/// Kind of the frames in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// MPEG-1 and MPEG-2 audio, layers I to III.
    Layers,
    /// AAC in ADTS.
    Adts,
}

/// Header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    /// Length with the header, in bytes.
    bytes: u64,
    /// Number of frames of audio.
    frames: u64,
    layout: Layout,
    /// Offset of a Xing tag from the beginning, in layer III.
    xing: Option<u64>,
}

/// Number of bytes of a header.
const HEAD: usize = 6;

impl Kind {
    /// Parses the header of a frame.
    fn frame(self, head: [u8; HEAD]) -> Option<Frame> {
        match self {
            Self::Layers => layers(head),
            Self::Adts => adts(head),
        }
    }
}

/// Bit rates, in kbit/s, by the number in the header: of layers I, II and III of MPEG-1, and of
/// layer I and of layers II and III of MPEG-2.
const KBPS: [[u32; 15]; 5] = [
    [
        0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448,
    ],
    [
        0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
    ],
    [
        0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
    ],
    [
        0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256,
    ],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

fn layers([a, b, c, d, ..]: [u8; HEAD]) -> Option<Frame> {
    if a != 0xff || b & 0xe0 != 0xe0 {
        return None;
    }

    // Version 1 (3), 2 (2) or 2.5 (0), and layer I (3), II (2) or III (1).
    let (version, layer) = (b >> 3 & 3, b >> 1 & 3);
    let divisor = match version {
        3 => 1,
        2 => 2,
        0 => 4,
        _ => return None,
    };
    let rate_hz = [44_100, 48_000, 32_000].get(usize::from(c >> 2 & 3))? / divisor;
    let (table, frames) = match (layer, divisor) {
        (3, 1) => (0, 384),
        (3, _) => (3, 384),
        (2, 1) => (1, 1152),
        (2, _) => (4, 1152),
        (1, 1) => (2, 1152),
        (1, _) => (4, 576),
        _ => return None,
    };

    let bits_per_s = 1000 * KBPS[table].get(usize::from(c >> 4))?;
    let padding = u32::from(c >> 1 & 1);
    let bytes = if layer == 3 {
        (12 * bits_per_s / rate_hz + padding) * 4
    } else {
        frames / 8 * bits_per_s / rate_hz + padding
    };

    // A rate of 0 bits is free format, whose frames state no length.
    let channels = if d >> 6 == 3 { 1 } else { 2 };
    let side_info = match (divisor, channels) {
        (1, 1) => 17,
        (1, _) => 32,
        (_, 1) => 9,
        _ => 17,
    };
    (bits_per_s > 0).then_some(Frame {
        bytes: u64::from(bytes),
        frames: u64::from(frames),
        layout: Layout { channels, rate_hz },
        xing: (layer == 1).then_some(4 + side_info),
    })
}

fn adts([a, b, c, d, e, f]: [u8; HEAD]) -> Option<Frame> {
    const HZ: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000, 7_350,
    ];
    if a != 0xff || b & 0xf6 != 0xf0 {
        return None;
    }

    let rate_hz = *HZ.get(usize::from(c >> 2 & 0x0f))?;
    let channels = match usize::from((c & 1) << 2 | d >> 6) {
        7 => 8,
        channels => channels,
    };
    let bytes = u64::from(d & 3) << 11 | u64::from(e) << 3 | u64::from(f >> 5);
    (bytes > 7).then_some(Frame {
        bytes,
        frames: 1024,
        layout: Layout { channels, rate_hz },
        xing: None,
    })
}

/// Song within a file of several: its frames of audio, of which some are delay and padding.
#[derive(Debug, Default)]
struct Song {
    frames: u64,
    /// Delay, padding, and the number of frames with both, if the song states them.
    stated: Option<(u64, u64, Option<u64>)>,
}

/// Facts that a walk along the frames has found.
#[derive(Debug, Default)]
struct Walk {
    /// Tags between and after the frames.
    tags: Vec<Range<u64>>,
    layouts: Vec<Layout>,
    /// Layout of the last frame.
    last: Option<Layout>,
    songs: Vec<Song>,
}

/// Walks along the frames of a file, whose first tags end at `start`. Returns `None` where it need
/// not be mended.
pub(super) fn mend<F: BufRead + Seek>(
    file: &mut F,
    kind: Kind,
    start: u64,
    bytes: u64,
) -> Result<Option<Mended>> {
    let Some(walk) = walk(file, kind, start)? else {
        return Ok(None);
    };

    let joined = walk.songs.len() > 1;
    let changes = walk.layouts.len() > 1;
    if walk.tags.is_empty() && !joined && !changes && start == 0 {
        return Ok(None);
    }

    let mut pieces = Vec::new();
    let mut from = start;
    for tag in &walk.tags {
        pieces.push(Piece::File(from..tag.start.min(bytes)));
        from = tag.end.min(bytes);
    }
    pieces.push(Piece::File(from..bytes));

    Ok(Some(Mended {
        part: Part::of(pieces),
        layouts: if changes { walk.layouts } else { Vec::new() },
        trim: joined.then(|| songs(&walk.songs)),
        ..Mended::default()
    }))
}

fn walk<F: BufRead + Seek>(file: &mut F, kind: Kind, start: u64) -> Result<Option<Walk>> {
    let mut walk = Walk::default();
    let mut at = start;
    file.seek(SeekFrom::Start(at))?;

    let mut is_synced = false;
    while let Some(head) = peek(file)? {
        match kind.frame(head) {
            Some(frame) if is_synced || confirmed(file, kind, at, frame)? => {
                is_synced = true;
                walk.add(file, at, frame)?;
                at += frame.bytes;
                let ahead = i64::try_from(frame.bytes).unwrap_or(i64::MAX);
                file.seek_relative(ahead)?;
            }
            _ => {
                is_synced = false;
                let end = after_tag_at(file, at, head)?;
                let next = end.unwrap_or(at + 1).max(at + 1);
                if end.is_some() && walk.last.is_some() {
                    walk.tags.push(at..next);
                }
                file.seek_relative((next - at) as i64)?;
                at = next;
            }
        }
    }

    Ok((!walk.layouts.is_empty()).then_some(walk))
}

/// Returns the next bytes of `file` without moving, or `None` near its end.
fn peek<F: BufRead + Seek>(file: &mut F) -> Result<Option<[u8; HEAD]>> {
    if let Some(head) = file.fill_buf()?.first_chunk::<HEAD>() {
        return Ok(Some(*head));
    }

    // The bytes lie across two fillings of the buffer.
    let at = file.stream_position()?;
    let head = array_at(file, at)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(head)
}

/// Returns the end of the tag at `at`, if the bytes `head` begin one.
fn after_tag_at(file: &mut (impl Read + Seek), at: u64, head: [u8; HEAD]) -> Result<Option<u64>> {
    if !(head.starts_with(b"ID3") || head.starts_with(b"APETAG") || head.starts_with(b"TAG")) {
        return Ok(None);
    }
    let end = after_tag(file, at)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(end)
}

/// Returns whether the frame at `at` is followed by another one or a tag: bytes that look like
/// a header occur in any data.
fn confirmed(file: &mut (impl Read + Seek), kind: Kind, at: u64, frame: Frame) -> Result<bool> {
    let next = array_at::<HEAD>(file, at + frame.bytes)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(next.is_some_and(|head| {
        kind.frame(head).is_some() || head.starts_with(b"ID3") || head.starts_with(b"TAG")
    }))
}

impl Walk {
    /// Notes the frame at `at`. Moves the file.
    fn add<F: BufRead + Seek>(&mut self, file: &mut F, at: u64, frame: Frame) -> Result<()> {
        let tag = match frame.xing {
            Some(offset) => xing(file, at, offset, frame)?,
            None => None,
        };

        if let Some(stated) = tag {
            self.songs.push(Song {
                frames: 0,
                stated: Some(stated),
            });
            // A tag in a frame of its own is not audio.
            return Ok(());
        }

        if self.songs.is_empty() {
            self.songs.push(Song::default());
        }
        if let Some(song) = self.songs.last_mut() {
            song.frames += frame.frames;
        }
        // A layout that occurs once may be one that damage has made.
        let is_certain = self.last.replace(frame.layout) == Some(frame.layout);
        if is_certain && !self.layouts.contains(&frame.layout) {
            self.layouts.push(frame.layout);
        }
        Ok(())
    }
}

/// Reads the tag in the frame at `at`: Xing's, with LAME's extension, as symphonia does. Returns
/// delay, padding and the number of frames of audio.
fn xing<F: BufRead + Seek>(
    file: &mut F,
    at: u64,
    offset: u64,
    frame: Frame,
) -> Result<Option<(u64, u64, Option<u64>)>> {
    // Look into the buffer first: almost no frame has a tag.
    let offset = offset as usize;
    if let Some(bytes) = file.fill_buf()?.get(offset..offset + 4)
        && !matches!(bytes, b"Xing" | b"Info")
    {
        return Ok(None);
    }

    let bytes = some_at(file, at, frame.bytes as usize)?;
    file.seek(SeekFrom::Start(at))?;
    let is_tag = bytes
        .get(offset..offset + 4)
        .is_some_and(|name| matches!(name, b"Xing" | b"Info"));
    if !is_tag || bytes[4..offset].iter().any(|&byte| byte != 0) {
        return Ok(None);
    }

    Ok(Some(stated(&bytes, offset, frame)))
}

/// Returns what the tag at `offset` of the frame with `bytes` states.
fn stated(bytes: &[u8], offset: usize, frame: Frame) -> (u64, u64, Option<u64>) {
    let word = |at: usize| {
        let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    };
    let flags = word(offset + 4).unwrap_or(0);
    let mut next = offset + 8;
    let count = if flags & 1 != 0 { word(next) } else { None };
    for (flag, size) in [(1, 4), (2, 4), (4, 100), (8, 4)] {
        next += if flags & flag != 0 { size } else { 0 };
    }

    let total = count.map(|count| u64::from(count) * frame.frames);
    let encoder = bytes.get(next..next + 4);
    let is_known = encoder.is_some_and(|name| matches!(name, b"LAME" | b"Lavf" | b"Lavc"));
    let stated = word(next + 21).filter(|_| is_known).map(|word| word >> 8);

    // The decoder's own delay is 529 frames.
    let (delay, padding) = stated.map_or((0, 0), |trim| {
        let padding = u64::from(trim & 0xfff).saturating_sub(529);
        (u64::from(trim >> 12) + 529, padding)
    });
    (delay, padding, total)
}

/// Returns the audio of the songs within all decoded frames.
fn songs(songs: &[Song]) -> Trim {
    let (mut start, mut ranges) = (0, Vec::new());
    for song in songs {
        let end = start + song.frames;
        let (delay, padding, total) = song.stated.unwrap_or((0, 0, None));

        // A song that was cut has lost its padding. One that is longer goes on after it.
        let stated_end = total.map_or(end, |total| start + total);
        let song_end = if stated_end > end {
            end
        } else {
            stated_end.saturating_sub(padding)
        };
        ranges.push(start + delay..song_end.max(start + delay).min(end));
        ranges.push(stated_end.min(end)..end);
        start = end;
    }
    Trim::parts(ranges)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use sextet_cases::each_case;

    use super::*;

    fn layout(channels: usize, rate_hz: u32) -> Layout {
        Layout { channels, rate_hz }
    }

    #[test]
    fn headers_are_parsed() {
        let frame =
            |bytes, frames, channels, rate_hz| Some((bytes, frames, layout(channels, rate_hz)));
        let cases = [
            (
                Kind::Layers,
                [0xff, 0xfb, 0x90, 0x64, 0, 0],
                frame(417, 1152, 2, 44_100),
            ),
            (
                Kind::Layers,
                [0xff, 0xfb, 0x92, 0xc4, 0, 0],
                frame(418, 1152, 1, 44_100),
            ),
            (
                Kind::Layers,
                [0xff, 0xf3, 0x44, 0xc4, 0, 0],
                frame(96, 576, 1, 24_000),
            ),
            (
                Kind::Layers,
                [0xff, 0xfd, 0x94, 0, 0, 0],
                frame(480, 1152, 2, 48_000),
            ),
            (
                Kind::Layers,
                [0xff, 0xff, 0x94, 0, 0, 0],
                frame(288, 384, 2, 48_000),
            ),
            (Kind::Layers, [0xff, 0xfb, 0x00, 0x64, 0, 0], None),
            (Kind::Layers, [0xff, 0xfb, 0xf0, 0x64, 0, 0], None),
            (Kind::Layers, [0xff, 0xfb, 0x9c, 0x64, 0, 0], None),
            (Kind::Layers, [0xff, 0xe9, 0x90, 0x64, 0, 0], None),
            (
                Kind::Adts,
                [0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f],
                frame(371, 1024, 2, 44_100),
            ),
            (
                Kind::Adts,
                [0xff, 0xf1, 0x51, 0x80, 0x2e, 0x7f],
                frame(371, 1024, 6, 44_100),
            ),
            (Kind::Adts, [0xff, 0xf1, 0x50, 0x80, 0x00, 0xdf], None),
            (Kind::Adts, [0xff, 0xf1, 0x78, 0x80, 0x2e, 0x7f], None),
        ];
        each_case(cases, |(kind, head, expected)| {
            let found = kind.frame(head);
            let found = found.map(|frame| (frame.bytes, frame.frames, frame.layout));
            assert_eq!(found, expected, "{kind:?} {head:x?}");
        });
    }

    /// Checks that tags between frames are left out, at every place, and nothing else.
    #[test]
    fn tags_between_frames_are_left_out() {
        let mut frame = vec![0xff, 0xfb, 0x90, 0x64];
        frame.resize(417, 0);
        // Bytes that look like headers, inside of a tag.
        let body = [0xff, 0xfb, 0x90, 0x64, 0, 0, 0, 0].repeat(100);
        let tag = [b"ID3\x03\0\0\0\0\x06\x20".as_slice(), &body].concat();

        each_case([(2, 0), (2, 2), (3, 5), (200, 2)], |(before, after)| {
            let head = frame.repeat(before);
            let file = [head.as_slice(), &tag, &frame.repeat(after)].concat();
            let bytes = file.len() as u64;
            let mended = mend(&mut Cursor::new(&file), Kind::Layers, 0, bytes).unwrap();
            let (start, end) = (head.len() as u64, (head.len() + tag.len()) as u64);
            let expected = vec![Piece::File(0..start), Piece::File(end..bytes)];
            assert_eq!(
                mended.unwrap().part,
                Part::of(expected),
                "{before}, {after}"
            );
        });
    }
}
