//! Tests of every input format: exact length, no shift, the right channels, and the same samples in
//! every pass.
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

mod audio_support;

use audio_support::{best_lag, chirp, fixture, read_file, read_stream, relative_error};
use sextet_separator::audio::{Audio, AudioFile, AudioSource as _, Layout, Resampler, Speaker};

const STEREO: Layout = Layout {
    channels: 2,
    rate_hz: 44_100,
};
const MONO: Layout = Layout {
    channels: 1,
    rate_hz: 22_050,
};
const SURROUND: Layout = Layout {
    channels: 6,
    rate_hz: 48_000,
};
const DEEP: Layout = Layout {
    channels: 2,
    rate_hz: 96_000,
};

/// Returns the largest difference between two runs of the same length.
fn peak_error(found: &[f32], reference: &[f32]) -> f32 {
    assert_eq!(found.len(), reference.len());
    found
        .iter()
        .zip(reference)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

/// Checks that lossless formats give the signal itself, within the rounding to their bits (`ulp`
/// below full scale).
#[test]
fn lossless_files_give_the_signal() {
    let cases = [
        ("stereo.flac", "flac", Some(16), STEREO, 12_345, 16),
        ("deep.flac", "flac", Some(24), DEEP, 3_000, 24),
        ("surround.flac", "flac", Some(16), SURROUND, 3_000, 16),
        ("alac.m4a", "alac", None, STEREO, 12_345, 16),
        ("mono.aiff", "pcm_s16be", Some(16), MONO, 4_321, 16),
        ("deep.aiff", "pcm_s24be", Some(24), MONO, 4_321, 16),
        ("float.aiff", "pcm", Some(32), MONO, 4_321, 16),
        ("mono.caf", "pcm_s16le", Some(16), MONO, 4_321, 16),
        ("alac.caf", "alac", None, MONO, 4_321, 16),
    ];
    for (name, codec, bits, layout, frames, depth) in cases {
        let file = AudioFile::open(fixture(name)).unwrap();
        let info = file.info();
        assert_eq!((info.codec, info.layout), (codec, layout), "{name}");

        assert!(
            bits.is_none() || info.bits == bits,
            "{name}: {:?} bits",
            info.bits
        );

        assert!(
            info.frames
                .is_none_or(|announced| announced == frames as u64),
            "{name}: {:?}",
            info.frames
        );

        assert_eq!(info.file_name, name);
        let (audio, warnings) = read_file(fixture(name)).unwrap();

        assert_eq!(warnings, [], "{name}");
        assert_eq!(audio.frames(), frames, "{name}");
        let bound = 1.01 / (1_u32 << (depth - 1)) as f32;

        for (found, signal) in audio
            .channels()
            .iter()
            .zip(chirp(layout, frames).channels())
        {
            assert!(
                peak_error(found, signal) <= bound,
                "{name}: off by {}",
                peak_error(found, signal)
            );
        }
    }
}

/// Checks that lossy formats give as many frames as were encoded, without a shift, and
/// approximately the signal.
#[test]
fn lossy_files_have_the_encoded_length_and_no_shift() {
    let cases = [
        ("lame_cbr.mp3", "mp3", STEREO, 12_345, 0.08),
        ("lame_vbr.mp3", "mp3", STEREO, 12_345, 0.02),
        ("lame_mono.mp3", "mp3", MONO, 4_321, 0.08),
        ("ffmpeg.mp3", "mp3", STEREO, 12_345, 0.08),
        ("aac.m4a", "aac", STEREO, 12_345, 0.15),
        ("aac_faststart.m4a", "aac", STEREO, 12_345, 0.15),
        ("vorbis.ogg", "vorbis", STEREO, 12_345, 0.15),
        ("ffmpeg.ogg", "vorbis", STEREO, 12_345, 0.15),
        ("mono.ogg", "vorbis", MONO, 4_321, 0.35),
        (
            "long.ogg",
            "vorbis",
            Layout {
                channels: 1,
                ..STEREO
            },
            60_000,
            0.2,
        ),
    ];
    for (name, codec, layout, frames, bound) in cases {
        let file = AudioFile::open(fixture(name)).unwrap();
        assert_eq!(
            (file.info().codec, file.info().layout),
            (codec, layout),
            "{name}"
        );

        assert_eq!(file.info().frames, Some(frames as u64), "{name}");
        let (audio, warnings) = read_file(fixture(name)).unwrap();

        assert_eq!(warnings, [], "{name}");
        assert_eq!(audio.frames(), frames, "{name}");

        for (found, signal) in audio
            .channels()
            .iter()
            .zip(chirp(layout, frames).channels())
        {
            assert_eq!(best_lag(found, signal, 1200), 0, "{name}");
            assert!(
                relative_error(found, signal) < bound,
                "{name}: {}",
                relative_error(found, signal)
            );
        }
    }
}

/// Checks Opus, which is always decoded at 48 kHz: the length is the encoded one, resampled and
/// rounded up to a packet's granule.
#[test]
fn opus_has_the_encoded_length_and_no_shift() {
    for (name, layout, frames, expected, bound) in [
        ("opus.opus", STEREO, 12_345, 13_437, 0.05),
        ("ffmpeg.opus", STEREO, 12_345, 13_437, 0.1),
        ("mono.opus", MONO, 4_321, 9_407, 0.2),
        ("surround.opus", SURROUND, 3_000, 3_000, 0.2),
    ] {
        let (audio, warnings) = read_file(fixture(name)).unwrap();
        assert_eq!(warnings, [], "{name}");
        assert_eq!(
            audio.layout(),
            Layout {
                rate_hz: 48_000,
                ..layout
            },
            "{name}"
        );
        assert_eq!(audio.frames(), expected, "{name}");
        let mut signal = chirp(layout, frames);
        if layout.rate_hz != 48_000 {
            let resampler = Resampler::new(layout, 48_000).unwrap();
            signal = finish_with(resampler, &signal, expected as u64);
        }
        for (number, (found, signal)) in audio.channels().iter().zip(signal.channels()).enumerate()
        {
            if layout == SURROUND && number == 3 {
                // The low-frequency channel keeps nothing above 120 Hz.
                assert!(found.iter().all(|sample| sample.abs() < 0.1));
                continue;
            }
            assert_eq!(best_lag(found, signal, 700), 0, "{name}, channel {number}");
            assert!(
                relative_error(found, signal) < bound,
                "{name}: {}",
                relative_error(found, signal)
            );
        }
    }
}

fn finish_with(mut resampler: Resampler, audio: &Audio, total: u64) -> Audio {
    let (first, rest) = (
        resampler.push(audio.clone()).unwrap(),
        resampler.finish(total).unwrap(),
    );
    let joined = first
        .channels()
        .iter()
        .zip(rest.channels())
        .map(|(a, b)| [a.as_slice(), b].concat());

    Audio::new(joined.collect(), first.rate_hz())
}

/// Checks that the reference decoders (opusdec; ffmpeg for the others) give the same samples,
/// within the rounding to 16 bits.
#[test]
fn reference_decoders_agree() {
    for (name, reference) in [
        ("opus.opus", "opus_reference.flac"),
        ("vorbis.ogg", "vorbis_reference.flac"),
        ("aac.m4a", "aac_reference.flac"),
        ("lame_vbr.mp3", "mp3_reference.flac"),
    ] {
        let (found, expected) = (
            read_file(fixture(name)).unwrap().0,
            read_file(fixture(reference)).unwrap().0,
        );
        // Some of the references are up to a packet longer or shorter, at the end.
        let frames = found.frames().min(expected.frames());
        assert!(frames > 12_000, "{name}");
        for (found, expected) in found.channels().iter().zip(expected.channels()) {
            let error = peak_error(&found[..frames], &expected[..frames]);
            assert!(error <= 1.1 / 32_768.0, "{name}: off by {error}");
        }
    }
}

/// Checks files without a tag, whose delay and padding are unknown: all decoded audio is kept,
/// including the end.
#[test]
fn untagged_mp3_and_raw_aac_keep_everything() {
    for (name, at_least) in [("lame_untagged.mp3", 8_958), ("raw.aac", 12_345)] {
        let file = AudioFile::open(fixture(name)).unwrap();
        assert_eq!(
            file.info().frames,
            None,
            "{name}: an estimate is not a length"
        );

        let (audio, warnings) = read_file(fixture(name)).unwrap();
        assert_eq!(warnings, [], "{name}");
        assert!(
            (at_least..at_least + 2_400).contains(&audio.frames()),
            "{name}: {}",
            audio.frames()
        );
    }
}

#[test]
fn coded_wave_files_are_decoded() {
    for (name, codec, bound) in [
        ("adpcm.wav", "adpcm_ms", 0.2),
        ("alaw.wav", "pcm_alaw", 0.05),
    ] {
        let file = AudioFile::open(fixture(name)).unwrap();
        assert_eq!(file.info().codec, codec);
        let (audio, warnings) = read_file(fixture(name)).unwrap();
        assert_eq!(warnings, []);
        // ADPCM is stored in blocks.
        assert!(audio.frames() >= 4_321, "{name}: {}", audio.frames());
        let error = relative_error(
            &audio.channels()[0][..4_321],
            &chirp(MONO, 4_321).channels()[0],
        );
        assert!(error < bound, "{name}: {error}");
    }
}

#[test]
fn surround_says_where_its_channels_are() {
    for name in ["surround.flac", "surround.opus"] {
        let file = AudioFile::open(fixture(name)).unwrap();
        let expected = [
            Speaker::FrontLeft,
            Speaker::FrontRight,
            Speaker::FrontCenter,
            Speaker::Lfe,
            Speaker::RearLeft,
            Speaker::RearRight,
        ];

        let sides = |speaker: &Speaker| match speaker {
            Speaker::SideLeft => Speaker::RearLeft,
            Speaker::SideRight => Speaker::RearRight,
            other => *other,
        };

        assert_eq!(
            file.info().speakers.iter().map(sides).collect::<Vec<_>>(),
            expected,
            "{name}"
        );
    }
}

#[test]
fn every_pass_gives_the_same_samples() {
    let mut cases = 0;
    for entry in std::fs::read_dir(fixture("")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(file) = AudioFile::open(&path) else {
            continue;
        };

        let (first, second) = (
            read_stream(file.open().unwrap()).unwrap(),
            read_stream(file.open().unwrap()).unwrap(),
        );
        assert!(first == second, "{}", path.display());
        cases += 1;
    }

    assert!(cases >= 28, "only {cases} fixtures were read");
}
