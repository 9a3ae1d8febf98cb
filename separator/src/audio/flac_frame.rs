//! Frames of FLAC: their header and their checksum.

/// Header of a frame (RFC 9639, section 9.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Whether all frames but the last have the same number of samples.
    pub(super) fixed: bool,
    /// Number of the frame if `fixed`, of its first sample otherwise.
    pub(super) number: u64,
    pub(super) samples: u16,
}

impl Frame {
    /// Parses the header of a frame. Returns `None` where there is none, by its checksum.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[sync, second, sizes, ..] = bytes else {
            return None;
        };
        if sync != 0xff || second & 0xfe != 0xf8 {
            return None;
        }

        let (number, mut at) = coded_number(bytes.get(4..)?)?;
        at += 4;
        let (size_bits, rate_bits) = (sizes >> 4, sizes & 0x0f);
        let samples = match size_bits {
            1 => 192,
            2..=5 => 144 << size_bits,
            6 => {
                at += 1;
                u16::from(*bytes.get(at - 1)?) + 1
            }
            7 => {
                at += 2;
                u16::from_be_bytes([*bytes.get(at - 2)?, *bytes.get(at - 1)?]).checked_add(1)?
            }
            8..=15 => 1 << size_bits,
            _ => return None,
        };
        at += match rate_bits {
            12 => 1,
            13 | 14 => 2,
            15 => return None,
            _ => 0,
        };

        (checksum(bytes.get(..at)?) == *bytes.get(at)?).then_some(Self {
            fixed: second & 1 == 0,
            number,
            samples,
        })
    }

    /// Returns the position of the first sample in a stream with the STREAMINFO `info`.
    pub(super) fn start(&self, info: &[u8; 34]) -> u64 {
        let block = u64::from(u16::from_be_bytes([info[2], info[3]]));
        self.number * if self.fixed { block } else { 1 }
    }
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

/// Returns the checksum of a frame's header: a CRC of 8 bits with the polynomial x^8 + x^2 + x + 1.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| {
            if crc & 0x80 != 0 {
                crc << 1 ^ 0x07
            } else {
                crc << 1
            }
        })
    })
}

/// Returns whether a frame with its checksum is undamaged: a CRC of 16 bits with the polynomial
/// x^16 + x^15 + x^2 + 1, which is 0 for both together (RFC 9639, section 9.3).
pub(super) fn is_whole(frame: &[u8]) -> bool {
    let crc = frame.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc: u16, _| {
            if crc & 0x8000 != 0 {
                crc << 1 ^ 0x8005
            } else {
                crc << 1
            }
        })
    });
    crc == 0
}

#[cfg(test)]
mod tests {
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
        bytes.push(checksum(&bytes));
        bytes
    }

    #[test]
    fn headers_of_frames_are_parsed() {
        let frame = |fixed, number, samples| {
            Some(Frame {
                fixed,
                number,
                samples,
            })
        };
        let cases = [
            (header(true, &[0], &[]), frame(true, 0, 4096)),
            (header(true, &[0x7f], &[9]), frame(true, 127, 10)),
            (
                header(false, &[0xc2, 0x80], &[1, 0]),
                frame(false, 128, 257),
            ),
            (
                header(false, &[0xfe, 0x80, 0x80, 0x80, 0x81, 0x80, 0x80], &[]),
                frame(false, 4096, 4096),
            ),
            (header(true, &[0x80], &[]), None),
            (header(true, &[0xc2, 0x00], &[]), None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Frame::parse(&bytes), expected, "{bytes:x?}");
            let mut other = bytes.clone();
            other[3] ^= 1;
            assert_eq!(Frame::parse(&other), None, "a wrong checksum");
            for cut in 0..bytes.len() {
                assert_eq!(Frame::parse(&bytes[..cut]), None);
            }
        }
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
