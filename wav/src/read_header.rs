//! Parser of a WAVE file's header. It tolerates false sizes and counts, as recorders that crashed
//! leave them.

use std::io::{ErrorKind, Read, Seek, SeekFrom};

use crate::format::{SampleFormat, WavFormat};
use crate::{EXTENSIBLE, FLOAT, PCM};

/// Fields of a WAVE file's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WavHeader {
    /// Format of the samples. The number of channels may be 0.
    pub format: WavFormat,
    /// Offset of the first sample, in bytes.
    pub data_start: u64,
    /// Number of bytes of samples that the header announces; `None` where the header leaves it open
    /// (0 or all ones, as programs write that stream).
    pub data_bytes: Option<u64>,
}

/// Reason why a header could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The file could not be read.
    #[error("it cannot be read")]
    Io(#[source] std::io::Error),
    /// The file is not a WAVE file.
    #[error("it is no WAVE file")]
    NotWave,
    /// The `fmt ` or the `data` chunk is missing.
    #[error("its header is cut off")]
    Incomplete,
    /// The file holds samples in a codec that is not plain PCM. This is its number.
    #[error("its samples are in codec {0:#06x}")]
    Codec(u16),
    /// The sample width is not supported.
    #[error("its samples have {0} bits")]
    Bits(u16),
    /// The size of a frame and that of its samples contradict each other.
    #[error("its frames of {channels} samples of {bits} bits have {frame_bytes} bytes")]
    Frame {
        /// Number of channels.
        channels: u16,
        /// Number of bits of a sample.
        bits: u16,
        /// Number of bytes of a frame.
        frame_bytes: u16,
    },
}

impl From<std::io::Error> for HeaderError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == ErrorKind::UnexpectedEof {
            Self::Incomplete
        } else {
            Self::Io(error)
        }
    }
}

/// Unknown size: 32 bits of RIFF, all ones.
const OPEN: u32 = u32::MAX;

/// Fields of a `fmt ` chunk.
struct FormatChunk {
    tag: u16,
    channels: u16,
    rate_hz: u32,
    frame_bytes: u16,
    bits: u16,
    channel_mask: u32,
}

impl WavHeader {
    /// Reads the header from the start of `file` and skips unknown chunks.
    ///
    /// # Errors
    /// See [`HeaderError`].
    pub fn read(file: &mut (impl Read + Seek)) -> Result<Self, HeaderError> {
        let start = read_array::<12>(file).map_err(|_| HeaderError::NotWave)?;
        let is_wave = matches!(&start[..4], b"RIFF" | b"RF64" | b"BW64") && &start[8..] == b"WAVE";
        if !is_wave {
            return Err(HeaderError::NotWave);
        }

        let (mut format, mut data_bytes_64) = (None, None);
        let mut at = 12_u64;
        loop {
            let head = read_array::<8>(file)?;
            let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            at += 8;

            match &head[..4] {
                b"ds64" if size >= 16 => {
                    let sizes = read_array::<16>(file)?;
                    data_bytes_64 = sizes[8..].try_into().ok().map(u64::from_le_bytes);
                }
                b"fmt " => format = Some(FormatChunk::read(file, size)?),
                b"data" => {
                    let format = format.ok_or(HeaderError::Incomplete)?;
                    let data_bytes = match size {
                        OPEN => data_bytes_64.filter(|&bytes| bytes != 0 && bytes != u64::MAX),
                        0 => None,
                        size => Some(u64::from(size)),
                    };
                    return format.into_header(at, data_bytes);
                }
                _ => {}
            }

            // Chunks begin at even offsets.
            at += u64::from(size) + u64::from(size % 2);
            file.seek(SeekFrom::Start(at))?;
        }
    }
}

impl FormatChunk {
    fn read(file: &mut impl Read, size: u32) -> Result<Self, HeaderError> {
        if size < 16 {
            return Err(HeaderError::Incomplete);
        }

        let f = read_array::<16>(file)?;
        let (mut tag, bits) = (u16_at(&f, 0), u16_at(&f, 14));

        let mut channel_mask = 0;
        if tag == EXTENSIBLE && size >= 40 {
            let extension = read_array::<24>(file)?;
            channel_mask =
                u32::from_le_bytes([extension[4], extension[5], extension[6], extension[7]]);
            // The first two bytes of the sub-format's GUID are the format tag.
            tag = u16_at(&extension, 8);
        }

        let rate_hz = u32::from_le_bytes([f[4], f[5], f[6], f[7]]);
        Ok(Self {
            tag,
            channels: u16_at(&f, 2),
            rate_hz,
            frame_bytes: u16_at(&f, 12),
            bits,
            channel_mask,
        })
    }

    /// Returns the storage of a sample. Samples of fewer bits than their bytes hold lie in the
    /// upper ones ("Multiple Channel Audio Data and WAVE Files", Microsoft, 2001), so that they are
    /// read like samples of as many bits as the bytes hold.
    fn samples(&self) -> Result<SampleFormat, HeaderError> {
        let &Self {
            channels,
            bits,
            frame_bytes,
            ..
        } = self;
        let usual = match (self.tag, bits) {
            (PCM, 1..=32) => bits.div_ceil(8),
            (FLOAT, 32 | 64) => bits / 8,
            (PCM | FLOAT, bits) => return Err(HeaderError::Bits(bits)),
            (tag, _) => return Err(HeaderError::Codec(tag)),
        };

        // A frame that is too small for its samples counts as not stated.
        let stated = frame_bytes.checked_div(channels).unwrap_or(0);
        let bytes = if stated < usual {
            if bits % 8 != 0 {
                return Err(HeaderError::Bits(bits));
            }
            usual
        } else {
            stated
        };

        match (self.tag, bytes) {
            (PCM, 1) => Ok(SampleFormat::U8),
            (PCM, 2) => Ok(SampleFormat::I16),
            (PCM, 3) => Ok(SampleFormat::I24),
            (PCM, 4) => Ok(SampleFormat::I32),
            (FLOAT, 4) if usual == 4 => Ok(SampleFormat::F32),
            (FLOAT, 8) if usual == 8 => Ok(SampleFormat::F64),
            _ => Err(HeaderError::Frame {
                channels,
                bits,
                frame_bytes,
            }),
        }
    }

    fn into_header(
        self,
        data_start: u64,
        data_bytes: Option<u64>,
    ) -> Result<WavHeader, HeaderError> {
        let samples = self.samples()?;
        let Self {
            channels,
            rate_hz,
            channel_mask,
            ..
        } = self;

        Ok(WavHeader {
            format: WavFormat {
                channels,
                rate_hz,
                samples,
                channel_mask,
            },
            data_start,
            data_bytes,
        })
    }
}

fn read_array<const N: usize>(file: &mut impl Read) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}
