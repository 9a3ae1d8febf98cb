//! FLAC that was streamed, cut, joined or tagged (RFC 9639).
//!
//! The header is corrected where it contradicts the frames, and each song of a joined file is
//! presented by itself.

use std::collections::VecDeque;
use std::io::{BufRead, Read, Result, Seek, SeekFrom};

use super::bytes::{array_at, before_tags, some_at};
use super::{FlacPart, Mended, Part};
use crate::audio::flac::frame::Frame;
use crate::audio::flac::frames::Frames;
use crate::audio::flac::info::StreamInfo;
use crate::audio::flac::reader::params;
use crate::audio::media_file::Piece;
use crate::audio::track::make_decoder;

/// Beginning of a FLAC file: the mark, and the header of the first metadata block, which is of type
/// 0 and 34 bytes long. The highest bit of the type marks the last block.
const MARK: &[u8; 4] = b"fLaC";

/// Length of a STREAMINFO block with the mark and its header.
const INFO_END: u64 = 4 + 4 + 34;

/// Mends the file that begins at `start`. Returns `None` where its beginning is damaged.
pub(super) fn mend<F: BufRead + Seek>(
    file: &mut F,
    start: u64,
    bytes: u64,
) -> Result<Option<Mended>> {
    let Some(first) = Head::read(file, start)? else {
        return Ok(None);
    };
    let songs = songs(file, first)?;

    // Present each of them by itself.
    let ends = songs[1..].iter().map(|song| song.start).chain([bytes]);
    let mut parts = Vec::new();
    for (song, end) in songs.iter().zip(ends) {
        parts.push(song.part(before_tags(file, end)?));
    }
    let more = parts.split_off(1);

    let layouts: Vec<_> = songs.iter().map(|song| song.info.layout()).collect();
    Ok(Some(Mended {
        part: parts.pop().unwrap_or_default(),
        layouts: if more.is_empty() { Vec::new() } else { layouts },
        more,
        ..Mended::default()
    }))
}

/// Returns the songs of a file of which `first` is the first, at least that one.
fn songs<F: BufRead + Seek>(file: &mut F, first: Head) -> Result<Vec<Head>> {
    let mut heads = VecDeque::new();
    let mut search = first.audio_start;
    while let Some(found) = find_mark(file, search)? {
        search = found + 4;
        heads.extend(Head::read(file, found)?);
    }

    // What lies within a frame is samples that look like a song's header.
    let mut songs = vec![first];
    while let Some(song) = songs.last().filter(|_| !heads.is_empty()) {
        match next_song(file, song, &mut heads)? {
            Some(next) => songs.push(next),
            None => break,
        }
    }
    Ok(songs)
}

/// Returns the first of `heads` that lies behind or between the frames of `song`, and takes it and
/// those before it out of them.
fn next_song<F: BufRead + Seek>(
    file: &mut F,
    song: &Head,
    heads: &mut VecDeque<Head>,
) -> Result<Option<Head>> {
    let Ok(decoder) = make_decoder(&params(song.corrected())) else {
        return Ok(heads.pop_front());
    };
    file.seek(SeekFrom::Start(song.audio_start))?;
    let mut frames = Frames::new(file, song.corrected(), decoder);

    while let Some(frame) = frames.next()? {
        let (start, end) = (
            song.audio_start + frame.place.start,
            song.audio_start + frame.place.end,
        );
        if heads.front().is_none_or(|head| head.start <= start) {
            break;
        }
        while heads.front().is_some_and(|head| head.start < end) {
            heads.pop_front();
        }
    }
    Ok(heads.pop_front())
}

/// Headers at the beginning of a song.
struct Head {
    /// Offset of the mark.
    start: u64,
    /// STREAMINFO as it is in the file.
    info: StreamInfo,
    /// Offset of the first frame.
    audio_start: u64,
    /// First frame, if one begins at that offset.
    frame: Option<Frame>,
}

impl Head {
    fn read(file: &mut (impl Read + Seek), start: u64) -> Result<Option<Self>> {
        let Some(begin) = array_at::<{ INFO_END as usize }>(file, start)? else {
            return Ok(None);
        };
        if !begin.starts_with(MARK) || begin[4] & 0x7f != 0 || begin[5..8] != [0, 0, 34] {
            return Ok(None);
        }

        let mut info = [0; 34];
        info.copy_from_slice(&begin[8..]);
        let (mut at, mut is_last) = (start + INFO_END, begin[4] & 0x80 != 0);
        while !is_last {
            let Some([kind, a, b, c]) = array_at::<4>(file, at)? else {
                return Ok(None);
            };
            is_last = kind & 0x80 != 0;
            at += 4 + u64::from(u32::from_be_bytes([0, a, b, c]));
        }

        let frame = Frame::parse(&some_at(file, at, 16)?);
        Ok(Some(Self {
            start,
            info: StreamInfo(info),
            audio_start: at,
            frame,
        }))
    }

    /// Returns a header that agrees with the frames.
    fn corrected(&self) -> StreamInfo {
        self.info.corrected(self.frame.as_ref())
    }

    /// Returns the song, which ends at `end`.
    fn part(&self, end: u64) -> Part {
        let info = self.corrected();
        Part {
            pieces: Some(vec![Piece::File(self.audio_start..end)]),
            flac: Some(FlacPart {
                info,
                start: self.frame.as_ref().map(|frame| info.start(frame)),
            }),
        }
    }
}

/// Returns the offset of the next beginning of a FLAC file from `from` on.
fn find_mark<F: BufRead + Seek>(file: &mut F, from: u64) -> Result<Option<u64>> {
    file.seek(SeekFrom::Start(from))?;
    let (mut at, mut window) = (from, Vec::new());
    loop {
        let block = file.fill_buf()?;
        if block.is_empty() {
            return Ok(None);
        }
        let count = block.len();
        window.extend_from_slice(block);
        file.consume(count);

        let found = window.windows(8).position(|bytes| {
            bytes.starts_with(MARK) && bytes[4] & 0x7f == 0 && bytes[5..] == [0, 0, 34]
        });
        if let Some(found) = found {
            return Ok(Some(at + found as u64));
        }

        // The mark may lie across two blocks.
        let done = window.len().saturating_sub(7);
        window.drain(..done);
        at += done as u64;
    }
}
