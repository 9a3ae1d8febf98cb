//! Frames of FLAC: their header and their checksum.

use super::checksum;

/// Header of a frame (RFC 9639, section 9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::audio) struct Frame {
    /// Whether all frames but the last have the same number of samples.
    pub(in crate::audio) fixed: bool,
    /// Number of the frame if `fixed`, of its first sample otherwise.
    pub(in crate::audio) number: u64,
    /// Number of samples of each channel.
    pub(in crate::audio) samples: u16,
    pub(super) channels: usize,
    /// Rate in Hz; `None` where that of the stream holds.
    pub(super) rate_hz: Option<u32>,
    /// Bits of a sample; `None` where those of the stream hold.
    pub(super) bits: Option<u8>,
    /// Length of the header with its checksum.
    pub(super) head_bytes: usize,
}

impl Frame {
    /// Parses the header of a frame. Returns `None` where there is none, by its checksum.
    pub(in crate::audio) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[0xff, second, sizes, form, ..] = bytes else {
            return None;
        };
        // The last bit of the fourth byte is 0 in every version of the format.
        if second & 0xfe != 0xf8 || form & 1 != 0 {
            return None;
        }

        let (number, length) = coded_number(bytes.get(4..)?)?;
        let mut fields = bytes.get(4 + length..)?;
        let samples = block_samples(sizes >> 4, &mut fields)?;
        let rate_hz = rate_hz(sizes & 0x0f, &mut fields)?;
        let head = bytes.len() - fields.len();

        (checksum::of_header(&bytes[..head]) == *bytes.get(head)?).then_some(Self {
            fixed: second & 1 == 0,
            number,
            samples,
            channels: channels(form >> 4)?,
            rate_hz,
            bits: sample_bits(form >> 1 & 7)?,
            head_bytes: head + 1,
        })
    }

    /// Returns the number that the next frame has.
    pub(super) fn next_number(&self) -> u64 {
        self.number + if self.fixed { 1 } else { self.samples.into() }
    }
}

/// Takes `N` bytes off the beginning of `fields`.
fn take<const N: usize>(fields: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = fields.split_first_chunk()?;
    *fields = rest;
    Some(*bytes)
}

fn block_samples(code: u8, fields: &mut &[u8]) -> Option<u16> {
    match code {
        1 => Some(192),
        2..=5 => Some(144 << code),
        6 => take(fields).map(|[size]| u16::from(size) + 1),
        7 => u16::from_be_bytes(take(fields)?).checked_add(1),
        8..=15 => Some(1 << code),
        _ => None,
    }
}

/// Returns the rate, `Some(None)` where it is that of the stream.
#[allow(clippy::option_option, reason = "a code may be invalid, or name none")]
fn rate_hz(code: u8, fields: &mut &[u8]) -> Option<Option<u32>> {
    const HZ: [u32; 11] = [
        88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000,
    ];
    Some(match code {
        0 => None,
        1..=11 => Some(HZ[usize::from(code) - 1]),
        12 => Some(1000 * u32::from(u8::from_be_bytes(take(fields)?))),
        13 => Some(u32::from(u16::from_be_bytes(take(fields)?))),
        14 => Some(10 * u32::from(u16::from_be_bytes(take(fields)?))),
        _ => return None,
    })
}

fn channels(code: u8) -> Option<usize> {
    match code {
        0..=7 => Some(usize::from(code) + 1),
        // Two channels, of which one or both are stored as sum or difference.
        8..=10 => Some(2),
        _ => None,
    }
}

/// Returns the bits of a sample, `Some(None)` where they are those of the stream.
#[allow(clippy::option_option, reason = "a code may be invalid, or name none")]
fn sample_bits(code: u8) -> Option<Option<u8>> {
    [
        None,
        Some(8),
        Some(12),
        None,
        Some(16),
        Some(20),
        Some(24),
        Some(32),
    ]
    .get(usize::from(code))
    .copied()
    .filter(|_| code != 3)
}

/// Reads a number that is coded like a character of UTF-8, of up to seven bytes. Returns it with
/// its length.
fn coded_number(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = match first.leading_ones() as usize {
        0 => return Some((u64::from(first), 1)),
        length @ 2..=7 => length,
        _ => return None,
    };

    let mut number = u64::from(first & (0x7f_u8.checked_shr(length as u32).unwrap_or(0)));
    for byte in bytes.get(1..length)? {
        if byte & 0xc0 != 0x80 {
            return None;
        }
        number = number << 6 | u64::from(byte & 0x3f);
    }
    Some((number, length))
}

/// Returns whether a frame with its checksum is undamaged.
pub(in crate::audio) fn is_whole(frame: &[u8]) -> bool {
    checksum::of_frame(0, frame) == 0
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    /// Writes the header of a frame of stereo at 44.1 kHz.
    fn header(fixed: bool, number: &[u8], sizes: &[u8]) -> Vec<u8> {
        let code = match sizes.len() {
            0 => 12,
            1 => 6,
            _ => 7,
        };
        let mut bytes = vec![0xff, 0xf9 - u8::from(fixed), code << 4 | 9, 0x18];
        bytes.extend(number);
        bytes.extend(sizes);
        bytes.push(checksum::of_header(&bytes));
        bytes
    }

    #[test]
    fn headers_of_frames_are_parsed() {
        let frame = |fixed, number, samples, head_bytes| {
            Some(Frame {
                fixed,
                number,
                samples,
                channels: 2,
                rate_hz: Some(44_100),
                bits: Some(16),
                head_bytes,
            })
        };
        let cases = [
            (header(true, &[0], &[]), frame(true, 0, 4096, 6)),
            (header(true, &[0x7f], &[9]), frame(true, 127, 10, 7)),
            (
                header(false, &[0xc2, 0x80], &[1, 0]),
                frame(false, 128, 257, 9),
            ),
            (
                header(false, &[0xfe, 0x80, 0x80, 0x80, 0x81, 0x80, 0x80], &[]),
                frame(false, 4096, 4096, 12),
            ),
            (header(true, &[0x80], &[]), None),
            (header(true, &[0xc2, 0x00], &[]), None),
        ];
        each_case(cases, |(bytes, expected)| {
            assert_eq!(Frame::parse(&bytes), expected, "{bytes:x?}");
            let mut other = bytes.clone();
            other[3] ^= 0x20;
            assert_eq!(Frame::parse(&other), None, "a wrong checksum");
            for cut in 0..bytes.len() {
                assert_eq!(Frame::parse(&bytes[..cut]), None);
            }
        });
    }

    #[test]
    fn rates_channels_and_bits_are_stated_or_left_to_the_stream() {
        let parse = |sizes: u8, form: u8, rate: &[u8]| {
            let mut bytes = [&[0xff, 0xf8, sizes, form, 0][..], rate].concat();
            bytes.push(checksum::of_header(&bytes));
            Frame::parse(&bytes).map(|frame| (frame.rate_hz, frame.channels, frame.bits))
        };
        let cases = [
            ((0xc0, 0x00, &[][..]), Some((None, 1, None))),
            ((0xc1, 0x72, &[]), Some((Some(88_200), 8, Some(8)))),
            ((0xcb, 0x8c, &[]), Some((Some(96_000), 2, Some(24)))),
            ((0xcc, 0xae, &[12]), Some((Some(12_000), 2, Some(32)))),
            (
                (0xcd, 0x18, &[0x2b, 0x11]),
                Some((Some(11_025), 2, Some(16))),
            ),
            (
                (0xce, 0x18, &[0x11, 0x3a]),
                Some((Some(44_100), 2, Some(16))),
            ),
            // Values that no version of the format has.
            ((0xcf, 0x18, &[]), None),
            ((0x09, 0x18, &[]), None),
            ((0xc9, 0xb8, &[]), None),
            ((0xc9, 0x16, &[]), None),
            ((0xc9, 0x19, &[]), None),
        ];
        each_case(cases, |((sizes, form, rate), expected)| {
            assert_eq!(parse(sizes, form, rate), expected, "{sizes:x} {form:x}");
        });
    }

    #[test]
    fn a_checksum_finds_every_flipped_bit() {
        // The frame of 192 samples of digital silence in RFC 9639's order: header, constant
        // subframes, checksum.
        let mut frame = header(true, &[0], &[0xbf]);
        frame.extend([0, 0, 0, 0, 0, 0]);
        let crc = (0..=u16::MAX).find(|crc| is_whole(&[&frame[..], &crc.to_be_bytes()].concat()));
        frame.extend(crc.unwrap().to_be_bytes());
        for bit in 0..8 * frame.len() {
            let mut damaged = frame.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_whole(&damaged), "bit {bit}");
        }
        assert!(is_whole(&frame));
    }
}
