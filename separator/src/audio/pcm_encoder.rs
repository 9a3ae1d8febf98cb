//! Samples as files and pipes of plain PCM hold them: integers or floating point, frame by frame,
//! in either order of their bytes.

use std::io::{self, Write};

use super::Audio;
use super::quantize::Quantizer;
use super::write_options::Bits;

/// Number of frames that are encoded and written at a time: many for each system call, few enough
/// to stay in a core's cache.
const PIECE_FRAMES: usize = 1 << 15;

/// Order of the bytes of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The lowest byte first: WAVE, and what ffmpeg is given.
    Little,
    /// The highest byte first: AIFF.
    Big,
}

/// Encoder of blocks of samples.
pub(super) struct PcmEncoder {
    bits: Bits,
    order: Order,
    quantizer: Quantizer,
    bytes: Vec<u8>,
}

impl PcmEncoder {
    /// Creates an encoder to samples of `bits`, whose bytes lie in `order`.
    pub(super) fn new(bits: Bits, order: Order) -> Self {
        Self {
            bits,
            order,
            quantizer: Quantizer::new(bits.count().min(24)),
            bytes: Vec::new(),
        }
    }

    /// Writes the samples of `block` to `out`. Returns the number of bytes.
    pub(super) fn write(&mut self, block: &Audio, out: &mut impl Write) -> io::Result<u64> {
        let mut written = 0;
        for from in (0..block.frames()).step_by(PIECE_FRAMES) {
            let to = (from + PIECE_FRAMES).min(block.frames());
            let channels = block.channels().iter();
            let channels: Vec<&[f32]> = channels.map(|channel| &channel[from..to]).collect();

            self.encode(&channels);
            out.write_all(&self.bytes)?;
            written += self.bytes.len() as u64;
        }
        Ok(written)
    }

    /// Returns the number of samples so far that were outside the range of the integers.
    pub(super) fn clipped(&self) -> u64 {
        self.quantizer.clipped
    }

    /// Sets `bytes` to the samples of `channels`, frame by frame.
    fn encode(&mut self, channels: &[&[f32]]) {
        let Self {
            bits,
            order,
            quantizer,
            bytes,
        } = self;

        let samples = channels.len() * channels.first().map_or(0, |channel| channel.len());
        bytes.resize(samples * (bits.count() / 8) as usize, 0);
        match (bits, order) {
            (Bits::B16, Order::Little) => interleave(channels, bytes, |sample| {
                (quantizer.integer(sample) as i16).to_le_bytes()
            }),
            (Bits::B16, Order::Big) => interleave(channels, bytes, |sample| {
                (quantizer.integer(sample) as i16).to_be_bytes()
            }),
            (Bits::B24, Order::Little) => interleave(channels, bytes, |sample| {
                let [a, b, c, _] = quantizer.integer(sample).to_le_bytes();
                [a, b, c]
            }),
            (Bits::B24, Order::Big) => interleave(channels, bytes, |sample| {
                let [_, a, b, c] = quantizer.integer(sample).to_be_bytes();
                [a, b, c]
            }),
            (Bits::Float32, Order::Little) => interleave(channels, bytes, f32::to_le_bytes),
            (Bits::Float32, Order::Big) => interleave(channels, bytes, f32::to_be_bytes),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_every_kind_lie_in_their_order() {
        // One half and the smallest step below zero of 24 bits, in two channels.
        let step = -1.0 / 8_388_608.0;
        let block = Audio::new(vec![vec![0.5], vec![step]], 44_100);
        let float = step.to_be_bytes();
        let cases: [(Bits, Vec<u8>, Vec<u8>); 3] = [
            (Bits::B16, vec![0x40, 0], vec![0, 0]),
            (Bits::B24, vec![0x40, 0, 0], vec![0xff, 0xff, 0xff]),
            (Bits::Float32, vec![0x3f, 0, 0, 0], float.to_vec()),
        ];
        for (bits, left, right) in cases {
            let mut out = Vec::new();
            let mut encoder = PcmEncoder::new(bits, Order::Big);
            let written = encoder.write(&block, &mut out).unwrap();
            assert_eq!(out, [left.clone(), right.clone()].concat(), "{bits:?}");
            assert_eq!(written, out.len() as u64, "{bits:?}");

            let reversed = |sample: &[u8]| sample.iter().rev().copied().collect::<Vec<_>>();
            let mut out = Vec::new();
            let mut encoder = PcmEncoder::new(bits, Order::Little);
            encoder.write(&block, &mut out).unwrap();
            assert_eq!(
                out,
                [reversed(&left), reversed(&right)].concat(),
                "{bits:?}"
            );
            assert_eq!(encoder.clipped(), 0, "{bits:?}");
        }
    }

    #[test]
    fn blocks_of_any_length_and_width_are_whole() {
        for channels in [1, 2, 3, 8] {
            for frames in [0, 1, PIECE_FRAMES - 1, PIECE_FRAMES, PIECE_FRAMES + 1] {
                let plane = |channel: usize| {
                    let sample = |frame: usize| (channel * frames + frame) as f32;
                    (0..frames).map(sample).collect::<Vec<_>>()
                };
                let block = Audio::new((0..channels).map(plane).collect(), 44_100);
                let mut out = Vec::new();
                let mut encoder = PcmEncoder::new(Bits::Float32, Order::Little);
                encoder.write(&block, &mut out).unwrap();

                let expected: Vec<u8> = (0..frames)
                    .flat_map(|frame| block.channels().iter().map(move |plane| plane[frame]))
                    .flat_map(f32::to_le_bytes)
                    .collect();
                assert!(out == expected, "{channels} channels of {frames} frames");
            }
        }
    }
}
