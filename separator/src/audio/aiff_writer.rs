//! AIFF files, written from the first byte to the last without seeking back; AIFF-C for floating
//! point. (Apple, "Audio Interchange File Format AIFF-C", 1991.)

use std::io::{self, Write};

use super::pcm_encoder::{Order, PcmEncoder};
use super::write_options::Bits;
use super::{Audio, Layout, Tags};

/// Version of AIFF-C: the only one there is.
const AIFF_C_VERSION: u32 = 0xa280_5140;

/// Most bytes of samples in a file: sizes have 32 bits, and tags need some room.
pub(super) const MAX_SAMPLE_BYTES: u64 = u32::MAX as u64 - (16 << 20);

/// Writer of the samples of one AIFF file.
pub(super) struct AiffWriter<W> {
    out: W,
    samples: PcmEncoder,
    pad: bool,
}

/// Writes the chunks before the samples, and the header of the chunk that holds them.
fn write_header(
    out: &mut impl Write,
    form: &[u8; 4],
    chunks: &[u8],
    data_bytes: u64,
) -> io::Result<()> {
    // The samples follow an offset and a block size, both 0.
    let sound_bytes = 8 + data_bytes;
    let form_bytes = 4 + chunks.len() as u64 + 8 + sound_bytes + sound_bytes % 2;
    let form_bytes = u32::try_from(form_bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "AIFF ends at 4 GiB"))?;

    out.write_all(b"FORM")?;
    out.write_all(&form_bytes.to_be_bytes())?;
    out.write_all(form)?;
    out.write_all(chunks)?;
    out.write_all(b"SSND")?;
    out.write_all(&(sound_bytes as u32).to_be_bytes())?;
    out.write_all(&[0; 8])
}

/// Returns the size of the samples of a file in bytes.
pub(super) fn sample_bytes(layout: Layout, bits: Bits, frames: u64) -> u64 {
    let frame_bytes = layout.channels as u64 * u64::from(bits.count() / 8);
    frames.saturating_mul(frame_bytes)
}

impl<W: Write> AiffWriter<W> {
    /// Writes the header of a file of `frames` frames to `out`; the caller has checked that they
    /// are not too many.
    pub(super) fn new(
        mut out: W,
        layout: Layout,
        bits: Bits,
        tags: &Tags,
        frames: u64,
    ) -> io::Result<Self> {
        let data_bytes = sample_bytes(layout, bits, frames);
        let mut chunks = Vec::new();
        if bits == Bits::Float32 {
            chunk(&mut chunks, b"FVER", &AIFF_C_VERSION.to_be_bytes());
        }
        chunk(&mut chunks, b"COMM", &common(layout, bits, frames));

        let id3 = tags.id3();
        if !id3.is_empty() {
            chunk(&mut chunks, b"ID3 ", &id3);
        }

        let form = if bits == Bits::Float32 {
            b"AIFC"
        } else {
            b"AIFF"
        };
        write_header(&mut out, form, &chunks, data_bytes)?;

        Ok(Self {
            out,
            samples: PcmEncoder::new(bits, Order::Big),
            pad: data_bytes % 2 == 1,
        })
    }

    /// Writes a block of the layout given to [`AiffWriter::new`].
    pub(super) fn write(&mut self, block: &Audio) -> io::Result<()> {
        self.samples.write(block, &mut self.out).map(drop)
    }

    /// Returns the number of samples that were outside the range of the file's integers.
    pub(super) fn clipped(&self) -> u64 {
        self.samples.clipped()
    }

    /// Writes the pad byte after the samples, if one is needed, and returns the output.
    pub(super) fn finish(mut self) -> io::Result<W> {
        if self.pad {
            self.out.write_all(&[0])?;
        }
        Ok(self.out)
    }
}

/// Returns the body of the chunk about the samples.
fn common(layout: Layout, bits: Bits, frames: u64) -> Vec<u8> {
    let mut body = (layout.channels as u16).to_be_bytes().to_vec();
    body.extend(u32::try_from(frames).unwrap_or(u32::MAX).to_be_bytes());
    body.extend((bits.count() as u16).to_be_bytes());
    body.extend(extended(layout.rate_hz));
    if bits == Bits::Float32 {
        // The compression and its name, a Pascal string of even length with its count.
        body.extend(b"fl32\x0f32-bit floating");
    }
    body
}

/// Returns a whole number above 0 as an 80-bit floating point number.
fn extended(number: u32) -> [u8; 10] {
    let zeros = number.leading_zeros();
    let [a, b] = ((16_383 + 31 - zeros) as u16).to_be_bytes();
    let [c, d, e, f] = (number << zeros).to_be_bytes();
    [a, b, c, d, e, f, 0, 0, 0, 0]
}

/// Appends a chunk to `out`, padded to an even length.
fn chunk(out: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    out.extend(name);
    out.extend((body.len() as u32).to_be_bytes());
    out.extend(body);
    out.extend(std::iter::repeat_n(0, body.len() % 2));
}

#[cfg(test)]
mod tests {
    use super::extended;

    #[test]
    fn rates_are_80_bit_floating_point() {
        // Values of the specification and of files in the wild.
        let cases: [(u32, [u8; 4]); 4] = [
            (44_100, [0x40, 0x0e, 0xac, 0x44]),
            (48_000, [0x40, 0x0e, 0xbb, 0x80]),
            (8_000, [0x40, 0x0b, 0xfa, 0x00]),
            (192_000, [0x40, 0x10, 0xbb, 0x80]),
        ];
        for (rate_hz, expected) in cases {
            assert_eq!(extended(rate_hz)[..4], expected, "{rate_hz}");
            assert_eq!(extended(rate_hz)[4..], [0; 6], "{rate_hz}");
        }
    }
}
