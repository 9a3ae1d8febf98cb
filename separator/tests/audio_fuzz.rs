//! Tests with random damage: reading a damaged file ends in time, without a panic, and with the
//! same result twice.
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

mod audio_support;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use audio_support::{chirp, fixture};
use sextet_separator::audio::{AudioWriter, Bits, FileFormat, Layout, Tags, WriteOptions};
use sextet_testing::damage::{Random, damage};
use sextet_testing::targets::{decode, rewrite_tags, write_and_read};

/// Returns files of every supported format and codec. Those without a fixture are written here.
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
        "flac.mka",
        "aac.mkv",
        "opus.webm",
        "opus.caf",
        "fragmented_alac.mp4",
        "layer2.mp2",
        "tagged.mp3",
        "tagged.flac",
        "tagged.m4a",
        "tagged.wav",
    ];

    let mut seeds: Vec<_> = fixtures
        .iter()
        .map(|name| ((*name).to_owned(), std::fs::read(fixture(name)).unwrap()))
        .collect();
    for (bits, channels) in [(Bits::B16, 2), (Bits::B24, 3), (Bits::Float32, 1)] {
        let audio = chirp(
            Layout {
                channels,
                rate_hz: 44_100,
            },
            700,
        );

        let options = WriteOptions::new()
            .format(FileFormat::Wav)
            .bits(bits)
            .tags(Tags::read(fixture("tagged.mp3")));

        let out = Cursor::new(Vec::new());
        let mut writer = AudioWriter::new(out, audio.layout(), &options, 700).unwrap();
        writer.write(&audio).unwrap();
        let (_, bytes) = writer.finish().unwrap();
        seeds.push((format!("{bits:?}.wav"), bytes.into_inner()));
    }

    seeds
}

/// Returns the number of cases: `SEXTET_FUZZ_CASES`, or few enough for every run of the tests.
fn cases() -> usize {
    std::env::var("SEXTET_FUZZ_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2_000)
}

#[test]
fn no_damage_makes_reading_panic_or_hang() {
    // Silence the panics of decoders: they are caught and count as damage.
    std::panic::set_hook(Box::new(|_| {}));
    let folder = tempfile::tempdir().unwrap();
    let (seeds, total) = (seeds(), cases());
    let (mut slowest, mut decoded, mut failures) = ((Duration::ZERO, String::new()), 0, Vec::new());

    for case in 0..total {
        let mut random = Random::of_case(case);
        let (name, seed) = &seeds[case % seeds.len()];

        let mut bytes = seed.clone();
        damage(&mut bytes, &mut random);

        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let start = Instant::now();

        match catch_unwind(AssertUnwindSafe(|| decode(&path))) {
            Ok(first) => {
                decoded += usize::from(first.0 > 0);
                if case % 20 == 0 && decode(&path) != first {
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
    assert!(
        decoded > total / 4,
        "only {decoded} of {total} gave anything: too much is broken to test decoders"
    );
}

/// Checks that tags of damaged files can be written into stems, and are read again.
#[test]
fn no_damage_makes_tags_that_cannot_be_written() {
    std::panic::set_hook(Box::new(|_| {}));
    let folder = tempfile::tempdir().unwrap();
    let tagged = [
        "tagged.mp3",
        "tagged.flac",
        "tagged.m4a",
        "tagged.ogg",
        "tagged.wav",
    ];
    let (total, mut read, mut failures) = (cases() / 4, 0, Vec::new());
    for case in 0..total {
        let mut random = Random::of_case(case);
        let name = tagged[case % tagged.len()];
        let mut bytes = std::fs::read(fixture(name)).unwrap();
        damage(&mut bytes, &mut random);
        let path = folder.path().join("damaged");
        std::fs::write(&path, &bytes).unwrap();
        match catch_unwind(AssertUnwindSafe(|| rewrite_tags(&path))) {
            Ok(had_tags) => read += usize::from(had_tags),
            Err(panic) => {
                let said = panic.downcast_ref::<String>().cloned();
                let said =
                    said.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
                let said = said.unwrap_or_default();
                failures.push(format!("case {case} of {name}: {said}"));
            }
        }
    }

    let _ = std::panic::take_hook();
    println!("{total} damaged files, {read} of them with tags");
    assert_eq!(failures, Vec::<String>::new());
    assert!(read > total / 4, "only {read} of {total} had tags");
}

/// Checks that whatever is written is read again as it was.
#[test]
fn any_samples_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("any");
    let (total, mut frames) = (cases() / 4, 0);
    for case in 0..total {
        let mut random = Random::of_case(case);
        let length = random.below(20_000);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.number() as u8).collect();
        if case % 3 > 0 {
            // Most numbers are far beyond full scale; these are within it.
            for sample in bytes.chunks_exact_mut(4) {
                sample[3] = sample[3] & 0x80 | 0x3e;
            }
        }
        frames += write_and_read(&bytes, &path);
    }
    println!("{total} files of {frames} frames");
    assert!(frames > total * 10, "{frames}");
}

/// Checks that no length that a file is cut to, in steps, causes a panic.
#[test]
fn every_truncation_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for (name, seed) in seeds() {
        let step = (seed.len() / 60).max(1);
        for length in (0..seed.len()).step_by(step).chain(0..40.min(seed.len())) {
            let path = folder.path().join(&name);
            std::fs::write(&path, &seed[..length]).unwrap();
            decode(&path);
            count += 1;
        }
    }

    println!("{count} truncations");
    assert!(count > 2_000);
}
