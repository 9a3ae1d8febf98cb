//! FLAC that was streamed, cut or joined (RFC 9639).
//!
//! symphonia 0.6.1 refuses a smallest block of fewer than 16 samples, takes frames only where
//! their numbering agrees with the sizes in the header, and mistakes the header of a second song
//! for a part of the last frame of the first.

use std::io::{BufRead, Read, Result, Seek, SeekFrom};

use super::bytes::{array_at, before_tags, some_at};
use super::{Mended, Part};
use crate::audio::Layout;
use crate::audio::flac_frame::Frame;
use crate::audio::media_file::Piece;

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

    // Find the headers of further songs.
    let mut songs = vec![(start, first)];
    let mut search = songs[0].1.audio_start;
    while let Some(found) = find_mark(file, search)? {
        search = found + 4;
        if let Some(head) = Head::read(file, found)? {
            search = head.audio_start;
            songs.push((found, head));
        }
    }

    // Present each of them by itself.
    let ends: Vec<u64> = songs[1..].iter().map(|(start, _)| *start).collect();
    let ends = ends.into_iter().chain([bytes]);
    let is_joined = songs.len() > 1;
    let mut parts = Vec::new();
    for ((start, head), end) in songs.iter().zip(ends) {
        let song_end = before_tags(file, end)?;
        parts.push(head.part(*start, song_end, is_joined || song_end < end));
    }
    let more = parts.split_off(1);
    let Some(part) = parts.pop() else {
        return Ok(None);
    };

    let layouts: Vec<_> = songs.iter().map(|(_, head)| head.layout()).collect();
    Ok(Some(Mended {
        part,
        more,
        layouts: if is_joined { layouts } else { Vec::new() },
        ..Mended::default()
    }))
}

/// Headers at the beginning of a song.
struct Head {
    /// Body of the STREAMINFO block.
    info: [u8; 34],
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
            info,
            audio_start: at,
            frame,
        }))
    }

    /// Returns the song that begins at `start` and ends at `end`, with a header that agrees with
    /// its frames.
    fn part(&self, start: u64, end: u64, is_piece: bool) -> Part {
        let mut info = self.info;
        match &self.frame {
            Some(frame) => correct(&mut info, frame),
            None => correct_sizes(&mut info),
        }

        let is_changed = is_piece || info != self.info;
        Part {
            pieces: is_changed.then(|| {
                vec![
                    Piece::File(start..start + 8),
                    Piece::Bytes(info.to_vec()),
                    Piece::File(start + INFO_END..end),
                ]
            }),
            flac_start: self.frame.as_ref().map(|frame| frame.start(&info)),
        }
    }

    /// Returns the layout of the samples (RFC 9639, section 8.2).
    fn layout(&self) -> Layout {
        let [a, b, c] = [self.info[10], self.info[11], self.info[12]];
        Layout {
            channels: usize::from(c >> 1 & 7) + 1,
            rate_hz: u32::from_be_bytes([0, a, b, c]) >> 4,
        }
    }
}

/// Makes the sizes in STREAMINFO agree with the numbering of the frames.
fn correct(info: &mut [u8; 34], frame: &Frame) {
    let size = |at: usize, info: &[u8; 34]| u16::from_be_bytes([info[at], info[at + 1]]);
    let (smallest, largest) = (size(0, info), size(2, info));
    if frame.fixed && (smallest != largest || largest < frame.samples) {
        info[..2].copy_from_slice(&frame.samples.max(16).to_be_bytes());
        info[2..4].copy_from_slice(&frame.samples.max(16).to_be_bytes());
    } else if !frame.fixed && smallest == largest {
        // Frames of other sizes are to come, of which nothing is known.
        info[..2].copy_from_slice(&16_u16.to_be_bytes());
        info[2..4].copy_from_slice(&u16::MAX.to_be_bytes());
    }
    correct_sizes(info);
}

/// Replaces sizes that contradict each other.
fn correct_sizes(info: &mut [u8; 34]) {
    let size = |at: usize, info: &[u8; 34]| u16::from_be_bytes([info[at], info[at + 1]]);
    let (smallest, largest) = (size(0, info), size(2, info));
    if smallest < 16 || smallest > largest {
        info[..2].copy_from_slice(&16_u16.to_be_bytes());
    }
    if largest < 16 || smallest > largest {
        info[2..4].copy_from_slice(&u16::MAX.to_be_bytes());
    }

    // The sizes of the smallest and the largest frame in bytes, of which 0 is not known.
    let [a, b, c, d, e, f] = [info[4], info[5], info[6], info[7], info[8], info[9]];
    if [d, e, f] != [0; 3] && [a, b, c] > [d, e, f] {
        info[4..10].fill(0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradicting_sizes_are_replaced() {
        let info = |smallest: u16, largest: u16| {
            let mut info = [0; 34];
            info[..2].copy_from_slice(&smallest.to_be_bytes());
            info[2..4].copy_from_slice(&largest.to_be_bytes());
            info
        };
        let frame = |fixed| Frame {
            fixed,
            number: 0,
            samples: 1152,
        };
        let cases = [
            (true, (4096, 4096), (4096, 4096)),
            (true, (0, 4096), (1152, 1152)),
            (true, (1, 1), (1152, 1152)),
            (false, (0, 4096), (16, 4096)),
            (false, (4096, 4096), (16, 65_535)),
            (false, (4096, 12), (16, 65_535)),
            (false, (100, 4096), (100, 4096)),
        ];
        for (fixed, (a, b), (c, d)) in cases {
            let mut found = info(a, b);
            correct(&mut found, &frame(fixed));
            assert_eq!(found, info(c, d), "fixed {fixed}, {a} to {b}");
        }
    }
}
