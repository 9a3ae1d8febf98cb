//! Headers of plain samples outside of WAVE: AIFF-C in either byte order, Sun AU and Sony Wave64.
//!
//! Sources: "AIFF-C" (Apple, draft of 1991) and the compression types of QuickTime; the manual page
//! of Sun's `au` format; "Sony Picture Digital Wave64 File Format" (Sonic Foundry).

use std::io::{Read, Result, Seek};

use sextet_wav::{SampleFormat, WavFormat};

use super::mend::bytes::{array_at, some_at};

/// Header of a file of plain samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PcmHeader {
    pub(super) format: WavFormat,
    /// Whether the high byte of a sample comes first.
    pub(super) big_endian: bool,
    /// Whether samples of one byte are signed.
    pub(super) signed_bytes: bool,
    /// Offset of the first sample, in bytes.
    pub(super) start: u64,
    /// Number of bytes of samples, if the header states it.
    pub(super) data_bytes: Option<u64>,
}

impl PcmHeader {
    /// Reads the header of an AIFF-C, AU or Wave64 file; `None` for every other one, and for
    /// samples that are coded.
    pub(super) fn read(file: &mut (impl Read + Seek)) -> Result<Option<Self>> {
        let start = some_at(file, 0, 40)?;
        match start.as_slice() {
            [
                b'F',
                b'O',
                b'R',
                b'M',
                _,
                _,
                _,
                _,
                b'A',
                b'I',
                b'F',
                b'C',
                ..,
            ] => aifc(file),
            [b'.', b's', b'n', b'd', ..] => Ok(au(&start)),
            _ if start.starts_with(&W64_RIFF) && start.ends_with(&W64_WAVE) => w64(file),
            _ => Ok(None),
        }
    }

    fn new(samples: SampleFormat, channels: u16, rate_hz: u32, big_endian: bool) -> Self {
        Self {
            format: WavFormat {
                channels,
                rate_hz,
                samples,
                channel_mask: 0,
            },
            big_endian,
            signed_bytes: big_endian,
            start: 0,
            data_bytes: None,
        }
    }
}

/// Most chunks that are looked at.
const MOST_CHUNKS: u32 = 10_000;

fn aifc(file: &mut (impl Read + Seek)) -> Result<Option<PcmHeader>> {
    let (mut at, mut header) = (12, None);
    for _ in 0..MOST_CHUNKS {
        let Some(head) = array_at::<8>(file, at)? else {
            break;
        };
        let size = u64::from(u32::from_be_bytes([head[4], head[5], head[6], head[7]]));
        match &head[..4] {
            b"COMM" => {
                header = common(&some_at(file, at + 8, 22)?);
                if header.is_none() {
                    break;
                }
            }
            b"SSND" => {
                let Some([a, b, c, d]) = array_at::<4>(file, at + 8)? else {
                    break;
                };
                let offset = u64::from(u32::from_be_bytes([a, b, c, d]));
                return Ok(header.map(|header| PcmHeader {
                    start: at + 16 + offset,
                    data_bytes: size.checked_sub(8 + offset).filter(|&bytes| bytes > 0),
                    ..header
                }));
            }
            _ => {}
        }
        at += 8 + size + size % 2;
    }
    Ok(None)
}

/// Parses a `COMM` chunk of AIFF-C: channels, frames, bits, rate and compression.
fn common(body: &[u8]) -> Option<PcmHeader> {
    let body: &[u8; 22] = body.first_chunk()?;
    let half = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let (channels, bits) = (half(0), half(6));
    let samples = match (&body[18..], bits) {
        (b"NONE" | b"twos" | b"sowt" | b"raw ", 1..=8) => SampleFormat::U8,
        (b"NONE" | b"twos" | b"sowt", 9..=16) => SampleFormat::I16,
        (b"NONE" | b"twos" | b"sowt", 17..=24) | (b"in24" | b"42ni", _) => SampleFormat::I24,
        (b"NONE" | b"twos" | b"sowt", 25..=32) | (b"in32" | b"23ni", _) => SampleFormat::I32,
        (b"fl32" | b"FL32", _) => SampleFormat::F32,
        (b"fl64" | b"FL64", _) => SampleFormat::F64,
        _ => return None,
    };
    let is_little = matches!(&body[18..], b"sowt" | b"42ni" | b"23ni");
    let header = PcmHeader::new(samples, channels, extended(&body[8..18])?, !is_little);
    Some(PcmHeader {
        signed_bytes: &body[18..] != b"raw ",
        ..header
    })
}

/// Returns a rate that is stored as an extended float of 80 bits, rounded.
fn extended(bytes: &[u8]) -> Option<u32> {
    let bytes: &[u8; 10] = bytes.first_chunk()?;
    let exponent = i32::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let [_, _, mantissa @ ..] = *bytes;
    let value = u64::from_be_bytes(mantissa) as f64 * f64::from(exponent - 16_383 - 63).exp2();
    // Negative values have a large exponent.
    (value.is_finite() && value <= f64::from(u32::MAX)).then(|| value.round() as u32)
}

fn au(start: &[u8]) -> Option<PcmHeader> {
    let word = |at: usize| {
        let bytes: [u8; 4] = start.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    };
    let samples = match word(12)? {
        2 => SampleFormat::U8,
        3 => SampleFormat::I16,
        4 => SampleFormat::I24,
        5 => SampleFormat::I32,
        6 => SampleFormat::F32,
        7 => SampleFormat::F64,
        _ => return None,
    };
    let channels = u16::try_from(word(20)?).ok()?;
    Some(PcmHeader {
        start: u64::from(word(4)?),
        data_bytes: word(8).filter(|&size| size != u32::MAX).map(u64::from),
        ..PcmHeader::new(samples, channels, word(16)?, true)
    })
}

const W64_RIFF: [u8; 16] = *b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00";
const W64_WAVE: [u8; 16] = *b"wave\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a";

fn w64(file: &mut (impl Read + Seek)) -> Result<Option<PcmHeader>> {
    let (mut at, mut header) = (40_u64, None);
    for _ in 0..MOST_CHUNKS {
        let Some(head) = array_at::<24>(file, at)? else {
            break;
        };
        let [.., a, b, c, d, e, f, g, h] = head;
        let size = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        match &head[..4] {
            b"fmt " => {
                header = w64_format(&some_at(file, at + 24, 40)?);
                if header.is_none() {
                    break;
                }
            }
            b"data" => {
                return Ok(header.map(|header| PcmHeader {
                    start: at + 24,
                    data_bytes: size.checked_sub(24).filter(|&bytes| bytes > 0),
                    ..header
                }));
            }
            _ => {}
        }

        // Sizes count the header; chunks begin at multiples of eight bytes.
        let next = size
            .max(24)
            .checked_next_multiple_of(8)
            .and_then(|size| at.checked_add(size));
        let Some(next) = next else { break };
        at = next;
    }
    Ok(None)
}

/// Parses a format chunk like that of WAVE.
fn w64_format(body: &[u8]) -> Option<PcmHeader> {
    let half = |at: usize| Some(u16::from_le_bytes([*body.get(at)?, *body.get(at + 1)?]));
    let rate_hz = u32::from(half(4)?) | u32::from(half(6)?) << 16;
    let tag = match half(0)? {
        0xfffe => half(24)?,
        tag => tag,
    };
    let samples = match (tag, half(14)?) {
        (1, 8) => SampleFormat::U8,
        (1, 16) => SampleFormat::I16,
        (1, 24) => SampleFormat::I24,
        (1, 32) => SampleFormat::I32,
        (3, 32) => SampleFormat::F32,
        (3, 64) => SampleFormat::F64,
        _ => return None,
    };
    let header = PcmHeader::new(samples, half(2)?, rate_hz, false);
    let is_whole = u64::from(half(12)?) == header.format.frame_bytes();
    is_whole.then_some(header)
}
