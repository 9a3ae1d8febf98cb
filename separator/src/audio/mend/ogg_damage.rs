//! Damaged and missing pages of Ogg files: where they were, and what time the pages around them
//! state (RFC 3533).

use std::collections::HashMap;
use std::io::{Read, Result, Seek, SeekFrom};
use std::ops::Range;

use super::Gap;
use super::bytes::{array_at, some_at};
use super::ogg::{CONTINUED, FIRST};
use crate::audio::media_file::Piece;

/// Number of bytes in which the next page is looked for at a time.
const SEARCH_BYTES: usize = 1 << 16;
/// Length of a page's header without the lengths of its segments.
const HEAD: usize = ogg_pager::PAGE_HEADER_SIZE;

/// Damage in a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Damage {
    /// Number of pages that are damaged by their checksums, or lie between others where there is no
    /// page.
    pub(super) pages: u64,
    /// Places of the pages that are sound, in one piece where nothing lies between them.
    pub(super) sound: Vec<Range<u64>>,
    /// Places at which pages of a stream are missing.
    pub(super) gaps: Vec<Gap>,
    /// Sentences on what is not heard.
    pub(super) notes: Vec<String>,
}

/// Looks at every page of the file.
pub(super) fn find(file: &mut (impl Read + Seek)) -> Result<Damage> {
    let (mut walk, mut doubtful, mut at) = (Walk::default(), 0, 0);
    file.rewind()?;
    loop {
        if let Some(page) = SoundPage::read(file, at)? {
            walk.note_sound(at..page.end);
            at = page.end;
            // What lies behind the last page is none of the song.
            walk.note_damage(std::mem::take(&mut doubtful));
            walk.add(&page);
            continue;
        }

        doubtful += 1;
        match next_mark(file, at + 1)? {
            Some(next) => at = next,
            None => return Ok(walk.damage),
        }
        file.seek(SeekFrom::Start(at))?;
    }
}

/// A page whose checksum is right.
struct SoundPage {
    flags: u8,
    /// Time at which the last packet ends that ends on the page.
    time: i64,
    serial: u32,
    sequence: u32,
    /// Number of packets that end on the page.
    packets: usize,
    /// Whether the last packet goes on on the next page.
    is_open: bool,
    end: u64,
}

impl Damage {
    /// Returns the parts of `pieces` that are sound. symphonia refuses a file with damage between
    /// the headers and the first packet, and passes over it elsewhere.
    pub(super) fn repaired(&self, pieces: Vec<Piece>) -> Vec<Piece> {
        let sound = |piece| match piece {
            Piece::File(place) => {
                let both = self.sound.iter().map(|sound| {
                    let start = sound.start.max(place.start);
                    start..sound.end.min(place.end)
                });
                let both = both.filter(|both| both.start < both.end);
                both.map(Piece::File).collect()
            }
            bytes @ Piece::Bytes(_) => vec![bytes],
        };
        pieces.into_iter().flat_map(sound).collect()
    }
}

impl SoundPage {
    /// Reads the page at `at`, where `file` stands. The file stands behind it afterwards.
    fn read(file: &mut (impl Read + Seek), at: u64) -> Result<Option<Self>> {
        if let Ok(page) = ogg_pager::Page::read(file) {
            return Ok(Self::checked(&page.as_bytes(), page.end));
        }
        // A page may hold nothing at all.
        let head = array_at::<HEAD>(file, at)?.filter(|head| head[26] == 0);
        Ok(head.and_then(|head| Self::checked(&head, at + HEAD as u64)))
    }

    /// Returns the page that consists of `bytes` and ends at `end`, if its checksum is right.
    fn checked(bytes: &[u8], end: u64) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let mut cleared = bytes.to_vec();
        cleared[22..26].fill(0);
        let crc = ogg_pager::crc32(&cleared).to_le_bytes();
        if !head.starts_with(b"OggS\0") || head[22..26] != crc {
            return None;
        }

        let [_, _, _, _, _, flags, time @ .., _, _, _, _, _] = *head;
        let [a, b, c, d, e, f, g, h, serial_and_sequence @ ..] = time;
        let [i, j, k, l, m, n, o, p] = serial_and_sequence;
        let lacing = rest.get(..usize::from(head[26]))?;
        Some(Self {
            flags,
            time: i64::from_le_bytes([a, b, c, d, e, f, g, h]),
            serial: u32::from_le_bytes([i, j, k, l]),
            sequence: u32::from_le_bytes([m, n, o, p]),
            packets: lacing.iter().filter(|&&size| size < 255).count(),
            is_open: lacing.last() == Some(&255),
            end,
        })
    }
}

/// A stream, up to a page of it.
struct Stream {
    /// Number of the page.
    sequence: u32,
    /// Time at which the last packet ends, if any audio has been found.
    time: Option<i64>,
    /// Whether there was damage behind the page.
    is_doubtful: bool,
    /// Whether the beginning of a packet is there that goes on on the next page.
    has_part: bool,
    /// Time before the gap whose end has not been found as yet.
    gap: Option<Option<i64>>,
}

/// Facts that a walk along the pages has found.
#[derive(Default)]
struct Walk {
    damage: Damage,
    /// Streams that are multiplexed, by their serial numbers.
    streams: HashMap<u32, Stream>,
    /// Number of streams before those, one after the other.
    number: usize,
    /// Whether the first pages of those have been passed.
    is_in_data: bool,
}

impl Walk {
    fn note_damage(&mut self, pages: u64) {
        self.damage.pages += pages;
        for stream in self.streams.values_mut() {
            stream.is_doubtful |= pages > 0;
        }
    }

    fn note_sound(&mut self, place: Range<u64>) {
        match self.damage.sound.last_mut() {
            Some(last) if last.end == place.start => last.end = place.end,
            _ => self.damage.sound.push(place),
        }
    }

    fn add(&mut self, page: &SoundPage) {
        if page.flags & FIRST != 0 {
            self.begin(page);
            return;
        }

        self.is_in_data = true;
        let (number, gaps) = (self.number, &mut self.damage.gaps);
        match self.streams.get_mut(&page.serial) {
            // Programs that write longer tags leave the numbers behind them as they were.
            Some(stream) if stream.sequence <= page.sequence || stream.time.is_none() => {
                gaps.extend(stream.go_on(page, number));
            }
            _ => self.note_headless(),
        }
    }

    /// Notes the first page of a stream.
    fn begin(&mut self, page: &SoundPage) {
        if std::mem::take(&mut self.is_in_data) {
            self.number += 1;
            self.streams.clear();
        }
        let stream = Stream {
            sequence: page.sequence,
            time: None,
            is_doubtful: false,
            has_part: page.is_open,
            gap: None,
        };
        self.streams.insert(page.serial, stream);
    }

    /// Notes pages of a stream whose first page is missing. symphonia leaves them out.
    fn note_headless(&mut self) {
        let note = "a song within it lacks its beginning, and may be left out";
        if self.damage.notes.is_empty() {
            self.damage.notes.push(note.to_owned());
        }
    }
}

impl Stream {
    /// Notes the next page. Returns the gap before it once its end is known.
    fn go_on(&mut self, page: &SoundPage, number: usize) -> Option<Gap> {
        let is_missing = page.sequence.saturating_sub(self.sequence) > 1;
        // A recording of a broadcast begins anywhere.
        let is_gap = is_missing && (self.time.is_some() || self.is_doubtful);
        if is_gap {
            self.gap.get_or_insert(self.time);
        }
        self.has_part &= !is_missing;
        (self.sequence, self.is_doubtful) = (page.sequence, false);

        // The rest of a packet whose beginning is missing is passed over.
        let is_rest = page.flags & CONTINUED != 0 && !self.has_part;
        let packets = page.packets.saturating_sub(usize::from(is_rest));
        self.has_part = page.is_open && (page.packets > 0 || !is_rest);
        // Pages of headers state 0.
        if packets == 0 || page.time <= 0 {
            return None;
        }

        self.time = Some(page.time);
        self.gap.take().map(|start| Gap {
            stream: number,
            serial: page.serial,
            start,
            end: page.time,
            packets,
        })
    }
}

/// Returns the offset of the next mark of a page from `from` on.
fn next_mark(file: &mut (impl Read + Seek), from: u64) -> Result<Option<u64>> {
    let mut at = from;
    loop {
        let bytes = some_at(file, at, SEARCH_BYTES)?;
        if let Some(found) = bytes.windows(4).position(|bytes| bytes == b"OggS") {
            return Ok(Some(at + found as u64));
        }
        if bytes.len() < SEARCH_BYTES {
            return Ok(None);
        }
        // The mark may lie across two reads.
        at += SEARCH_BYTES as u64 - 3;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use sextet_cases::each_case;

    use super::*;

    /// Writes a page of the stream 7 with `packets` packets of 100 bytes; the last one goes on on
    /// the next page if `is_open`.
    fn page(flags: u8, time: i64, sequence: u32, packets: usize, is_open: bool) -> Vec<u8> {
        let mut lacing = vec![100; packets];
        lacing.extend(is_open.then_some(255));
        let mut page = [b"OggS\0".as_slice(), &[flags]].concat();
        page.extend(time.to_le_bytes());
        page.extend(7_u32.to_le_bytes());
        page.extend(sequence.to_le_bytes());
        page.extend([0; 4]);
        page.push(lacing.len() as u8);
        page.extend(&lacing);
        page.resize(page.len() + 100 * packets + 255 * usize::from(is_open), 9);
        let crc = ogg_pager::crc32(&page);
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Pages of a stream: a header, and six of audio with three packets each.
    fn song() -> Vec<Vec<u8>> {
        let audio = (1..7).map(|n| page(0, 1000 * i64::from(n), n, 3, false));
        [page(FIRST, 0, 0, 1, false)]
            .into_iter()
            .chain(audio)
            .collect()
    }

    fn found(pages: &[Vec<u8>]) -> Damage {
        find(&mut Cursor::new(pages.concat())).unwrap()
    }

    fn flip(mut pages: Vec<Vec<u8>>, flips: &[(usize, usize)]) -> Vec<Vec<u8>> {
        for &(page, byte) in flips {
            pages[page][byte] ^= 1;
        }
        pages
    }

    fn gap(start: Option<i64>, end: i64) -> Gap {
        Gap {
            stream: 0,
            serial: 7,
            start,
            end,
            packets: 3,
        }
    }

    #[test]
    fn damaged_pages_are_counted_and_placed() {
        let nothing = page(0, 0, 3, 0, false);
        let with = |at: usize, bytes: &[u8]| {
            let mut pages = song();
            pages.insert(at, bytes.to_vec());
            pages
        };
        let without = |at: usize| {
            let mut pages = song();
            pages.remove(at);
            pages
        };
        let mut cut = song();
        cut[6].pop();

        let cases = [
            (song(), 0, vec![]),
            (with(7, b"TAG and more"), 0, vec![]),
            (with(4, &nothing), 0, vec![]),
            (with(4, b"garbage"), 1, vec![]),
            // A bit of the samples, of the flags, of the mark, of the lengths.
            (flip(song(), &[(3, 40)]), 1, vec![gap(Some(2000), 4000)]),
            (flip(song(), &[(3, 5)]), 1, vec![gap(Some(2000), 4000)]),
            (flip(song(), &[(3, 0)]), 1, vec![gap(Some(2000), 4000)]),
            (flip(song(), &[(3, 27)]), 1, vec![gap(Some(2000), 4000)]),
            (
                flip(song(), &[(3, 40), (5, 40)]),
                2,
                vec![gap(Some(2000), 4000), gap(Some(4000), 6000)],
            ),
            (flip(song(), &[(1, 40)]), 1, vec![gap(None, 2000)]),
            // The end of a file is told of otherwise.
            (flip(song(), &[(6, 40)]), 0, vec![]),
            (cut, 0, vec![]),
            // Pages that are missing leave no damage; a broadcast begins anywhere.
            (without(3), 0, vec![gap(Some(2000), 4000)]),
            (without(1), 0, vec![]),
        ];
        each_case(cases, |(pages, damaged, gaps)| {
            let found = found(&pages);
            assert_eq!((found.pages, found.gaps), (damaged, gaps));
            assert_eq!(found.notes, [""; 0]);
        });
    }

    #[test]
    fn what_is_damaged_is_not_presented() {
        let pages = flip(song(), &[(2, 40)]);
        let length = |n: usize| pages[..n].concat().len() as u64;
        let damage = found(&pages);
        let whole = vec![Piece::File(0..length(7))];
        let expected = [0..length(2), length(3)..length(7)].map(Piece::File);
        assert_eq!(damage.repaired(whole), expected);

        let bytes = Piece::Bytes(b"another comment".to_vec());
        let pieces = vec![
            Piece::File(0..10),
            bytes.clone(),
            Piece::File(20..length(2) + 5),
        ];
        let expected = [Piece::File(0..10), bytes, Piece::File(20..length(2))];
        assert_eq!(damage.repaired(pieces), expected);
    }

    #[test]
    fn packets_that_are_passed_over_are_not_counted() {
        let first = [page(FIRST, 0, 0, 1, false), page(0, 1000, 1, 3, true)];
        let cases = [
            // The page behind the gap begins with the rest of a packet.
            (vec![page(CONTINUED, 4000, 4, 3, false)], Some((4000, 2))),
            // It holds nothing else, and the next one begins anew.
            (
                vec![
                    page(CONTINUED, -1, 4, 0, true),
                    page(CONTINUED, 5000, 5, 3, false),
                ],
                Some((5000, 2)),
            ),
            (
                vec![page(0, -1, 4, 0, true), page(CONTINUED, 5000, 5, 3, false)],
                Some((5000, 3)),
            ),
            // No page is missing.
            (vec![page(CONTINUED, 2000, 2, 3, false)], None),
        ];
        each_case(cases, |(rest, expected)| {
            let found = found(&[&first[..], &rest].concat()).gaps;
            let found = found.first().map(|gap| (gap.end, gap.packets));
            assert_eq!(found, expected);
        });
    }

    #[test]
    fn numbers_that_begin_anew_behind_longer_tags_are_no_damage() {
        let tags = (1..9).map(|number| page(0, 0, number, 1, false));
        let pages: Vec<_> = song().into_iter().take(1).chain(tags).collect();
        let damage = found(&[pages, song().split_off(1)].concat());
        assert_eq!((damage.pages, damage.gaps), (0, vec![]));
        assert_eq!(damage.notes, [""; 0]);
    }

    #[test]
    fn a_song_without_its_beginning_is_told_of() {
        let second: Vec<Vec<u8>> = song();
        let joined = [song(), second.clone()].concat();
        let damage = found(&joined);
        assert_eq!((damage.pages, damage.gaps), (0, vec![]));
        assert_eq!(damage.notes, [""; 0]);

        let damaged = flip(joined, &[(7, 30)]);
        let damage = found(&damaged);
        assert_eq!((damage.pages, damage.gaps), (1, vec![]));
        assert_eq!(damage.notes.len(), 1);

        // Gaps are those of their own song.
        let damage = found(&flip([song(), second].concat(), &[(10, 40)]));
        let expected = Gap {
            stream: 1,
            ..gap(Some(2000), 4000)
        };
        assert_eq!(damage.gaps, [expected]);
    }
}
