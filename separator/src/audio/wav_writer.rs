//! WAVE files, written from the first byte to the last without seeking back.
//!
//! The sources are those of `wav_header`. The length is known beforehand, so every size in the
//! header is right from the start. Above 4 GiB the file is an RF64 (EBU Tech 3306). hound, the
//! usual library, writes neither RF64 nor tags, and lofty holds a whole file in memory to tag it.

use std::io::{self, Write};

use super::quantize::Quantizer;
use super::{Audio, Bits, Layout, Speaker, Tags};

/// Last 14 bytes of every sub-format's GUID.
const GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/// Number of frames that are encoded and written at a time: many for each system call, few enough
/// to stay in a core's cache.
const PIECE_FRAMES: usize = 1 << 15;

/// Writer of the samples of one WAVE file.
pub(super) struct WavWriter<W> {
    out: W,
    bits: Bits,
    quantizer: Quantizer,
    /// Number of bytes of samples still to be written.
    left: u64,
    pad: bool,
    bytes: Vec<u8>,
}

impl<W: Write> WavWriter<W> {
    /// Writes the header of a file of `frames` frames to `out`.
    pub(super) fn new(
        mut out: W,
        layout: Layout,
        bits: Bits,
        tags: &Tags,
        frames: u64,
    ) -> io::Result<Self> {
        let (header, data_bytes) = header(layout, bits, tags, frames);
        out.write_all(&header)?;

        let quantizer = Quantizer::new(bits.count().min(24));
        Ok(Self {
            out,
            bits,
            quantizer,
            left: data_bytes,
            pad: data_bytes % 2 == 1,
            bytes: Vec::new(),
        })
    }

    /// Writes a block of the layout given to [`WavWriter::new`].
    pub(super) fn write(&mut self, block: &Audio) -> io::Result<()> {
        for from in (0..block.frames()).step_by(PIECE_FRAMES) {
            let to = (from + PIECE_FRAMES).min(block.frames());
            let channels: Vec<&[f32]> = block
                .channels()
                .iter()
                .map(|channel| &channel[from..to])
                .collect();
            self.encode(&channels);
            self.left = self.left.saturating_sub(self.bytes.len() as u64);
            self.out.write_all(&self.bytes)?;
        }
        Ok(())
    }

    /// Sets `bytes` to the samples of `channels`, frame by frame.
    fn encode(&mut self, channels: &[&[f32]]) {
        let Self {
            bits,
            quantizer,
            bytes,
            ..
        } = self;

        bytes.resize(
            channels.len() * channels[0].len() * (bits.count() / 8) as usize,
            0,
        );
        match bits {
            Bits::B16 => interleave(channels, bytes, |sample| {
                (quantizer.integer(sample) as i16).to_le_bytes()
            }),
            Bits::B24 => interleave(channels, bytes, |sample| {
                let [a, b, c, _] = quantizer.integer(sample).to_le_bytes();
                [a, b, c]
            }),
            Bits::Float32 => interleave(channels, bytes, f32::to_le_bytes),
        }
    }

    /// Returns the number of samples that were outside the range of the file's integers.
    pub(super) fn clipped(&self) -> u64 {
        self.quantizer.clipped
    }

    /// Writes the pad byte after the samples, if one is needed, and returns the output.
    pub(super) fn finish(mut self) -> io::Result<W> {
        debug_assert_eq!(self.left, 0, "the caller counts frames");
        if self.pad {
            // Chunks have an even length.
            self.out.write_all(&[0])?;
        }
        Ok(self.out)
    }
}

/// Writes `N` bytes a sample to `bytes`, frame by frame.
fn interleave<const N: usize>(
    channels: &[&[f32]],
    bytes: &mut [u8],
    mut encode: impl FnMut(f32) -> [u8; N],
) {
    let (places, _) = bytes.as_chunks_mut::<N>();

    // The usual case is handled separately: the compiler vectorises loops over two slices.
    if let [left, right] = channels {
        let (pairs, _) = places.as_chunks_mut::<2>();
        for (pair, (left, right)) in pairs.iter_mut().zip(left.iter().zip(*right)) {
            *pair = [encode(*left), encode(*right)];
        }
        return;
    }

    for (number, channel) in channels.iter().enumerate() {
        let own = places.iter_mut().skip(number).step_by(channels.len());
        own.zip(*channel)
            .for_each(|(place, sample)| *place = encode(*sample));
    }
}

/// Returns the header, that is, everything before the samples, and the number of bytes of samples
/// that follow.
fn header(layout: Layout, bits: Bits, tags: &Tags, frames: u64) -> (Vec<u8>, u64) {
    let frame_bytes = layout.channels as u64 * u64::from(bits.count() / 8);
    let data_bytes = frames.saturating_mul(frame_bytes);

    let mut chunks = Vec::new();
    chunk(&mut chunks, b"fmt ", &format_chunk(layout, bits));

    if bits == Bits::Float32 {
        // The `fact` chunk is required for everything but integer PCM. It holds the number of
        // frames, or all ones where 32 bits cannot hold it.
        chunk(
            &mut chunks,
            b"fact",
            &u32::try_from(frames).unwrap_or(u32::MAX).to_le_bytes(),
        );
    }

    let (list, id3) = tags.wave_chunks();
    for (name, body) in [(b"LIST", list), (b"id3 ", id3)] {
        if !body.is_empty() {
            chunk(&mut chunks, name, &body);
        }
    }

    // The RIFF size covers "WAVE", the chunks, the data chunk's head, the samples and the pad byte.
    let riff_bytes = (4 + chunks.len() as u64 + 8)
        .saturating_add(data_bytes)
        .saturating_add(data_bytes % 2);
    let mut header = Vec::new();
    if let (Ok(riff), Ok(data)) = (u32::try_from(riff_bytes), u32::try_from(data_bytes)) {
        header.extend(b"RIFF");
        header.extend(riff.to_le_bytes());
        header.extend(b"WAVE");
        header.extend(chunks);
        header.extend(b"data");
        header.extend(data.to_le_bytes());
    } else {
        header.extend(b"RF64\xff\xff\xff\xffWAVE");
        let mut sizes = Vec::new();

        // The ds64 chunk itself has 36 bytes.
        for size in [riff_bytes + 36, data_bytes, frames] {
            sizes.extend(size.to_le_bytes());
        }

        // The table of other large chunks is empty.
        sizes.extend([0; 4]);
        chunk(&mut header, b"ds64", &sizes);
        header.extend(chunks);
        header.extend(b"data\xff\xff\xff\xff");
    }

    (header, data_bytes)
}

/// Returns the `fmt ` chunk: `WAVEFORMATEXTENSIBLE` for more than two channels and for 24 bits,
/// where Microsoft requires it, otherwise the plain one, which all programs read.
fn format_chunk(layout: Layout, bits: Bits) -> Vec<u8> {
    let Layout { channels, rate_hz } = layout;
    let tag: u16 = if bits == Bits::Float32 { 3 } else { 1 };
    let extensible = channels > 2 || bits == Bits::B24;
    let block_align = channels as u32 * bits.count() / 8;

    let mut format = Vec::new();
    format.extend(if extensible { 0xfffe_u16 } else { tag }.to_le_bytes());
    format.extend((channels as u16).to_le_bytes());
    format.extend(rate_hz.to_le_bytes());
    format.extend(rate_hz.saturating_mul(block_align).to_le_bytes());

    format.extend((block_align as u16).to_le_bytes());
    format.extend((bits.count() as u16).to_le_bytes());

    if extensible {
        format.extend(22_u16.to_le_bytes());
        format.extend((bits.count() as u16).to_le_bytes());
        format.extend(Speaker::usual_wave_mask(channels).to_le_bytes());
        format.extend(tag.to_le_bytes());
        format.extend(GUID_TAIL);
    } else if bits == Bits::Float32 {
        // A size of 0 states that no extension follows.
        format.extend(0_u16.to_le_bytes());
    }

    format
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    out.extend(name);
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
    if body.len() % 2 == 1 {
        out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::wav_header::WavHeader;
    use super::{Bits, Layout, Tags, header};
    use std::io::Cursor;

    const STEREO: Layout = Layout {
        channels: 2,
        rate_hz: 44_100,
    };

    /// Checks that the sizes in the header add up to the file, on both sides of 4 GiB.
    #[test]
    fn sizes_are_right_on_both_sides_of_four_gib() {
        let mut cases = 0;
        let limit = u64::from(u32::MAX) / 8;
        for frames in [
            0,
            1,
            441,
            limit - 100,
            limit - 1,
            limit,
            limit + 1,
            10 * limit,
            1 << 40,
        ] {
            let (bytes, data_bytes) = header(STEREO, Bits::Float32, &Tags::default(), frames);
            let is_rf64 = &bytes[..4] == b"RF64";
            assert_eq!(data_bytes, frames * 8);
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
            assert_eq!(read.data_start, bytes.len() as u64);
            assert_eq!(
                read.data_bytes,
                Some(data_bytes).filter(|&bytes| bytes > 0),
                "{frames} frames"
            );
            cases += 1;
        }

        assert_eq!(cases, 9);
    }
}
