//! Damage of the kind that files suffer, from a generator of its own: a failing case can be
//! reproduced from its number.

/// Small random number generator (xorshift*).
pub struct Random(u64);

impl Random {
    /// Creates the generator of case number `case`.
    pub fn of_case(case: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (case as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9))
    }

    /// Returns any number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns any number below `end`, which counts as 1 at least.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() >> 16) as usize % end.max(1)
    }
}

/// Changes `bytes` in one of the ways in which files break, or are broken on purpose. Headers get
/// more than their share.
pub fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let reach = if random.below(2) == 0 {
            bytes.len().min(256)
        } else {
            bytes.len()
        };

        let at = random.below(reach);
        match random.below(8) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.number() as u8,
            3 => {
                let end = (at + 1 + random.below(64)).min(bytes.len());
                bytes[at..end].fill([0, 0xff, 0x80, 0x7f][random.below(4)]);
            }
            4 => {
                let end = (at + random.below(600)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let end = (at + random.below(600)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            6 => {
                // Use a number that resembles a size or a count.
                let number = [
                    0_u32,
                    1,
                    7,
                    0x7fff_ffff,
                    0x8000_0000,
                    0xffff_fffe,
                    0xffff_ffff,
                ][random.below(7)];

                let number = if random.below(2) == 0 {
                    number.to_be_bytes()
                } else {
                    number.to_le_bytes()
                };

                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            _ => {
                let noise = (0..random.below(200))
                    .map(|_| random.number() as u8)
                    .collect::<Vec<_>>();
                bytes.splice(at..at, noise);
            }
        }

        if bytes.is_empty() {
            break;
        }
    }
}
