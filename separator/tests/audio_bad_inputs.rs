//! Tests that the defects of a file are reported plainly and that its usable parts are used.
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

mod audio_support;

use std::path::{Path, PathBuf};

use audio_support::{chirp, fixture, read_file, relative_error};
use sextet_separator::ErrorKind;
use sextet_separator::audio::{AudioFile, Layout, ReadError};
use tempfile::TempDir;

/// Canonical WAV file: the fields of its header, which may be false, and its samples.
#[derive(Clone)]
struct Wav {
    riff_bytes: u32,
    tag: u16,
    channels: u16,
    rate_hz: u32,
    bits: u16,
    data_bytes: u32,
    data: Vec<u8>,
}

impl Wav {
    /// Creates a correct file of 16-bit stereo with `frames` frames.
    fn honest(frames: u16) -> Self {
        let data: Vec<u8> = (0..2 * frames)
            .flat_map(|n| (n as i16).to_le_bytes())
            .collect();
        let data_bytes = data.len() as u32;
        Self {
            riff_bytes: 36 + data_bytes,
            tag: 1,
            channels: 2,
            rate_hz: 44_100,
            bits: 16,
            data_bytes,
            data,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let align = self.channels.wrapping_mul(self.bits / 8);
        let mut bytes = b"RIFF".to_vec();
        bytes.extend(self.riff_bytes.to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0");
        bytes.extend(self.tag.to_le_bytes());

        bytes.extend(self.channels.to_le_bytes());
        bytes.extend(self.rate_hz.to_le_bytes());
        bytes.extend(self.rate_hz.wrapping_mul(align.into()).to_le_bytes());
        bytes.extend(align.to_le_bytes());
        bytes.extend(self.bits.to_le_bytes());

        bytes.extend(b"data");
        bytes.extend(self.data_bytes.to_le_bytes());
        bytes.extend(&self.data);

        bytes
    }
}

fn save(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Returns the error of opening `path`, or of reading it to its end.
fn refusal(path: &Path) -> sextet_separator::Error {
    read_file(path)
        .map(|(audio, _)| audio.frames())
        .expect_err(&path.display().to_string())
}

/// Checks the kind of error and the words of the message for each file that gives no audio.
#[test]
fn what_gives_nothing_is_refused_with_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| save(&folder, name, bytes);
    let flac = std::fs::read(fixture("stereo.flac")).unwrap();
    let m4a = std::fs::read(fixture("aac.m4a")).unwrap();

    let wav = Wav::honest(100);
    let cases = [
        (
            folder.path().join("missing.wav"),
            ErrorKind::Input,
            "no such file",
        ),
        (folder.path().to_owned(), ErrorKind::Input, "found a folder"),
        #[cfg(unix)]
        (
            PathBuf::from("/dev/null"),
            ErrorKind::Input,
            "a pipe or a device",
        ),
        (file("empty.wav", b""), ErrorKind::Audio, "empty file"),
        (
            file(
                "text.wav",
                b"These are words and not samples, however the file is called.",
            ),
            ErrorKind::Audio,
            "none of these",
        ),
        (
            file("text.mp3", &b"la ".repeat(9_000)),
            ErrorKind::Audio,
            "none of these",
        ),
        (
            file("zeros.mp3", &[0; 40_000]),
            ErrorKind::Audio,
            "none of these",
        ),
        (
            fixture("unsupported.wav"),
            ErrorKind::Audio,
            "found WAVE format 0x0045",
        ),
        (fixture("unsupported.m4a"), ErrorKind::Audio, "found AC-3"),
        (
            fixture("surround.m4a"),
            ErrorKind::Audio,
            "AAC of more than two channels",
        ),
        (
            fixture("surround.ogg"),
            ErrorKind::Audio,
            "Vorbis of more than two channels",
        ),
        (
            file("header.flac", &flac[..60]),
            ErrorKind::Audio,
            "nothing in it can be decoded",
        ),
        (
            file("half.m4a", &m4a[..m4a.len() / 2]),
            ErrorKind::Audio,
            "nothing in it can be decoded",
        ),
        (
            file("head.wav", &wav.bytes()[..30]),
            ErrorKind::Audio,
            "nothing in it can be decoded",
        ),
        (
            file("no_data.wav", &wav.bytes()[..36]),
            ErrorKind::Audio,
            "nothing in it can be decoded",
        ),
        (
            file("zero.wav", &Wav::honest(0).bytes()),
            ErrorKind::Audio,
            "at least one sample",
        ),
        (
            file("silent_promise.wav", &wav.bytes()[..44]),
            ErrorKind::Audio,
            "nothing in it can be decoded",
        ),
        (
            file("part.wav", &wav.bytes()[..47]),
            ErrorKind::Audio,
            "nothing in it can be decoded",
        ),
        (
            file(
                "no_channel.wav",
                &Wav {
                    channels: 0,
                    ..wav.clone()
                }
                .bytes(),
            ),
            ErrorKind::Audio,
            "found 0",
        ),
        (
            file(
                "nine.wav",
                &Wav {
                    channels: 9,
                    ..wav.clone()
                }
                .bytes(),
            ),
            ErrorKind::Audio,
            "found 9",
        ),
        (
            file(
                "many.wav",
                &Wav {
                    channels: 65_535,
                    ..wav.clone()
                }
                .bytes(),
            ),
            ErrorKind::Audio,
            "found 65535",
        ),
        (
            file(
                "still.wav",
                &Wav {
                    rate_hz: 0,
                    ..wav.clone()
                }
                .bytes(),
            ),
            ErrorKind::Audio,
            "found 0 Hz",
        ),
        (
            file(
                "slow.wav",
                &Wav {
                    rate_hz: 7_999,
                    ..wav.clone()
                }
                .bytes(),
            ),
            ErrorKind::Audio,
            "found 7999 Hz",
        ),
        (
            file(
                "fast.wav",
                &Wav {
                    rate_hz: u32::MAX,
                    ..wav.clone()
                }
                .bytes(),
            ),
            ErrorKind::Audio,
            "found 4294967295 Hz",
        ),
        (
            file(
                "no_bits.wav",
                &Wav {
                    bits: 0,
                    ..wav.clone()
                }
                .bytes(),
            ),
            ErrorKind::Audio,
            "found 0 bits",
        ),
        (
            file(
                "odd_bits.wav",
                &Wav {
                    bits: 12,
                    ..wav.clone()
                }
                .bytes(),
            ),
            ErrorKind::Audio,
            "found 12 bits",
        ),
        (
            file(
                "half_float.wav",
                &Wav {
                    tag: 3,
                    ..wav.clone()
                }
                .bytes(),
            ),
            ErrorKind::Audio,
            "found 16 bits",
        ),
    ];

    for (path, kind, words) in cases {
        let error = refusal(&path);
        let message = error.to_string();
        println!(
            "{:20} {message}",
            path.file_name().unwrap().to_string_lossy()
        );

        assert_eq!(error.kind(), kind, "{message}");
        assert!(
            message.contains(words),
            "expected \"{words}\" in \"{message}\""
        );
        assert!(message.contains(&*path.to_string_lossy()), "{message}");
        assert!(error.cause::<ReadError>().is_some());
        assert!(!message.contains('\n'), "one line: {message}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_says_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();

    let path = save(&folder, "secret.wav", &Wav::honest(10).bytes());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();

    // The superuser may read everything.
    if std::fs::read(&path).is_err() {
        let error = refusal(&path);
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains("permissions"), "{error}");
    }
}

/// Checks a WAV whose header misstates its length, in either direction, or leaves it open. The
/// samples that are there are used, and the contradiction is reported.
#[test]
fn a_wav_header_that_lies_about_its_length_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let honest = Wav::honest(1_000);
    let lie = |riff_bytes, data_bytes| Wav {
        riff_bytes,
        data_bytes,
        ..honest.clone()
    };

    let cases = [
        ("honest", lie(4_036, 4_000), 1_000, None),
        (
            "claims double",
            lie(8_036, 8_000),
            1_000,
            Some("expected 2000 frames, found 1000"),
        ),
        (
            "claims 4 GiB",
            lie(4_036, 0xffff_fff0),
            1_000,
            Some("found 1000"),
        ),
        (
            "claims half",
            lie(2_036, 2_000),
            1_000,
            Some("expected 500 frames, found 1000"),
        ),
        ("riff too small", lie(4, 4_000), 1_000, None),
        ("riff zero", lie(0, 4_000), 1_000, None),
        ("streamed, zeros", lie(0, 0), 1_000, None),
        ("streamed, ones", lie(u32::MAX, u32::MAX), 1_000, None),
        (
            "a broken frame at the end",
            lie(4_036, 3_999),
            999,
            Some("ends early"),
        ),
    ];

    for (name, wav, frames, warning) in cases {
        let path = save(&folder, &format!("{name}.wav"), &wav.bytes());
        let (audio, warnings) = read_file(&path).unwrap();

        assert_eq!(audio.frames(), frames, "{name}");
        assert_eq!(audio.channels()[1][3], 7.0 / 32_768.0, "{name}");
        assert_eq!(
            warnings.len(),
            usize::from(warning.is_some()),
            "{name}: {warnings:?}"
        );

        assert!(
            warning.is_none_or(|words| warnings[0].to_string().contains(words)),
            "{name}: {warnings:?}"
        );
    }
}

#[test]
fn one_sample_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let wav = Wav {
        channels: 1,
        data_bytes: 2,
        data: vec![0, 0x40],
        ..Wav::honest(0)
    };

    let (audio, warnings) = read_file(save(&folder, "one.wav", &wav.bytes())).unwrap();
    assert_eq!(
        (audio.channels(), warnings.as_slice()),
        (&[vec![0.5]][..], &[][..])
    );
}

/// Checks that the message names the first bad sample in time, with the channel counted from 1 and
/// the frame from 0.
#[test]
fn samples_that_are_not_numbers_are_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    for (value, shown) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ] {
        for (frame, channel) in [(0, 0), (5_000, 1), (9_999, 0)] {
            let mut samples = vec![0.25_f32; 20_000];
            samples[2 * frame + channel] = value;
            samples[19_999] = value;
            let data: Vec<u8> = samples
                .iter()
                .flat_map(|sample| sample.to_le_bytes())
                .collect();

            let wav = Wav {
                tag: 3,
                bits: 32,
                rate_hz: 10_000,
                data_bytes: 80_000,
                data,
                ..Wav::honest(0)
            };

            let error = refusal(&save(&folder, "bad.wav", &wav.bytes()));
            assert_eq!(error.kind(), ErrorKind::Audio);
            let seconds = frame as f64 / 10_000.0;
            let words = format!(
                "found {shown} in channel {}, frame {frame} ({seconds:.3} s)",
                channel + 1
            );

            assert!(
                error.to_string().contains(&words),
                "expected \"{words}\" in \"{error}\""
            );
        }
    }
}

/// Checks files that end early: the audio that is there is decoded exactly as from the whole file,
/// with one warning.
#[test]
fn truncated_files_give_what_is_there_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let mut cases = 0;
    for name in [
        "stereo.flac",
        "lame_cbr.mp3",
        "lame_vbr.mp3",
        "ffmpeg.mp3",
        "aac_faststart.m4a",
        "long.ogg",
        "ffmpeg.opus",
        "mono.aiff",
    ] {
        let (bytes, whole) = (
            std::fs::read(fixture(name)).unwrap(),
            read_file(fixture(name)).unwrap().0,
        );
        for percent in [60, 75, 95] {
            let path = save(
                &folder,
                &format!("{percent} {name}"),
                &bytes[..bytes.len() * percent / 100],
            );

            let (part, warnings) = read_file(&path).unwrap();
            println!(
                "{percent} % of {name}: {} of {} frames; {warnings:?}",
                part.frames(),
                whole.frames()
            );

            assert!(part.frames() < whole.frames(), "{name} at {percent} %");
            assert_eq!(warnings.len(), 1, "{name} at {percent} %: {warnings:?}");
            assert!(
                warnings[0].to_string().contains("ends early"),
                "{warnings:?}"
            );

            // The last frames before the cut depend on the missing data.
            let same = part.frames().saturating_sub(1_200);
            assert!(
                part.channels()[0][..same] == whole.channels()[0][..same],
                "{name} at {percent} %"
            );
            cases += 1;
        }
    }

    assert_eq!(cases, 24);
}

/// Checks damage in the middle of a file: the song continues after it at the right time, and one
/// warning counts the lost packets.
#[test]
fn damage_in_the_middle_is_bridged_by_silence() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["stereo.flac", "lame_cbr.mp3", "aac.m4a"] {
        let (mut bytes, whole) = (
            std::fs::read(fixture(name)).unwrap(),
            read_file(fixture(name)).unwrap().0,
        );
        let middle = bytes.len() / 2;
        bytes[middle..middle + 60].fill(0xff);
        let path = save(&folder, name, &bytes);
        let (found, warnings) = read_file(&path).unwrap();

        println!("{name}: {warnings:?}");
        assert_eq!(found.frames(), whole.frames(), "{name}");
        assert!(
            found.channels()[0] != whole.channels()[0],
            "{name}: nothing was damaged"
        );

        assert!(warnings.len() <= 1, "{name}: {warnings:?}");
        let end = whole.frames() - 1_500..whole.frames();

        // AAC's noise substitution continues with other noise.
        let error = relative_error(&found.channels()[0][end.clone()], &whole.channels()[0][end]);
        assert!(
            error < if name == "aac.m4a" { 0.05 } else { 1e-6 },
            "{name}: the end has moved, {error}"
        );
    }
}

/// Checks that two songs in one Ogg file, one after the other, are read as one.
#[test]
fn chained_ogg_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read(fixture(name)).unwrap();
    let same = save(
        &folder,
        "same.ogg",
        &[read("vorbis.ogg"), read("ffmpeg.ogg")].concat(),
    );

    let (audio, warnings) = read_file(&same).unwrap();
    assert_eq!(
        (audio.frames(), warnings.len()),
        (2 * 12_345, 0),
        "{warnings:?}"
    );

    let opus = save(
        &folder,
        "same.opus",
        &[read("opus.opus"), read("ffmpeg.opus")].concat(),
    );

    let (audio, warnings) = read_file(&opus).unwrap();
    assert_eq!(
        (audio.frames(), warnings.len()),
        (2 * 13_437, 0),
        "{warnings:?}"
    );
}

/// Checks an MP3 that is longer than its tag says (its frames follow once more, without the tag,
/// which fills the first one): all of it is kept and reported.
#[test]
fn an_mp3_longer_than_its_tag_is_kept_whole() {
    let folder = tempfile::tempdir().unwrap();
    let song = std::fs::read(fixture("lame_cbr.mp3")).unwrap();
    let file = [&song[..], &song[417..]].concat();
    let (audio, warnings) = read_file(save(&folder, "twice.mp3", &file)).unwrap();

    assert!(audio.frames() > 2 * 12_345, "{}", audio.frames());
    assert!(
        warnings.len() == 1 && warnings[0].to_string().contains("too few"),
        "{warnings:?}"
    );
}

/// Checks that a file with a wrong extension is recognised by its contents.
#[test]
fn the_name_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    for (name, alias) in [
        ("stereo.flac", "song.mp3"),
        ("lame_cbr.mp3", "song.wav"),
        ("aac.m4a", "song"),
        ("mono.aiff", "song.ogg"),
    ] {
        let path = save(&folder, alias, &std::fs::read(fixture(name)).unwrap());
        assert!(
            read_file(&path).unwrap().0 == read_file(fixture(name)).unwrap().0,
            "{name} as {alias}"
        );
    }
}

/// Checks headers with chunks before, between and after the relevant ones, of odd lengths, and
/// every form of the header.
#[test]
fn every_kind_of_wav_header_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let honest = Wav::honest(50).bytes();
    let expected = chirp(
        Layout {
            channels: 1,
            rate_hz: 8_000,
        },
        1,
    )
    .frames()
        * 50;

    let (head, rest) = honest.split_at(12);
    let chunks = [head, b"junk\x03\0\0\0abc\0", rest, b"LIST\x04\0\0\0INFO"].concat();
    let mut rf64 = [
        b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0".as_slice(),
        &236_u64.to_le_bytes(),
    ]
    .concat();

    rf64.extend([200_u64.to_le_bytes(), 50_u64.to_le_bytes()].concat());
    rf64.extend([0; 4]);
    rf64.extend(&rest[..24]);
    rf64.extend(b"data\xff\xff\xff\xff");
    rf64.extend(&rest[32..]);

    let bw64 = [b"BW64", &rf64[4..]].concat();
    for (name, bytes) in [
        ("chunks.wav", chunks),
        ("rf64.wav", rf64),
        ("bw64.wav", bw64),
    ] {
        let path = save(&folder, name, &bytes);
        let info = AudioFile::open(&path).unwrap().info().clone();
        assert_eq!(info.frames, Some(expected as u64), "{name}");
        let (audio, warnings) = read_file(&path).unwrap();
        assert_eq!(
            (audio.frames(), warnings.len()),
            (50, 0),
            "{name}: {warnings:?}"
        );
        assert_eq!(audio.channels()[0][49], 98.0 / 32_768.0, "{name}");
    }
}
