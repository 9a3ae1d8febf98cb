//! The `bext` chunk of broadcast WAVE files, by whose time reference post houses place a file (EBU
//! Tech 3285, version 2).

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::mend::bytes::{array_at, some_at};

/// Largest chunk that is kept, in bytes.
const LARGEST: u64 = 1 << 20;
/// Offset of the time reference: frames since midnight, in 64 bits.
const TIME: usize = 338;
/// Offset of the version, and of the five loudness values of version 2.
const VERSION: usize = 346;
const LOUDNESS: std::ops::Range<usize> = 412..422;
/// Length of the fixed part.
const FIXED_BYTES: usize = 602;
/// Loudness value of a file that has not been measured.
const NOT_MEASURED: [u8; 2] = [0xff, 0x7f];

/// Body of a `bext` chunk, and the rate of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broadcast {
    body: Vec<u8>,
    rate_hz: u32,
}

impl Broadcast {
    /// Reads the chunk of the WAVE file under `path`, if it is one and has one.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let mut file = BufReader::new(File::open(path).ok()?);
        let start = array_at::<12>(&mut file, 0).ok()??;
        let is_wave = matches!(&start[..4], b"RIFF" | b"RF64" | b"BW64") && &start[8..] == b"WAVE";
        if !is_wave {
            return None;
        }

        // The chunk may come after the samples.
        let (mut at, mut body, mut rate_hz) = (12, None, None);
        while let Some([n0, n1, n2, n3, size @ ..]) = array_at::<8>(&mut file, at).ok()? {
            let size = u64::from(u32::from_le_bytes(size));
            match &[n0, n1, n2, n3] {
                b"bext" if size <= LARGEST => {
                    body = some_at(&mut file, at + 8, size as usize).ok();
                }
                b"fmt " => {
                    let format = array_at::<8>(&mut file, at + 8).ok()??;
                    let [.., a, b, c, d] = format;
                    rate_hz = Some(u32::from_le_bytes([a, b, c, d])).filter(|&hz| hz > 0);
                }
                _ => {}
            }
            if let (Some(body), Some(rate_hz)) = (&body, rate_hz) {
                let body = body.clone();
                return (body.len() >= FIXED_BYTES).then_some(Self { body, rate_hz });
            }
            at += 8 + size + size % 2;
        }
        None
    }

    /// Returns the chunk's body for a stem at `rate_hz`: the same time, and no loudness, which is
    /// that of the whole song.
    pub(super) fn at(&self, rate_hz: u32) -> Vec<u8> {
        let mut body = self.body.clone();
        let mut time = [0; 8];
        time.copy_from_slice(&body[TIME..TIME + 8]);
        let frames = u128::from(u64::from_le_bytes(time)) * u128::from(rate_hz);
        let frames = u64::try_from(frames / u128::from(self.rate_hz)).unwrap_or(u64::MAX);
        body[TIME..TIME + 8].copy_from_slice(&frames.to_le_bytes());

        if u16::from_le_bytes([body[VERSION], body[VERSION + 1]]) >= 2 {
            for value in body[LOUDNESS].as_chunks_mut::<2>().0 {
                *value = NOT_MEASURED;
            }
        }
        body
    }
}
