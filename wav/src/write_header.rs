//! Header of a WAVE file, written with the length that the file is going to have.

use crate::format::{SampleFormat, WavFormat};
use crate::{EXTENSIBLE, FLOAT, PCM};

/// Last 14 bytes of every sub-format's GUID.
const GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
/// Length of the body of a `ds64` chunk without a table, and of the whole chunk, in bytes.
const DS64_BODY_BYTES: usize = 28;
const DS64_BYTES: u64 = 8 + DS64_BODY_BYTES as u64;

/// Room for the sizes of a file beyond 4 GiB, which is an RF64 (EBU Tech 3306).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SizeRoom {
    /// Room in a file beyond 4 GiB alone.
    AsNeeded,
    /// Room in every file, so that the header has one length whatever the length of the file.
    Always,
}

impl WavFormat {
    /// Returns the header of a file of `frames` frames, that is, everything before the samples, and
    /// the number of bytes of samples that follow. `chunks` come before the samples too.
    pub fn header(&self, frames: u64, chunks: &[u8]) -> (Vec<u8>, u64) {
        self.header_with(frames, chunks, SizeRoom::AsNeeded)
    }

    pub(crate) fn header_with(&self, frames: u64, more: &[u8], room: SizeRoom) -> (Vec<u8>, u64) {
        let data_bytes = frames.saturating_mul(self.frame_bytes());
        let chunks = self.chunks(frames, more);

        // The RIFF size covers "WAVE", the chunks, the data chunk's head, the samples and the pad
        // byte.
        let ds64_bytes = DS64_BYTES * u64::from(room == SizeRoom::Always);
        let riff_bytes = (4 + ds64_bytes + chunks.len() as u64 + 8)
            .saturating_add(data_bytes)
            .saturating_add(data_bytes % 2);

        let mut header = Vec::new();
        if let (Ok(riff), Ok(data)) = (u32::try_from(riff_bytes), u32::try_from(data_bytes)) {
            header.extend(b"RIFF");
            header.extend(riff.to_le_bytes());
            header.extend(b"WAVE");
            if room == SizeRoom::Always {
                chunk(&mut header, b"JUNK", &[0; DS64_BODY_BYTES]);
            }
            header.extend(chunks);
            header.extend(b"data");
            header.extend(data.to_le_bytes());
        } else {
            header.extend(b"RF64\xff\xff\xff\xffWAVE");
            let riff_bytes = riff_bytes - ds64_bytes + DS64_BYTES;
            let mut sizes = [riff_bytes, data_bytes, frames]
                .map(u64::to_le_bytes)
                .concat();

            // The table of other large chunks is empty.
            sizes.extend([0; 4]);
            chunk(&mut header, b"ds64", &sizes);
            header.extend(chunks);
            header.extend(b"data\xff\xff\xff\xff");
        }

        (header, data_bytes)
    }

    /// Returns the chunks about the samples, and then `more` chunks.
    fn chunks(&self, frames: u64, more: &[u8]) -> Vec<u8> {
        let mut chunks = Vec::new();
        chunk(&mut chunks, b"fmt ", &self.format_chunk());

        if self.samples.is_float() {
            // The `fact` chunk is required for everything but integer PCM. It holds the number of
            // frames, or all ones where 32 bits cannot hold it.
            let frames = u32::try_from(frames).unwrap_or(u32::MAX);
            chunk(&mut chunks, b"fact", &frames.to_le_bytes());
        }

        chunks.extend(more);
        chunks
    }

    /// Returns the `fmt ` chunk: `WAVEFORMATEXTENSIBLE` for more than two channels, whose places it
    /// names, and for integers of 32 bits; otherwise the plain one, which all programs read.
    /// Microsoft asks for the extensible one above 16 bits, but samplers, players for DJs and
    /// Python's `wave` before 3.12 refuse it, and none that reads 24 bits refuses the plain one.
    fn format_chunk(&self) -> Vec<u8> {
        let tag = if self.samples.is_float() { FLOAT } else { PCM };
        let extensible = self.channels > 2 || self.samples == SampleFormat::I32;
        let (bits, block_align) = (self.samples.bytes() as u16 * 8, self.frame_bytes() as u32);

        let mut format = Vec::new();
        format.extend(if extensible { EXTENSIBLE } else { tag }.to_le_bytes());
        format.extend(self.channels.to_le_bytes());
        format.extend(self.rate_hz.to_le_bytes());
        format.extend(self.rate_hz.saturating_mul(block_align).to_le_bytes());

        format.extend((block_align as u16).to_le_bytes());
        format.extend(bits.to_le_bytes());

        if extensible {
            format.extend(22_u16.to_le_bytes());
            format.extend(bits.to_le_bytes());
            format.extend(self.channel_mask.to_le_bytes());
            format.extend(tag.to_le_bytes());
            format.extend(GUID_TAIL);
        } else if self.samples.is_float() {
            // A size of 0 states that no extension follows.
            format.extend(0_u16.to_le_bytes());
        }

        format
    }
}

/// Appends a chunk to `out`, padded to an even length.
pub fn chunk(out: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    out.extend(name);
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
    if body.len() % 2 == 1 {
        out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use sextet_cases::each_case;

    use super::*;
    use crate::WavHeader;

    /// Checks that the sizes in the header add up to the file, on both sides of 4 GiB, and that a
    /// header is read as it was written.
    #[test]
    fn sizes_are_right_on_both_sides_of_four_gib() {
        let mut cases = 0;
        let limit = u64::from(u32::MAX) / 8;
        let lengths = [
            0,
            1,
            441,
            limit - 100,
            limit - 1,
            limit,
            limit + 1,
            10 * limit,
            1 << 40,
        ];

        let format = WavFormat::float_stereo(44_100);
        let kinds = [SizeRoom::AsNeeded, SizeRoom::Always];
        for (frames, room) in lengths.iter().flat_map(|&n| kinds.map(|room| (n, room))) {
            let (bytes, data_bytes) = format.header_with(frames, &[], room);
            let is_rf64 = &bytes[..4] == b"RF64";
            assert_eq!(data_bytes, frames * 8);
            if room == SizeRoom::Always {
                assert_eq!(bytes.len() as u64, crate::HEADER_BYTES);
            }

            let file_bytes = bytes.len() as u64 + data_bytes;
            let riff_bytes = if is_rf64 {
                assert_eq!(&bytes[4..8], &[0xff; 4]);
                u64::from_le_bytes(bytes[20..28].try_into().unwrap())
            } else {
                u64::from(u32::from_le_bytes(bytes[4..8].try_into().unwrap()))
            };

            assert_eq!(riff_bytes + 8, file_bytes, "{frames} frames");
            assert_eq!(
                is_rf64,
                file_bytes - 8 > u64::from(u32::MAX),
                "{frames} frames"
            );

            let read = WavHeader::read(&mut Cursor::new(&bytes)).unwrap();
            assert_eq!(read.format, format);
            assert_eq!(read.data_start, bytes.len() as u64);
            assert_eq!(
                read.data_bytes,
                Some(data_bytes).filter(|&bytes| bytes > 0),
                "{frames} frames"
            );
            cases += 1;
        }

        assert_eq!(cases, 18);
    }

    #[test]
    fn every_format_is_read_as_it_was_written() {
        let samples = [
            SampleFormat::U8,
            SampleFormat::I16,
            SampleFormat::I24,
            SampleFormat::I32,
            SampleFormat::F32,
            SampleFormat::F64,
        ];
        each_case(samples, |samples| {
            let layouts = [(1, 8_000), (2, 44_100), (6, 192_000), (8, u32::MAX)];
            each_case(layouts, |(channels, rate_hz)| {
                // A plain `fmt ` chunk states no speakers.
                let states = channels > 2 || samples == SampleFormat::I32;
                let format = WavFormat {
                    channels,
                    rate_hz,
                    samples,
                    channel_mask: if states { (1 << channels) - 1 } else { 0 },
                };

                let mut more = Vec::new();
                chunk(&mut more, b"LIST", b"odd");
                let (header, data_bytes) = format.header(3, &more);
                let read = WavHeader::read(&mut Cursor::new(&header)).unwrap();

                let expected = WavHeader {
                    format,
                    data_start: header.len() as u64,
                    data_bytes: Some(data_bytes),
                };
                assert_eq!(read, expected);
            });
        });
    }
}
