//! HE-AAC that does not say so: spectral band replication (SBR) in a stream that is announced as
//! AAC-LC at half of the rate.
//!
//! symphonia would decode the lower half of the spectrum alone, without a word. Its packets carry
//! the upper half in fill elements (ISO/IEC 14496-3, sections 4.4.2.1 and 4.4.2.7: element 6 with
//! the extension types 13 and 14), behind elements that only a whole decoder can measure. The
//! elements are therefore looked for from the end of the packet: fill elements that reach exactly
//! to the end mark. Other data looks like that in about one packet of eight, packets of HE-AAC do
//! always.

/// Number of packets that are looked at.
pub(super) const PACKETS: usize = 64;

/// Returns whether a stream that begins with `packets` is HE-AAC.
pub(super) fn is_he_aac<'a>(packets: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut all, mut with_sbr) = (0, 0);
    for packet in packets.filter(|packet| packet.len() > 8) {
        all += 1;
        with_sbr += usize::from(has_sbr(packet));
    }
    all >= 8 && with_sbr * 10 >= all * 8
}

/// Returns whether the packet ends with fill elements of which one looks like SBR.
fn has_sbr(packet: &[u8]) -> bool {
    let bits = Bits(packet);
    let Some(end) = end_mark(packet) else {
        return false;
    };

    // The ends at which an element may stop: the mark, and the beginnings of elements before it.
    let mut ends = vec![end];
    let furthest = end.saturating_sub(8 * MOST_FILL_BYTES);
    for at in (furthest..end.saturating_sub(7)).rev() {
        let Some((length, extension)) = bits.fill(at) else {
            continue;
        };
        if ends.contains(&(at + length)) {
            if matches!(extension, 13 | 14) {
                return true;
            }
            ends.push(at);
        }
    }
    false
}

/// Largest reach of the search before the end of a packet, in bytes.
const MOST_FILL_BYTES: usize = 512;

/// Returns the position of the end mark, three ones, before the zeros that fill the last byte.
fn end_mark(packet: &[u8]) -> Option<usize> {
    let last = *packet.last()?;
    let total = 8 * packet.len();
    let ones_end = match last {
        // The mark ends with the byte before.
        0 => return None,
        last => total - last.trailing_zeros() as usize,
    };
    let start = ones_end.checked_sub(3)?;
    (Bits(packet).get(start, 3) == Some(7)).then_some(start)
}

/// Bits of a packet, the highest of each byte first.
struct Bits<'a>(&'a [u8]);

impl Bits<'_> {
    /// Returns `count` bits from `at` on, at most 16.
    fn get(&self, at: usize, count: usize) -> Option<u32> {
        let byte = |index: usize| self.0.get(index).copied().map_or(0, u32::from);
        let first = at / 8;
        let word = byte(first) << 16 | byte(first + 1) << 8 | byte(first + 2);
        let shift = 24_usize.checked_sub(at % 8 + count)?;
        (at + count <= 8 * self.0.len()).then(|| word >> shift & ((1 << count) - 1))
    }

    /// Returns the length in bits and the extension type of a fill element at `at`.
    fn fill(&self, at: usize) -> Option<(usize, u32)> {
        if self.get(at, 3)? != 6 {
            return None;
        }
        let (bytes, head) = match self.get(at + 3, 4)? {
            15 => ((self.get(at + 7, 8)? + 14) as usize, 15),
            count => (count as usize, 7),
        };
        (bytes > 0).then_some(())?;
        Some((head + 8 * bytes, self.get(at + head, 4)?))
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    /// Bits that are pushed one after the other.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn push(&mut self, value: u32, count: u32) -> &mut Self {
            self.0
                .extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
            self
        }

        fn fill(&mut self, extension: u32, bytes: u32, mut random: impl FnMut() -> u32) {
            self.push(6, 3);
            match bytes {
                ..15 => self.push(bytes, 4),
                _ => self.push(15, 4).push(bytes - 14, 8),
            };
            self.push(extension, 4).push(random() & 15, 4);
            for _ in 1..bytes {
                self.push(random() & 255, 8);
            }
        }

        fn bytes(&mut self) -> Vec<u8> {
            self.push(7, 3);
            let byte = |bits: &[bool]| {
                let bit = |(at, &bit): (usize, &bool)| u8::from(bit) << (7 - at);
                bits.iter().enumerate().map(bit).sum()
            };
            self.0.chunks(8).map(byte).collect()
        }
    }

    /// Checks streams of random packets with and without SBR, of every length of the elements.
    #[test]
    fn only_streams_with_sbr_are_found() {
        let mut state = 1_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as u32
        };

        each_case([1, 2, 14, 15, 16, 40, 200], |length| {
            let cases = [
                (Some(13), false, true),
                (Some(14), true, true),
                (Some(0), false, false),
                (Some(11), true, false),
                (None, false, false),
            ];
            each_case(cases, |(extension, padded, expected)| {
                let packets: Vec<_> = (0..PACKETS)
                    .map(|_| {
                        let mut packet = Writer::default();
                        for _ in 0..100 + random() % 900 {
                            packet.push(random() & 1, 1);
                        }
                        if let Some(extension) = extension {
                            packet.fill(extension, length, &mut random);
                        }
                        if padded {
                            packet.fill(0, 1 + random() % 20, &mut random);
                        }
                        packet.bytes()
                    })
                    .collect();
                let found = is_he_aac(packets.iter().map(Vec::as_slice));
                assert_eq!(found, expected, "{extension:?} of {length} bytes, {padded}");
            });
        });
    }
}
