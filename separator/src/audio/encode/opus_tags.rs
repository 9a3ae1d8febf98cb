//! The comment header of an Opus file that ffmpeg has encoded (RFC 7845, section 5.2).
//!
//! It is written here because a cover is longer than an argument of ffmpeg may be, and because
//! lofty holds a whole file in memory to tag it. The pages behind the header are moved piece by
//! piece, and get new numbers where the header has become longer by a page (RFC 3533, section 6).

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result, Seek as _, SeekFrom, Write as _};

use ogg_pager::{PAGE_HEADER_SIZE, Page, PageError, paginate};

use crate::audio::Tags;

/// First bytes of the header.
const MAGIC: &[u8; 8] = b"OpusTags";
/// Number of bytes that are moved at a time.
const PIECE_BYTES: u64 = 1 << 20;

/// Writes `tags` into `file` in place of the encoder's own comments.
///
/// # Errors
/// When `file` cannot be read or written to; [`ErrorKind::InvalidData`] when it is no Opus file.
pub(super) fn write(file: &mut File, tags: &Tags) -> Result<()> {
    if tags.is_empty() {
        return Ok(());
    }

    let old = Header::read(file)?;
    let comments = tags.vorbis_comments(&old.vendor()?);
    if comments.is_empty() {
        return Ok(());
    }
    let packet = [MAGIC.as_slice(), &comments].concat();
    let mut pages = paginate([packet.as_slice()], old.serial, 0, 0).map_err(fault)?;
    let mut bytes = Vec::new();
    for (page, number) in pages.iter_mut().zip(1..) {
        page.header_mut().sequence_number = number;
        page.gen_crc();
        bytes.extend(page.as_bytes());
    }

    let count = pages.len() as u32;
    if count != old.pages {
        renumber(file, old.end, 1 + count)?;
    }
    shift(file, old.end, old.start + bytes.len() as u64)?;
    file.seek(SeekFrom::Start(old.start))?;
    file.write_all(&bytes)
}

/// The comment header as it lies in a file: all of the pages behind the first one.
struct Header {
    packet: Vec<u8>,
    serial: u32,
    /// Number of its pages.
    pages: u32,
    start: u64,
    end: u64,
}

impl Header {
    fn read(file: &mut File) -> Result<Self> {
        let first = page_at(file, 0)?;
        if !first.content().starts_with(b"OpusHead") {
            return Err(ErrorKind::InvalidData.into());
        }

        let mut header = Self {
            packet: Vec::new(),
            serial: first.header().stream_serial,
            pages: 0,
            start: first.end,
            end: first.end,
        };
        loop {
            let page = page_at(file, header.end)?;
            let (length, begin) = (page.content().len() as u64, header.end);
            header.packet.extend(page.content());
            header.pages += 1;
            header.end = page.end;

            // A packet ends with a segment of less than 255 bytes, which may be empty.
            let segments = page.end - begin - PAGE_HEADER_SIZE as u64 - length;
            if segments > length / 255 {
                return Ok(header);
            }
        }
    }

    /// Returns the name of the encoder.
    fn vendor(&self) -> Result<String> {
        let rest = self.packet.strip_prefix(MAGIC);
        let vendor = rest
            .and_then(<[u8]>::split_first_chunk::<4>)
            .and_then(|(length, rest)| rest.get(..u32::from_le_bytes(*length) as usize))
            .ok_or(ErrorKind::InvalidData)?;
        Ok(String::from_utf8_lossy(vendor).into_owned())
    }
}

fn page_at(file: &mut File, at: u64) -> Result<Page> {
    file.seek(SeekFrom::Start(at))?;
    Page::read(file).map_err(fault)
}

/// Numbers the pages from `at` on anew, the first one as `number`.
fn renumber(file: &mut File, mut at: u64, mut number: u32) -> Result<()> {
    let end = file.seek(SeekFrom::End(0))?;
    while at < end {
        let mut page = page_at(file, at)?;
        page.header_mut().sequence_number = number;
        page.gen_crc();
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&page.as_bytes())?;

        at = page.end;
        number += 1;
    }
    Ok(())
}

/// Moves what lies from `from` to the end of the file to `to`.
fn shift(file: &mut File, from: u64, to: u64) -> Result<()> {
    let end = file.seek(SeekFrom::End(0))?;
    let pieces = (end - from).div_ceil(PIECE_BYTES);
    let mut bytes = Vec::new();

    // Towards the end, the last piece goes first, or it would be overwritten before it is read.
    for turn in 0..pieces {
        let number = if to > from { pieces - 1 - turn } else { turn };
        let at = from + number * PIECE_BYTES;
        bytes.resize(PIECE_BYTES.min(end - at) as usize, 0);
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut bytes)?;
        file.seek(SeekFrom::Start(at - from + to))?;
        file.write_all(&bytes)?;
    }

    if to < from {
        file.set_len(end - (from - to))?;
    }
    Ok(())
}

fn fault(error: PageError) -> Error {
    match error {
        PageError::Io(error) if error.kind() != ErrorKind::UnexpectedEof => error,
        error => Error::new(ErrorKind::InvalidData, error),
    }
}

#[cfg(test)]
mod tests {
    use ogg_pager::Packets;

    use super::*;
    use crate::audio::{Cover, TagField};

    const SERIAL: u32 = 7;

    /// Returns a file of Opus with the comment header `packet` and some pages of sound.
    fn file(packet: &[u8], sound: &[Vec<u8>]) -> File {
        let head = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0".as_slice();
        let sound = sound.iter().map(Vec::as_slice);
        let packets: Vec<&[u8]> = [head, packet].into_iter().chain(sound).collect();
        let mut out = tempfile::tempfile().unwrap();
        for mut page in paginate(packets, SERIAL, 960, 2).unwrap() {
            page.gen_crc();
            out.write_all(&page.as_bytes()).unwrap();
        }
        out
    }

    /// Returns the packets of `file`, whose pages must be in their order and undamaged.
    fn packets(file: &mut File) -> Vec<Vec<u8>> {
        let end = file.seek(SeekFrom::End(0)).unwrap();
        let (mut at, mut number) = (0, 0);
        while at < end {
            let page = page_at(file, at).unwrap();
            let mut again = page.clone();
            again.gen_crc();
            assert!(page == again, "page {number} is damaged");
            assert_eq!(page.header().sequence_number, number);
            assert_eq!(page.header().stream_serial, SERIAL);
            (at, number) = (page.end, number + 1);
        }
        file.seek(SeekFrom::Start(0)).unwrap();
        let all = Packets::read(file).unwrap();
        all.iter().map(<[u8]>::to_vec).collect()
    }

    fn tags(cover_bytes: usize) -> Tags {
        let mut tags = Tags::default();
        tags.set(TagField::Title, "a title");
        tags.set(TagField::Comment, "long ".repeat(30_000));
        tags.set_cover(Some(Cover {
            mime: "image/png".to_owned(),
            data: vec![7; cover_bytes],
        }));
        tags
    }

    /// Checks headers that grow, shrink and fill their pages, before sound of more than one piece.
    #[test]
    fn the_sound_behind_the_header_stays_as_it_is() {
        let sound: Vec<Vec<u8>> = (1..400_u32)
            .map(|n| vec![n as u8; (n * 37 % 8_000) as usize + 1])
            .collect();
        let olds = [0, 40, 254 - 20, 255 - 20, 8_160 - 20, 70_000, 2_000_000];
        for old in olds {
            let mut packet = b"OpusTags\x06\0\0\0ffmpeg\0\0\0\0".to_vec();
            packet.resize(packet.len() + old, 0);
            for tags in [tags(1), tags(100_000), tags(3_000_000)] {
                let mut file = file(&packet, &sound);
                write(&mut file, &tags).unwrap();
                let packets = packets(&mut file);
                assert!(packets[2..] == sound, "{old}");
                assert!(packets[1].starts_with(b"OpusTags\x06\0\0\0ffmpeg"), "{old}");

                // Once more, shorter: what is left over goes.
                let mut short = Tags::default();
                short.set(TagField::Title, "b");
                write(&mut file, &short).unwrap();
                let packets = self::packets(&mut file);
                assert!(packets[2..] == sound, "{old}");
                assert_eq!(
                    packets[1],
                    b"OpusTags\x06\0\0\0ffmpeg\x01\0\0\0\x07\0\0\0TITLE=b"
                );
            }
        }
    }

    #[test]
    fn what_is_no_opus_is_refused_and_not_touched() {
        let opus = b"OpusTags\x06\0\0\0ffmpeg\0\0\0\0";
        let mut cases = vec![Vec::new(), b"garbage, and more of it".to_vec()];
        let mut whole = Vec::new();
        let mut file = file(opus, &[]);
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut whole).unwrap();
        cases.push(whole[..60].to_vec());
        cases.push(whole[..whole.len() - 1].to_vec());

        for case in cases {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&case).unwrap();
            let error = write(&mut file, &tags(10)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            let mut found = Vec::new();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.read_to_end(&mut found).unwrap();
            assert_eq!(found, case);
        }
    }
}
