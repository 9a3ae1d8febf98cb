//! The frames of a FLAC stream, told from samples that look like them.
//!
//! A frame says neither how long it is nor where the next one begins, and its samples may hold any
//! bytes, the header of a frame among them. Where one ends is known by its checksum: it ends before
//! the next header, or the end of the stream, up to which the checksum is 0. Samples that look like
//! a header, or like whole frames, do not fulfil that.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Result};
use std::ops::Range;

use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::checksum;
use super::frame::Frame;
use super::info::StreamInfo;
use crate::audio::guard::guard;

/// Number of bytes that are read at a time.
const READ_BYTES: usize = 1 << 16;
/// Largest number of bytes of a header.
const HEAD_BYTES: usize = 16;
/// Most places that are tried as the end of a frame that no header follows.
const MOST_ENDS: usize = 64;

/// A frame, whose checksum is right.
pub(in crate::audio) struct Found {
    pub(super) frame: Frame,
    /// Place in the stream, in bytes.
    pub(in crate::audio) place: Range<u64>,
    pub(super) data: Box<[u8]>,
}

/// Bytes that may be the header of a frame.
struct Head {
    at: u64,
    frame: Frame,
    /// Next place, of those at which a frame may begin, up to which the checksum is right.
    end: Option<u64>,
}

/// Reader of the frames of a stream.
pub(in crate::audio) struct Frames<R> {
    source: R,
    info: StreamInfo,
    decoder: Box<dyn AudioDecoder>,
    /// Bytes of the stream from `origin` on.
    window: Vec<u8>,
    origin: u64,
    /// Whether the stream ends where the window does.
    is_ended: bool,
    /// Place up to which headers have been looked for.
    searched: u64,
    /// Place up to which the checksum has been computed, from the beginning of the stream, and the
    /// checksum.
    summed: (u64, u16),
    /// Possible headers, in their order, which have not become frames as yet.
    heads: VecDeque<Head>,
    /// Last of the places that have a key in common.
    latest: HashMap<u16, u64>,
    /// End of the last frame that was found.
    done: u64,
    /// Whether the bytes at `done` begin a frame that was given up.
    is_cut: bool,
}

impl<R: Read> Frames<R> {
    /// Reads frames of a stream with the header `info` from `source`, which begins with the first
    /// of them. `decoder` decodes them.
    pub(in crate::audio) fn new(
        source: R,
        info: StreamInfo,
        decoder: Box<dyn AudioDecoder>,
    ) -> Self {
        Self {
            source,
            info,
            decoder,
            window: Vec::new(),
            origin: 0,
            is_ended: false,
            searched: 0,
            summed: (0, 0),
            heads: VecDeque::new(),
            latest: HashMap::new(),
            done: 0,
            is_cut: false,
        }
    }

    /// Returns the next undamaged frame, or `None` at the end of the stream.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub(in crate::audio) fn next(&mut self) -> Result<Option<Found>> {
        loop {
            while self.heads.is_empty() && !self.is_ended {
                self.read()?;
            }
            let Some(first) = self.heads.front() else {
                return Ok(None);
            };

            // Read until the end of the frame is known, or too far away.
            let (at, limit) = (first.at, first.at + self.reach(&first.frame));
            let mut end = first.end;
            while end.is_none() && !self.is_ended && self.searched < limit {
                self.read()?;
                end = self.heads.front().and_then(|first| first.end);
            }
            if end.is_none() && at == self.done {
                end = self.end_by_decoding(limit);
            }

            let first = self.heads.pop_front();
            if let Some((first, end)) = first.zip(end) {
                return Ok(Some(self.found(first, end)));
            }
            self.is_cut |= at == self.done;
        }
    }

    /// Returns whether the stream ends within a frame, once its end has been reached.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Returns the source of the bytes.
    pub(super) fn into_source(self) -> R {
        self.source
    }

    /// Returns a number of bytes that no encoder makes of a frame: twice those of plain samples.
    fn reach(&self, frame: &Frame) -> u64 {
        let bits = u64::from(self.info.bits()) + 1;
        let samples = u64::from(frame.samples) * frame.channels as u64;
        samples * bits / 4 + 1024
    }

    fn found(&mut self, head: Head, end: u64) -> Found {
        while self.heads.front().is_some_and(|next| next.at < end) {
            self.heads.pop_front();
        }
        (self.done, self.is_cut) = (end, false);
        Found {
            frame: head.frame,
            place: head.at..end,
            data: self.bytes(head.at..end).into(),
        }
    }

    /// Returns the bytes at `place`, which lies within the window.
    fn bytes(&self, place: Range<u64>) -> &[u8] {
        let (start, end) = (place.start - self.origin, place.end - self.origin);
        &self.window[start as usize..end as usize]
    }

    /// Reads further and looks for headers in what was read.
    fn read(&mut self) -> Result<()> {
        // Let go of what has become frames or cannot become one.
        let needed = self.heads.front().map_or(self.searched, |head| head.at);
        self.sum_to(needed);
        self.window.drain(..(needed - self.origin) as usize);
        self.origin = needed;

        let mut chunk = self.source.by_ref().take(READ_BYTES as u64);
        self.is_ended = chunk.read_to_end(&mut self.window)? == 0;
        self.search();

        if self.is_ended {
            let end = self.origin + self.window.len() as u64;
            self.note_place(end);
        }
        Ok(())
    }

    /// Looks for headers in the bytes that have been read.
    fn search(&mut self) {
        // A header that is not complete as yet is looked for again.
        let ahead = if self.is_ended { 0 } else { HEAD_BYTES };
        let end = self.window.len().saturating_sub(ahead);
        let mut at = (self.searched - self.origin) as usize;
        while at < end {
            let Some(found) = self.window[at..end].iter().position(|&byte| byte == 0xff) else {
                break;
            };
            at += found;
            let frame = Frame::parse(&self.window[at..]);
            if let Some(frame) = frame.filter(|frame| self.info.admits(frame)) {
                let place = self.origin + at as u64;
                self.note_place(place);
                let (at, end) = (place, None);
                self.heads.push_back(Head { at, frame, end });
            }
            at += 1;
        }
        self.searched = self.searched.max(self.origin + end as u64);
    }

    /// Notes a place at which a frame may begin, as the end of a frame before it where the
    /// checksum allows it. Places come in ascending order.
    fn note_place(&mut self, place: u64) {
        self.sum_to(place);
        let key = checksum::key(self.summed.1, place);
        let before = self.latest.insert(key, place);
        let index = before.map(|before| self.heads.binary_search_by_key(&before, |head| head.at));
        if let Some(Ok(index)) = index {
            self.heads[index].end = Some(place);
        }
    }

    /// Computes the checksum up to `place`, unless it reaches further.
    fn sum_to(&mut self, place: u64) {
        let (summed, crc) = self.summed;
        if place > summed {
            self.summed = (place, checksum::of_frame(crc, self.bytes(summed..place)));
        }
    }

    /// Returns the end of the first of the possible frames if no header follows it, but a damaged
    /// one or bytes that are no part of the stream: the first place up to which the checksum is
    /// right and all samples are there.
    fn end_by_decoding(&mut self, limit: u64) -> Option<u64> {
        let first = self.heads.front()?;
        let later = || {
            let within = |head: &&Head| head.at < limit;
            self.heads.iter().skip(1).take_while(within)
        };
        // The frame itself is damaged where the next one is there.
        let next = first.frame.next_number();
        if later().any(|head| head.frame.number == next) {
            return None;
        }

        let (start, head_bytes) = (first.at, first.frame.head_bytes);
        let samples = usize::from(first.frame.samples);
        let whole = later().find(|head| head.end.is_some());
        let read = self.origin + self.window.len() as u64;
        let limit = whole.map_or(limit.min(read), |head| head.at);

        let bytes = self.bytes(start..limit);
        let mut crc = 0;
        let is_end = |length: &usize| {
            crc = checksum::of_frame(crc, &bytes[length - 1..*length]);
            crc == 0 && *length > head_bytes
        };
        let ends: Vec<usize> = (1..=bytes.len()).filter(is_end).take(MOST_ENDS).collect();
        let end = ends
            .into_iter()
            .find(|&length| self.decodes(start..start + length as u64, samples));
        end.map(|length| start + length as u64)
    }

    /// Returns whether the bytes at `place` decode to `samples` samples of each channel.
    fn decodes(&mut self, place: Range<u64>, samples: usize) -> bool {
        let packet = Packet::new(0, Timestamp::ZERO, Duration::ZERO, self.bytes(place));
        let decoder = &mut self.decoder;
        guard(|| {
            decoder
                .decode(&packet)
                .map(|audio| audio.frames() == samples)
        })
        .unwrap_or(false)
    }
}
