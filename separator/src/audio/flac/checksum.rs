//! Checksums of FLAC's frames: one of 8 bits behind the header (RFC 9639, section 9.1.8), one of
//! 16 bits behind the frame (section 9.3).

/// x^8 + x^2 + x + 1, without its highest term.
const HEADER_POLYNOMIAL: u8 = 0x07;
/// x^16 + x^15 + x^2 + 1, without its highest term.
const FRAME_POLYNOMIAL: u16 = 0x8005;
/// Smallest n for which x^n is 1 modulo the polynomial of frames, which is (x + 1) times a
/// primitive polynomial of degree 15.
const FRAME_ORDER: u64 = (1 << 15) - 1;

/// Checksum of a frame that consists of one byte.
const FRAME_TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = times_x((byte as u16) << 8, 8);
        byte += 1;
    }
    table
};

/// Returns the checksum of a frame's header.
pub(super) fn of_header(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| {
            if crc & 0x80 != 0 {
                crc << 1 ^ HEADER_POLYNOMIAL
            } else {
                crc << 1
            }
        })
    })
}

/// Returns the checksum of a frame from `crc`, that of the bytes before `bytes`. A frame together
/// with its checksum has the checksum 0.
pub(super) fn of_frame(crc: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(crc, |crc, &byte| {
        crc << 8 ^ FRAME_TABLE[usize::from((crc >> 8) as u8 ^ byte)]
    })
}

/// Returns a number that two places of a stream have in common if the bytes between them have the
/// checksum 0. `crc` is that of the `at` bytes before the place.
///
/// The checksum of the bytes between places a and b is crc(b) - crc(a) x^(8(b - a)). It is 0 where
/// crc(a) x^(-8a) = crc(b) x^(-8b).
pub(super) fn key(crc: u16, at: u64) -> u16 {
    let bits = at % FRAME_ORDER * 8 % FRAME_ORDER;
    product(crc, power_of_x(FRAME_ORDER - bits))
}

/// Returns `crc` times x^`count`.
const fn times_x(mut crc: u16, count: u32) -> u16 {
    let mut done = 0;
    while done < count {
        let carry = crc & 0x8000 != 0;
        crc = crc << 1 ^ if carry { FRAME_POLYNOMIAL } else { 0 };
        done += 1;
    }
    crc
}

fn product(a: u16, b: u16) -> u16 {
    let term = |bit: u32| {
        if b >> bit & 1 != 0 {
            times_x(a, bit)
        } else {
            0
        }
    };
    (0..16).fold(0, |sum, bit| sum ^ term(bit))
}

fn power_of_x(mut exponent: u64) -> u16 {
    let (mut power, mut square) = (1, 2);
    while exponent > 0 {
        if exponent & 1 != 0 {
            power = product(power, square);
        }
        square = product(square, square);
        exponent >>= 1;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_catalogue() {
        // "CRC-8/SMBUS" and "CRC-16/UMTS" of "123456789" in the CRC RevEng catalogue.
        assert_eq!(of_header(b"123456789"), 0xf4);
        assert_eq!(of_frame(0, b"123456789"), 0xfee8);
    }

    #[test]
    fn places_have_a_key_in_common_where_the_bytes_between_them_are_a_frame() {
        let noise: Vec<u8> = (0..70_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let mut frame = noise[100..400].to_vec();
        frame.extend(of_frame(0, &frame).to_be_bytes());

        for start in [0, 1, 2, 8191, 32_766, 32_767, 32_768, 65_534, 70_000] {
            let before = of_frame(0, &noise[..start]);
            let at = start as u64;
            for length in 1..=frame.len() {
                let after = of_frame(before, &frame[..length]);
                let is_frame = key(before, at) == key(after, at + length as u64);
                assert_eq!(
                    is_frame,
                    of_frame(0, &frame[..length]) == 0,
                    "{length} bytes at {start}"
                );
            }
        }
    }
}
