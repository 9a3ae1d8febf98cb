//! Length of the samples in a WAVE file whose header may be wrong about it.
//!
//! The size of a RIFF chunk has 32 bits. Recorders that write on past 4 GiB leave what is left of
//! the size in them, and recorders that stop halfway leave 0, all ones, or the size that they wrote
//! last. What follows the samples tells which it is: other chunks, a tag, or the end of the file.

use std::io::{Read, Result, Seek, SeekFrom};

/// Chunks that follow samples. One that was cut off is recognised by its name.
const KNOWN: [&[u8; 4]; 28] = [
    b"LIST", b"INFO", b"id3 ", b"ID3 ", b"bext", b"iXML", b"cue ", b"smpl", b"inst", b"fact",
    b"acid", b"plst", b"JUNK", b"junk", b"PAD ", b"FLLR", b"_PMX", b"LGWV", b"DISP", b"axml",
    b"chna", b"PEAK", b"cart", b"afsp", b"umid", b"minf", b"elm1", b"regn",
];

/// Number of values of the size field.
const WRAP: u64 = 1 << 32;
/// Most chunks that are followed.
const MOST_CHUNKS: u32 = 10_000;

/// Fewest bytes after the announced ones that may be samples. Fewer fill up a block.
const LEAST: u64 = 64;

/// Returns the number of bytes of samples from `start` on in a file of `file_bytes` whose header
/// announces `announced` of them, or leaves it open.
pub(super) fn data_bytes(
    file: &mut (impl Read + Seek),
    start: u64,
    announced: Option<u64>,
    file_bytes: u64,
) -> Result<u64> {
    let there = file_bytes.saturating_sub(start);
    let mut candidate = announced.unwrap_or(0);
    while candidate < there {
        if there - candidate < LEAST || is_end(file, start + candidate, file_bytes)? {
            return Ok(candidate);
        }
        candidate += WRAP;
    }
    Ok(there)
}

/// Returns whether the samples may end at `at`: chunks follow until the end of the file.
fn is_end(file: &mut (impl Read + Seek), at: u64, file_bytes: u64) -> Result<bool> {
    // Some programs leave out the byte that makes the next offset even.
    Ok(are_chunks(file, at + at % 2, file_bytes)?
        || at % 2 == 1 && are_chunks(file, at, file_bytes)?)
}

fn are_chunks(file: &mut (impl Read + Seek), mut at: u64, file_bytes: u64) -> Result<bool> {
    for _ in 0..MOST_CHUNKS {
        let left = file_bytes.saturating_sub(at);
        if left < 8 {
            return Ok(true);
        }

        let mut head = [0; 8];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head)?;
        let [a, b, c, d, size @ ..] = head;
        let (name, size) = ([a, b, c, d], u64::from(u32::from_le_bytes(size)));

        let is_tag = (name.starts_with(b"TAG") && left == 128)
            || (name.starts_with(b"ID3") && name[3] < 5)
            || &head == b"APETAGEX";
        if is_tag || KNOWN.contains(&&name) && size + 8 > left {
            return Ok(true);
        }
        if !name.iter().all(|byte| (0x20..0x7f).contains(byte)) || size + 8 > left {
            return Ok(false);
        }
        at += 8 + size + size % 2;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use sextet_cases::each_case;

    use super::*;

    /// File of zeros of any length with `tail` at its end, without the memory for it.
    struct Sparse {
        zeros: u64,
        tail: Cursor<Vec<u8>>,
        at: u64,
    }

    impl Read for Sparse {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            let zeros = self.zeros.saturating_sub(self.at).min(buffer.len() as u64) as usize;
            buffer[..zeros].fill(0);
            self.tail.set_position(self.at.saturating_sub(self.zeros));
            let read = if zeros > 0 {
                zeros
            } else {
                self.tail.read(buffer)?
            };
            self.at += read as u64;
            Ok(read)
        }
    }

    impl Seek for Sparse {
        fn seek(&mut self, to: SeekFrom) -> Result<u64> {
            if let SeekFrom::Start(at) = to {
                self.at = at;
            }
            Ok(self.at)
        }
    }

    #[test]
    fn what_follows_the_samples_tells_their_length() {
        const START: u64 = 44;
        let list = b"LIST\x04\0\0\0INFO".as_slice();
        let odd = b"\0LIST\x04\0\0\0INFO".as_slice();
        let cut = b"LIST\xff\0\0\0INFO".as_slice();
        let tag = [b"TAG".as_slice(), &[b' '; 125]].concat();
        let noise = [0x93_u8, 0xfe, 0x12, 0x00].repeat(100);

        // The samples that are there, what follows them, the announced size, and the samples found.
        let big = WRAP + 4000;
        let cases = [
            (4000, b"".as_slice(), Some(4000), 4000),
            (4000, list, Some(4000), 4000),
            (3999, odd, Some(3999), 3999),
            (3999, list, Some(3999), 3999),
            (4000, cut, Some(4000), 4000),
            (4000, &tag, Some(4000), 4000),
            (4000, &noise, Some(4000), 4400),
            (4000, b"", Some(1000), 4000),
            (4000, list, Some(1000), 4012),
            (4000, b"", Some(9000), 4000),
            (4000, b"", None, 4000),
            (0, list, None, 0),
            (big, b"", Some(4000), big),
            (big, list, Some(4000), big),
            (2 * WRAP + 4, list, Some(4), 2 * WRAP + 4),
            (2 * WRAP + 4, b"", Some(100), 2 * WRAP + 4),
            (big, list, Some(big), big),
        ];
        each_case(cases, |(samples, tail, announced, expected)| {
            let mut file = Sparse {
                zeros: START + samples,
                tail: Cursor::new(tail.to_vec()),
                at: 0,
            };
            let bytes = START + samples + tail.len() as u64;
            let found = data_bytes(&mut file, START, announced, bytes).unwrap();
            assert_eq!(
                found, expected,
                "{samples} and {tail:?}, announced {announced:?}"
            );
        });
    }
}
