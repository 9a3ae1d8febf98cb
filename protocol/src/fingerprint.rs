//! Fingerprints: hashes that name audio and stems.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// Size of a fingerprint in bytes: large enough that two songs never share one, small enough for
/// the paths of every system.
const BYTES: usize = 16;

/// The first 128 bits of a SHA-256, shown and stored as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; BYTES]);

impl Fingerprint {
    /// Returns the fingerprint of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_hash(Sha256::new_with_prefix(bytes))
    }

    fn from_hash(hash: Sha256) -> Self {
        let mut first = [0; BYTES];
        first.copy_from_slice(&hash.finalize()[..BYTES]);
        Self(first)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error for a text that is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{found}' is no fingerprint: expected 32 hexadecimal digits in lower case")]
pub struct NoFingerprint {
    /// The text.
    found: String,
}

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let mut bytes = [0; BYTES];
        let is_upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if !is_upper => Ok(Self(bytes)),
            _ => Err(NoFingerprint {
                found: text.to_owned(),
            }),
        }
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

// Samples are hashed little endian, and they are on every processor that Sextet runs on.
const _: () = assert!(
    cfg!(target_endian = "little"),
    "samples are hashed as they lie in memory"
);

/// A hasher of audio: rate, channels, length and every sample's bits. The size of the blocks and
/// the kind of file that the audio came from make no difference.
#[derive(Clone, Debug)]
pub struct AudioHasher {
    rate_hz: u32,
    frames: u64,
    channels: Vec<Sha256>,
}

impl AudioHasher {
    /// Creates a hasher of audio with `channels` channels at `rate_hz`.
    pub fn new(channels: usize, rate_hz: u32) -> Self {
        Self {
            rate_hz,
            frames: 0,
            channels: vec![Sha256::new(); channels],
        }
    }

    /// Adds a block: one run of samples for each channel, all of the same length.
    ///
    /// # Panics
    /// When there are more or fewer channels than announced, or they differ in length: both are
    /// mistakes of the caller.
    pub fn push<C: AsRef<[f32]>>(&mut self, block: &[C]) {
        assert_eq!(
            block.len(),
            self.channels.len(),
            "as many channels as announced"
        );

        let frames = block.first().map_or(0, |channel| channel.as_ref().len());
        self.frames += frames as u64;

        for (hash, channel) in self.channels.iter_mut().zip(block) {
            assert_eq!(channel.as_ref().len(), frames, "channels are equally long");
            hash.update(bytemuck::cast_slice::<f32, u8>(channel.as_ref()));
        }
    }

    /// Returns the fingerprint of everything that was added.
    pub fn finish(self) -> Fingerprint {
        let mut hash = Sha256::new_with_prefix(b"sextet audio 1\n");
        hash.update(self.rate_hz.to_le_bytes());
        hash.update((self.channels.len() as u64).to_le_bytes());
        hash.update(self.frames.to_le_bytes());
        self.channels
            .into_iter()
            .for_each(|channel| hash.update(channel.finalize()));
        Fingerprint::from_hash(hash)
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn a_fingerprint_reads_back_and_nothing_else_does() {
        let print = Fingerprint::of(b"abc");

        // The first half of SHA-256("abc"), FIPS 180-2, appendix B.1.
        assert_eq!(print.to_string(), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(print.to_string().parse(), Ok(print));
        let wrong = [
            "",
            "ba78",
            "BA7816BF8F01CFEA414140DE5DAE2223",
            "../../../../../../../../../../etc",
            "+a7816bf8f01cfea414140de5dae2223",
            "ba7816bf8f01cfea414140de5dae2223 ",
            "ä7816bf8f01cfea414140de5dae2223",
        ];

        each_case(wrong, |text| {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        });
    }

    fn hash(rate_hz: u32, channels: &[Vec<f32>], block_frames: usize) -> Fingerprint {
        let mut hasher = AudioHasher::new(channels.len(), rate_hz);
        let frames = channels[0].len();
        for start in (0..frames).step_by(block_frames) {
            let end = (start + block_frames).min(frames);
            hasher.push(&channels.iter().map(|c| &c[start..end]).collect::<Vec<_>>());
        }
        hasher.finish()
    }

    #[test]
    fn blocks_make_no_difference_and_everything_else_does() {
        let left: Vec<f32> = (0..5000).map(|n| (n as f32 * 0.01).sin()).collect();
        let right: Vec<f32> = left.iter().map(|x| -x).collect();
        let stereo = vec![left.clone(), right.clone()];

        let whole = hash(48_000, &stereo, 5000);
        each_case([1, 3, 1023, 1024, 1025, 4096], |block_frames| {
            assert_eq!(hash(48_000, &stereo, block_frames), whole, "{block_frames}");
        });

        let mut changed = stereo.clone();
        changed[1][4999] += f32::EPSILON;
        let others = [
            hash(44_100, &stereo, 5000),
            hash(48_000, &[right, left.clone()], 5000),
            hash(48_000, std::slice::from_ref(&left), 5000),
            hash(
                48_000,
                &[left[..4999].to_vec(), stereo[1][..4999].to_vec()],
                5000,
            ),
            hash(48_000, &changed, 5000),
        ];

        assert!(others.iter().all(|other| *other != whole));
    }
}
