//! WAVE files, written from the first byte to the last without seeking back.
//!
//! The length is known beforehand, so every size in the header is right from the start. Above 4 GiB
//! the file is an RF64. lofty holds a whole file in memory to tag it, so tags are written here.

use std::io::{self, Write};

use sextet_wav::{SampleFormat, WavFormat, chunk};

use super::quantize::Quantizer;
use super::{Audio, Bits, Layout, Speaker, Tags};

/// Number of frames that are encoded and written at a time: many for each system call, few enough
/// to stay in a core's cache.
pub(super) const PIECE_FRAMES: usize = 1 << 15;

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
pub(super) fn interleave<const N: usize>(
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
