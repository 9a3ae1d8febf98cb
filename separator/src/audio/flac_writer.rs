//! FLAC files, encoded as the samples arrive.

use std::io::{Seek, Write};

use flac_codec::Error as FlacError;
use flac_codec::encode::{FlacSampleWriter, Options, OptionsError};
use flac_codec::metadata::{Picture, PictureType, VorbisComment};

use super::quantize::Quantizer;
use super::{Audio, Bits, Layout, Tags};

/// Highest sample rate that FLAC holds, in Hz (RFC 9639, section 8.2: 20 bits).
pub(super) const MAX_RATE_HZ: u32 = (1 << 20) - 1;
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
        let options = options(layout, tags).unwrap_or_default();
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

/// Returns settings similar to `flac -5`: blocks of 4096 frames, linear prediction up to order 8,
/// mid-side stereo.
fn options(layout: Layout, tags: &Tags) -> Result<Options, OptionsError> {
    let mut options = Options::default()
        .block_size(4096)?
        .max_lpc_order(Some(8))?
        .max_partition_order(5)?;
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
