//! Samples of a WAVE file, whoever wrote it. Other codecs than plain samples go to symphonia.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use sextet_wav::{HeaderError, SampleFormat, WavHeader};

use super::Speaker;
use super::condition::Condition;
use super::read_error::{CodecName, ReadError};

/// Number of frames in a block.
const BLOCK_FRAMES: usize = 4096;

/// Reader of plain samples from a WAVE file. It reads all samples that are there, whatever the
/// header says.
pub(super) struct WavReader {
    path: std::path::PathBuf,
    file: BufReader<File>,
    header: WavHeader,
    /// Number of bytes of samples still to be read.
    left: u64,
    bytes: Vec<u8>,
    condition: Condition,
}

/// Result of opening a file as WAVE.
pub(super) enum Opened {
    /// The file holds plain samples, which are read here.
    Plain(WavReader),
    /// The file is WAVE, but its samples are in another codec.
    Coded(CodecName),
    /// The file is of another kind.
    NotWave,
}

impl WavReader {
    /// Opens the file under `path` and reads its header.
    pub(super) fn open(path: &Path) -> Result<Opened, ReadError> {
        let unreadable = |source| ReadError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let header = match WavHeader::read(&mut file) {
            Ok(header) => header,
            Err(HeaderError::NotWave) => return Ok(Opened::NotWave),
            Err(HeaderError::Codec(tag)) => return Ok(Opened::Coded(CodecName::WaveTag(tag))),
            Err(HeaderError::Io(source)) => return Err(unreadable(source)),
            Err(HeaderError::Incomplete) => {
                return Err(ReadError::Damaged {
                    path: path.to_owned(),
                    source: None,
                });
            }
            Err(HeaderError::Bits(found)) => {
                return Err(ReadError::Bits {
                    path: path.to_owned(),
                    found,
                });
            }
        };

        if header.format.channels == 0 {
            return Err(ReadError::Channels {
                path: path.to_owned(),
                found: 0,
            });
        }

        let file_bytes = file.get_ref().metadata().map_err(unreadable)?.len();
        file.seek(SeekFrom::Start(header.data_start))
            .map_err(unreadable)?;
        let there = file_bytes.saturating_sub(header.data_start);
        let left = header
            .data_bytes
            .map_or(there, |announced| announced.min(there));

        let frame_bytes = header.format.frame_bytes();
        let announced_frames = header.data_bytes.map(|bytes| bytes / frame_bytes);
        let condition = Condition {
            announced_frames,
            cut_off: left % frame_bytes != 0,
            ..Condition::default()
        };

        Ok(Opened::Plain(Self {
            path: path.to_owned(),
            file,
            header,
            left,
            bytes: Vec::new(),
            condition,
        }))
    }

    pub(super) fn header(&self) -> &WavHeader {
        &self.header
    }

    pub(super) fn condition_mut(&mut self) -> &mut Condition {
        &mut self.condition
    }

    pub(super) fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Returns the number of frames that remain, according to the file's length.
    pub(super) fn frames_there(&self) -> u64 {
        self.left / self.header.format.frame_bytes()
    }

    pub(super) fn speakers(&self) -> Vec<Speaker> {
        let channels = usize::from(self.header.format.channels);
        Speaker::from_wave_mask(self.header.format.channel_mask, channels)
            .unwrap_or_else(|| Speaker::usual(channels))
    }

    /// Returns the next block, planar, of at least one frame.
    pub(super) fn next_block(&mut self) -> Result<Option<Vec<Vec<f32>>>, ReadError> {
        let channels = usize::from(self.header.format.channels);
        let frame_bytes = channels * self.header.format.samples.bytes();
        let wanted = ((BLOCK_FRAMES * frame_bytes) as u64)
            .min(self.left / frame_bytes as u64 * frame_bytes as u64);

        if wanted == 0 {
            return Ok(None);
        }

        self.bytes.clear();
        let read = (&mut self.file).take(wanted).read_to_end(&mut self.bytes);
        read.map_err(|source| ReadError::Unreadable {
            path: self.path.clone(),
            source,
        })?;

        // The file may have been cut while it was being read. A short read is then its end.
        self.left = if (self.bytes.len() as u64) < wanted {
            0
        } else {
            self.left - wanted
        };

        let frames = self.bytes.len() / frame_bytes;
        if frames == 0 {
            return Ok(None);
        }

        Ok(Some(planar(
            &self.bytes[..frames * frame_bytes],
            channels,
            self.header.format.samples,
        )))
    }
}

/// Converts interleaved bytes to planar samples within -1 to 1. Integers are divided by the largest
/// power of two.
fn planar(bytes: &[u8], channels: usize, format: SampleFormat) -> Vec<Vec<f32>> {
    match format {
        SampleFormat::U8 => split(bytes, channels, |[b]: [u8; 1]| {
            (f32::from(b) - 128.0) / 128.0
        }),
        SampleFormat::I16 => split(bytes, channels, |b| {
            f32::from(i16::from_le_bytes(b)) / 32_768.0
        }),
        SampleFormat::I24 => split(bytes, channels, |[a, b, c]: [u8; 3]| {
            // Integers of 24 bits fit into a float32 exactly.
            (i32::from_le_bytes([0, a, b, c]) >> 8) as f32 / 8_388_608.0
        }),
        SampleFormat::I32 => split(bytes, channels, |b| {
            i32::from_le_bytes(b) as f32 / 2_147_483_648.0
        }),
        SampleFormat::F32 => split(bytes, channels, f32::from_le_bytes),
        SampleFormat::F64 => split(bytes, channels, |b| f64::from_le_bytes(b) as f32),
    }
}

fn split<const N: usize>(
    bytes: &[u8],
    channels: usize,
    sample: impl Fn([u8; N]) -> f32,
) -> Vec<Vec<f32>> {
    let frames = bytes.len() / (N * channels);
    let mut planes = vec![Vec::with_capacity(frames); channels];
    for frame in bytes.chunks_exact(N * channels) {
        for (plane, bytes) in planes.iter_mut().zip(frame.as_chunks::<N>().0) {
            plane.push(sample(*bytes));
        }
    }
    planes
}
