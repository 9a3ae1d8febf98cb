//! WAVE files, written from the first byte to the last without seeking back.
//!
//! The length is known beforehand, so every size in the header is right from the start. Above 4 GiB
//! the file is an RF64. lofty holds a whole file in memory to tag it, so tags are written here.

use std::io::{self, Write};

use sextet_wav::{SampleFormat, WavFormat, chunk};

use super::pcm_encoder::{Order, PcmEncoder};
use super::write_options::Bits;
use super::{Audio, Layout, Speaker, Tags};

/// Writer of the samples of one WAVE file.
pub(super) struct WavWriter<W> {
    out: W,
    samples: PcmEncoder,
    /// Number of bytes of samples still to be written.
    left: u64,
    pad: bool,
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
        let format = WavFormat {
            channels: layout.channels as u16,
            rate_hz: layout.rate_hz,
            samples: match bits {
                Bits::B16 => SampleFormat::I16,
                Bits::B24 => SampleFormat::I24,
                Bits::Float32 => SampleFormat::F32,
            },
            channel_mask: Speaker::usual_wave_mask(layout.channels),
        };
        let (header, data_bytes) = format.header(frames, &chunks(tags, layout.rate_hz));
        out.write_all(&header)?;

        Ok(Self {
            out,
            samples: PcmEncoder::new(bits, Order::Little),
            left: data_bytes,
            pad: data_bytes % 2 == 1,
        })
    }

    /// Writes a block of the layout given to [`WavWriter::new`].
    pub(super) fn write(&mut self, block: &Audio) -> io::Result<()> {
        let written = self.samples.write(block, &mut self.out)?;
        self.left = self.left.saturating_sub(written);
        Ok(())
    }

    /// Returns the number of samples that were outside the range of the file's integers.
    pub(super) fn clipped(&self) -> u64 {
        self.samples.clipped()
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

/// Returns the chunks of `tags` for a file at `rate_hz`.
fn chunks(tags: &Tags, rate_hz: u32) -> Vec<u8> {
    let mut chunks = Vec::new();
    if let Some(body) = tags.broadcast(rate_hz) {
        chunk(&mut chunks, b"bext", &body);
    }
    let (list, id3) = tags.wave_chunks();
    for (name, body) in [(b"LIST", list), (b"id3 ", id3)] {
        if !body.is_empty() {
            chunk(&mut chunks, name, &body);
        }
    }
    chunks
}
