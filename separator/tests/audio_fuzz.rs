//! Damage at random: whatever is done to a file, reading it ends in good time, without a panic, the same way twice.
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

mod audio_support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use audio_support::{chirp, fixture};
use sextet_separator::audio::{AudioFile, AudioSource as _, AudioWriter, Bits, FileFormat, Layout, Tags, WriteOptions};

/// Files of every format and codec that is read; whatever is not a fixture is written here.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let fixtures = [
        "stereo.flac",
        "surround.flac",
        "lame_vbr.mp3",
        "lame_untagged.mp3",
        "aac.m4a",
        "aac_faststart.m4a",
        "raw.aac",
        "alac.m4a",
        "vorbis.ogg",
        "opus.opus",
        "surround.opus",
        "mono.aiff",
        "float.aiff",
        "mono.caf",
        "alac.caf",
        "adpcm.wav",
        "tagged.mp3",
        "tagged.flac",
        "tagged.m4a",
        "tagged.wav",
    ];
    let mut seeds: Vec<_> =
        fixtures.iter().map(|name| ((*name).to_owned(), std::fs::read(fixture(name)).unwrap())).collect();
    let folder = tempfile::tempdir().unwrap();
    for (bits, channels) in [(Bits::B16, 2), (Bits::B24, 3), (Bits::Float32, 1)] {
        let audio = chirp(Layout { channels, rate_hz: 44_100 }, 700);
        let path = folder.path().join("seed");
        let options = WriteOptions { format: FileFormat::Wav, bits, tags: Tags::read(fixture("tagged.mp3")) };
        let mut writer = AudioWriter::create(&path, audio.layout(), &options, 700).unwrap();
        writer.write(&audio).unwrap();
        writer.finish().unwrap();
        seeds.push((format!("{bits:?}.wav"), std::fs::read(&path).unwrap()));
    }
    seeds
}

/// A small generator of its own, so that a failing case can be made again from its number.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end.max(1)
    }
}

/// Changes `bytes` in one of the ways in which files break, or are broken on purpose. Headers get more than their share.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let reach = if random.below(2) == 0 { bytes.len().min(256) } else { bytes.len() };
        let at = random.below(reach);
        match random.below(8) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.next() as u8,
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
                // A number that looks like a size or a count.
                let number = [0_u32, 1, 7, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff][random.below(7)];
                let number = if random.below(2) == 0 { number.to_be_bytes() } else { number.to_le_bytes() };
                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            _ => {
                let noise = (0..random.below(200)).map(|_| random.next() as u8).collect::<Vec<_>>();
                bytes.splice(at..at, noise);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
}

/// Reads a file to its end, and its tags: a digest of all that came out of it.
fn digest(path: &Path) -> (u64, u64, String) {
    Tags::read(path);
    let file = match AudioFile::open(path) {
        Ok(file) => file,
        Err(error) => return (0, 0, error.to_string()),
    };
    let mut stream = file.open().unwrap();
    let (mut frames, mut sum) = (0_u64, 0_u64);
    loop {
        match stream.next_block() {
            Ok(Some(block)) => {
                assert!(block.frames() > 0 && block.layout() == file.info().layout);
                frames += block.frames() as u64;
                for channel in block.channels() {
                    for sample in channel {
                        assert!(sample.is_finite());
                        sum = sum.rotate_left(5) ^ u64::from(sample.to_bits());
                    }
                }
            }
            Ok(None) => return (frames, sum, format!("{:?}", stream.warnings())),
            Err(error) => return (frames, sum, error.to_string()),
        }
    }
}

/// How many cases: `SEXTET_FUZZ_CASES`, or few enough for every run of the tests.
fn cases() -> usize {
    std::env::var("SEXTET_FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000)
}

#[test]
fn no_damage_makes_reading_panic_or_hang() {
    // What a decoder's panic prints is noise here: it is caught, and counts as damage.
    std::panic::set_hook(Box::new(|_| {}));
    let folder = tempfile::tempdir().unwrap();
    let (seeds, total) = (seeds(), cases());
    let (mut slowest, mut decoded, mut failures) = ((Duration::ZERO, String::new()), 0, Vec::new());
    for case in 0..total {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (case as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9));
        let (name, seed) = &seeds[case % seeds.len()];
        let mut bytes = seed.clone();
        damage(&mut bytes, &mut random);
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let start = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| digest(&path))) {
            Ok(first) => {
                decoded += usize::from(first.0 > 0);
                if case % 20 == 0 && digest(&path) != first {
                    failures.push(format!("case {case} of {name} differs the second time"));
                }
            }
            Err(_) => failures.push(format!("case {case} of {name} panics")),
        }
        if start.elapsed() > slowest.0 {
            slowest = (start.elapsed(), format!("case {case} of {name}"));
        }
    }
    let _ = std::panic::take_hook();
    println!("{total} damaged files, {decoded} of them decoded in part; slowest: {slowest:?}");
    assert_eq!(failures, Vec::<String>::new());
    assert!(slowest.0 < Duration::from_secs(10), "{slowest:?}");
    assert!(decoded > total / 4, "only {decoded} of {total} gave anything: too much is broken to test decoders");
}

/// Every length that a file can be cut to, in steps: never a panic.
#[test]
fn every_truncation_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for (name, seed) in seeds() {
        let step = (seed.len() / 60).max(1);
        for length in (0..seed.len()).step_by(step).chain(0..40.min(seed.len())) {
            let path = folder.path().join(&name);
            std::fs::write(&path, &seed[..length]).unwrap();
            digest(&path);
            count += 1;
        }
    }
    println!("{count} truncations");
    assert!(count > 2_000);
}
