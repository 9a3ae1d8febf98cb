//! Plain samples of a WAVE file, whoever wrote it, and of the formats of [`PcmHeader`]. Other
//! codecs go to symphonia.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sextet_wav::{HeaderError, SampleFormat, WavFormat, WavHeader};

use super::codec_name::CodecName;
use super::condition::Condition;
use super::pcm_header::PcmHeader;
use super::read_error::ReadError;
use super::{Layout, Speaker, wav_extent};

/// Number of frames in a block.
const BLOCK_FRAMES: usize = 4096;

/// Reader of plain samples from a WAVE file. It reads all samples that are there, whatever the
/// header says.
pub(super) struct WavReader {
    path: std::path::PathBuf,
    file: BufReader<File>,
    format: WavFormat,
    order: Order,
    /// Number of bytes of samples still to be read.
    left: u64,
    bytes: Vec<u8>,
    condition: Condition,
}

/// Storage of samples, as far as it differs from WAVE.
#[derive(Clone, Copy, Debug, Default)]
struct Order {
    /// Whether the high byte comes first.
    big_endian: bool,
    /// Whether samples of one byte are signed.
    signed_bytes: bool,
}

/// Result of opening a file as WAVE.
pub(super) enum Opened {
    /// The file holds plain samples, which are read here.
    Plain(Box<WavReader>),
    /// The file is WAVE, but its samples are in another codec.
    Coded(CodecName),
    /// The file is of another kind.
    NotWave,
}

/// Returns the error of a file with a header that cannot be used.
fn refused(path: PathBuf, error: HeaderError) -> ReadError {
    match error {
        HeaderError::Io(source) => ReadError::Unreadable { path, source },
        HeaderError::NotWave | HeaderError::Incomplete => ReadError::Damaged { path, source: None },
        HeaderError::Codec(tag) => ReadError::Codec {
            path,
            codec: CodecName::WaveTag(tag),
        },
        HeaderError::Bits(found) => ReadError::Bits { path, found },
        HeaderError::Frame {
            channels,
            bits,
            frame_bytes,
        } => ReadError::Frame {
            path,
            channels,
            bits,
            frame_bytes,
        },
    }
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
            Err(HeaderError::NotWave) => {
                let Some(header) = PcmHeader::read(&mut file).map_err(unreadable)? else {
                    return Ok(Opened::NotWave);
                };
                check_channels(path, header.format)?;
                let reader = Self::of_other(path, file, &header).map_err(unreadable)?;
                return Ok(Opened::Plain(Box::new(reader)));
            }
            Err(HeaderError::Codec(tag)) => return Ok(Opened::Coded(CodecName::WaveTag(tag))),
            Err(error) => return Err(refused(path.to_owned(), error)),
        };

        check_channels(path, header.format)?;

        let file_bytes = file.get_ref().metadata().map_err(unreadable)?.len();
        let (start, announced) = (header.data_start, header.data_bytes);
        let left =
            wav_extent::data_bytes(&mut file, start, announced, file_bytes).map_err(unreadable)?;
        file.seek(SeekFrom::Start(start)).map_err(unreadable)?;

        let (format, order) = (header.format, Order::default());
        let reader = Self::new(path, file, format, order, announced, left);
        Ok(Opened::Plain(Box::new(reader)))
    }

    /// Prepares the reading of samples with another header than that of WAVE.
    fn of_other(
        path: &Path,
        mut file: BufReader<File>,
        header: &PcmHeader,
    ) -> std::io::Result<Self> {
        let there = file
            .get_ref()
            .metadata()?
            .len()
            .saturating_sub(header.start);
        let left = header.data_bytes.map_or(there, |bytes| bytes.min(there));
        file.seek(SeekFrom::Start(header.start))?;
        let order = Order {
            big_endian: header.big_endian,
            signed_bytes: header.signed_bytes,
        };
        Ok(Self::new(
            path,
            file,
            header.format,
            order,
            header.data_bytes,
            left,
        ))
    }

    fn new(
        path: &Path,
        file: BufReader<File>,
        format: WavFormat,
        order: Order,
        announced: Option<u64>,
        left: u64,
    ) -> Self {
        let frame_bytes = format.frame_bytes();
        Self {
            path: path.to_owned(),
            file,
            format,
            order,
            left,
            bytes: Vec::new(),
            condition: Condition {
                announced_frames: announced.map(|bytes| bytes / frame_bytes),
                cut_off: !left.is_multiple_of(frame_bytes),
                ..Condition::default()
            },
        }
    }

    /// Returns the channels and the rate that the header states.
    pub(super) fn layout(&self) -> Layout {
        Layout {
            channels: usize::from(self.format.channels),
            rate_hz: self.format.rate_hz,
        }
    }

    /// Returns the number of bits of a sample's storage.
    pub(super) fn bits(&self) -> u32 {
        8 * self.format.samples.bytes() as u32
    }

    pub(super) fn condition_mut(&mut self) -> &mut Condition {
        &mut self.condition
    }

    pub(super) fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Returns the number of frames that remain, according to the file's length.
    pub(super) fn frames_there(&self) -> u64 {
        self.left / self.format.frame_bytes()
    }

    pub(super) fn speakers(&self) -> Vec<Speaker> {
        let channels = usize::from(self.format.channels);
        Speaker::from_wave_mask(self.format.channel_mask, channels)
            .unwrap_or_else(|| Speaker::usual(channels))
    }

    /// Returns the next block, planar, of at least one frame.
    pub(super) fn next_block(&mut self) -> Result<Option<Vec<Vec<f32>>>, ReadError> {
        let channels = usize::from(self.format.channels);
        let frame_bytes = channels * self.format.samples.bytes();
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

        self.order
            .to_wave(&mut self.bytes, self.format.samples.bytes());
        Ok(Some(planar(
            &self.bytes[..frames * frame_bytes],
            channels,
            self.format.samples,
        )))
    }
}

/// Returns an error for a format without channels, whose frames would have no bytes.
fn check_channels(path: &Path, format: WavFormat) -> Result<(), ReadError> {
    match format.channels {
        0 => Err(ReadError::Channels {
            path: path.to_owned(),
            found: 0,
        }),
        _ => Ok(()),
    }
}

impl Order {
    /// Changes samples of `size` bytes each to the storage of WAVE.
    fn to_wave(self, bytes: &mut [u8], size: usize) {
        if self.big_endian && size > 1 {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        if self.signed_bytes && size == 1 {
            bytes.iter_mut().for_each(|byte| *byte ^= 0x80);
        }
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
