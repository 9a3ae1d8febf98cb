//! FLAC files, encoded as the samples arrive.

use std::io::{Seek, Write};

use flac_codec::Error as FlacError;
use flac_codec::encode::{FlacSampleWriter, Options, OptionsError};
use flac_codec::metadata::{Picture, PictureType, VorbisComment};

use super::quantize::Quantizer;
use super::write_options::Bits;
use super::{Audio, Layout, Tags};

/// Highest sample rate that FLAC holds, in Hz (RFC 9639, section 8.2: 20 bits).
pub(super) const MAX_RATE_HZ: u32 = (1 << 20) - 1;
/// Sizes of blocks, in frames, the usual one first: the first that leaves no short block is used.
const BLOCK_FRAMES: [u16; 4] = [4096, 4064, 4032, 4000];
/// Highest order of linear prediction.
const MAX_ORDER: u8 = 8;
/// Most frames of a short block. The encoder cuts residuals into parts; where a block has no more
/// than two frames for each order of its prediction, it may write another number of parts than it
/// says, and nobody can decode the block.
const SHORT_BLOCK_FRAMES: u64 = 2 * MAX_ORDER as u64;

/// Largest size of a cover, in bytes: metadata blocks have 24-bit lengths.
const LARGEST_COVER: usize = (1 << 24) - 4096;

/// Writer of one FLAC file.
pub(super) struct FlacWriter<W: Write + Seek> {
    encoder: FlacSampleWriter<W>,
    quantizer: Quantizer,
    interleaved: Vec<i32>,
}

impl<W: Write + Seek> FlacWriter<W> {
    /// Writes the header of a file of `frames` frames, at least one, to `out`.
    pub(super) fn new(
        out: W,
        layout: Layout,
        bits: Bits,
        tags: &Tags,
        frames: u64,
    ) -> Result<Self, FlacError> {
        let samples = frames.saturating_mul(layout.channels as u64);
        let options = options(layout, tags, frames).unwrap_or_default();
        let (rate_hz, channels) = (layout.rate_hz, layout.channels as u8);
        let encoder =
            FlacSampleWriter::new(out, options, rate_hz, bits.count(), channels, Some(samples))?;

        Ok(Self {
            encoder,
            quantizer: Quantizer::new(bits.count()),
            interleaved: Vec::new(),
        })
    }

    /// Encodes a block of the layout given to [`FlacWriter::new`].
    pub(super) fn write(&mut self, block: &Audio) -> Result<(), FlacError> {
        self.interleaved.clear();
        for frame in 0..block.frames() {
            for channel in block.channels() {
                self.interleaved
                    .push(self.quantizer.integer(channel[frame]));
            }
        }
        self.encoder.write(&self.interleaved)
    }

    /// Returns the number of samples that were outside the range of the file's integers.
    pub(super) fn clipped(&self) -> u64 {
        self.quantizer.clipped
    }

    /// Encodes the remaining samples and completes the header (checksum, seek table).
    pub(super) fn finish(self) -> Result<(), FlacError> {
        self.encoder.finalize()
    }
}

/// Returns the number of frames of a block with which a file of `frames` frames has no short one.
fn block_frames(frames: u64) -> Option<u16> {
    let ends_short = |block: u16| (1..=SHORT_BLOCK_FRAMES).contains(&(frames % u64::from(block)));
    BLOCK_FRAMES.into_iter().find(|&block| !ends_short(block))
}

/// Returns settings similar to `flac -5` for a file of `frames` frames: blocks of 4096 frames or
/// nearly so, linear prediction up to order 8, mid-side stereo.
fn options(layout: Layout, tags: &Tags, frames: u64) -> Result<Options, OptionsError> {
    let block = block_frames(frames);
    // Blocks that are not cut into parts are right however short they are.
    let max_partition_order = if block.is_some() { 5 } else { 0 };

    let mut options = Options::default()
        .block_size(block.unwrap_or(BLOCK_FRAMES[0]))?
        .max_lpc_order(Some(MAX_ORDER))?
        .max_partition_order(max_partition_order)?;
    options = options
        .mid_side(layout.channels == 2)
        .fast_channel_correlation(true);

    let mut comment = VorbisComment::default();
    for (name, text) in tags.vorbis_fields() {
        comment.insert(name, text);
    }

    if !tags.is_empty() {
        options = options.comment(comment);
    }

    if let Some(cover) = tags
        .cover()
        .filter(|cover| cover.data.len() < LARGEST_COVER)
    {
        // Sizes of 0 refer the reader to the picture itself.
        options = options.picture(Picture {
            picture_type: PictureType::FrontCover,
            media_type: cover.mime.clone(),
            description: String::new(),
            width: 0,
            height: 0,
            color_depth: 0,
            colors_used: None,
            data: cover.data.clone(),
        });
    }

    Ok(options)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use sextet_cases::each_case;

    use super::*;
    use crate::audio::{AudioFile, AudioSource as _, AudioWriter, FileFormat, WriteOptions};

    /// Returns samples that predictors of many orders are exact for, or for which none is any good.
    fn samples(kind: usize, frames: usize) -> Vec<f32> {
        let sample = |n: usize| match kind {
            0 => 0.9 * (-1.0_f32).powi(n as i32),
            order @ 1..=4 => (n as f32 / 64.0).powi(order as i32),
            5 => [-1.0, 1.0, 0.0, 1e-3, 0.5, -0.7, 1.0, 1.0][n % 8],
            // In 24 bits, the encoder's fault was found by these.
            6 => [0.0, 0.0, 0.0, 0.0, 0.0, 1.676_38e-7, 0.0, -1.0][n % 8],
            _ => (n as f32 * 0.7).sin(),
        };
        (0..frames).map(sample).collect()
    }

    #[test]
    fn blocks_are_chosen_so_that_none_is_short() {
        for frames in (1..50_000).chain(4064 * 4096 - 20..4064 * 4096 + 40) {
            let last = block_frames(frames).map(|block| frames % u64::from(block));
            let found = last.is_some_and(|last| last == 0 || last > 16);
            assert!(found || frames <= 16, "{frames}: {last:?}");
        }
        assert_eq!(block_frames(441_000), Some(4096));
        assert_eq!(block_frames(4096 * 9 + 16), Some(4064));
        assert_eq!(block_frames(16), None);
    }

    /// Checks files whose last block has few frames, which the encoder would write wrong.
    #[test]
    fn the_last_block_can_be_read_however_short_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("short.flac");
        let lengths = [0, 4096]
            .into_iter()
            .flat_map(|whole| (1..=20).map(move |rest| whole + rest));
        let cases = lengths.flat_map(|frames| [(frames, Bits::B16), (frames, Bits::B24)]);

        each_case(cases, |(frames, bits)| {
            for kind in 0..8 {
                let audio = Audio::new(vec![samples(kind, frames)], 44_100);
                let options = WriteOptions::new().format(FileFormat::Flac).bits(bits);
                let out = Cursor::new(Vec::new());
                let mut writer =
                    AudioWriter::new(out, audio.layout(), &options, frames as u64).unwrap();
                writer.write(&audio).unwrap();
                let (_, out) = writer.finish().unwrap();
                std::fs::write(&path, out.into_inner()).unwrap();

                let file = AudioFile::open(&path).unwrap();
                let mut stream = file.open().unwrap();
                let (mut read, mut worst) = (0, 0.0_f32);
                while let Some(block) = stream.next_block().unwrap() {
                    for (found, expected) in
                        block.channels()[0].iter().zip(&audio.channels()[0][read..])
                    {
                        worst = worst.max((found - expected.clamp(-1.0, 1.0)).abs());
                    }
                    read += block.frames();
                }
                assert_eq!(
                    (read, stream.warnings()),
                    (frames, Vec::new()),
                    "kind {kind}"
                );
                assert!(worst <= 1.0 / 32_768.0, "kind {kind}: {worst}");
            }
        });
    }
}
