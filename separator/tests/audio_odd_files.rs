//! Tests of files that no encoder's manual describes: joined, cut, fragmented, edited, wrapped.
//! Everything that such a file holds is heard at its place, and nothing else.
#![allow(clippy::unwrap_used, reason = "what fails is the test")]
#![allow(
    clippy::single_range_in_vec_init,
    reason = "a list of one range is meant"
)]

mod audio_support;

use std::path::PathBuf;

use audio_support::{best_lag, chirp, fixture, read_file, relative_error};
use proptest::prelude::*;
use sextet_separator::audio::{Audio, AudioFile, Layout, Resampler};
use tempfile::TempDir;

const STEREO: Layout = Layout {
    channels: 2,
    rate_hz: 44_100,
};
/// Frames of the fixtures in stereo.
const FRAMES: usize = 12_345;

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

fn save(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Reads bytes as a file. Returns the audio and its warnings.
fn read(name: &str, bytes: &[u8]) -> (Audio, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (audio, warnings) = read_file(save(&folder, name, bytes)).unwrap();
    (audio, warnings.iter().map(ToString::to_string).collect())
}

fn fixture_audio(name: &str) -> Audio {
    read_file(fixture(name)).unwrap().0
}

/// Joins runs of audio of one layout.
fn joined(parts: &[&Audio]) -> Audio {
    let layout = parts[0].layout();
    let channel = |number: usize| {
        let parts = parts.iter().map(|part| part.channels()[number].as_slice());
        parts.collect::<Vec<_>>().concat()
    };
    Audio::new((0..layout.channels).map(channel).collect(), layout.rate_hz)
}

/// ID3v2 tag with a cover of `size` bytes, among them some that look like frames.
fn id3(size: usize) -> Vec<u8> {
    let cover = [0xff, 0xfb, 0x90, 0x64, 1, 2, 3, 0xff, 0xf1, 0x50, 0x80];
    let cover: Vec<u8> = cover.iter().copied().cycle().take(size).collect();
    let picture = [b"\0image/png\0\x03\0".as_slice(), &cover].concat();
    let frame = [
        b"APIC".as_slice(),
        &(picture.len() as u32).to_be_bytes(),
        &[0, 0],
        &picture,
    ]
    .concat();
    let size = frame.len();
    let seven = |shift: usize| (size >> shift & 0x7f) as u8;
    let mut tag = b"ID3\x03\0\0".to_vec();
    tag.extend([seven(21), seven(14), seven(7), seven(0)]);
    tag.extend(frame);
    tag
}

fn id3v1() -> Vec<u8> {
    let mut tag = b"TAG".to_vec();
    tag.resize(128, b' ');
    tag
}

fn ape() -> Vec<u8> {
    let items = [b"\x05\0\0\0\0\0\0\0Title\0".as_slice(), b"A\xff\xfbBC"].concat();
    let part = |flags: u32| {
        let mut part = b"APETAGEX\xd0\x07\0\0".to_vec();
        part.extend((items.len() as u32 + 32).to_le_bytes());
        part.extend(1_u32.to_le_bytes());
        part.extend(flags.to_le_bytes());
        part.extend([0; 8]);
        part
    };
    [part(0xa000_0000), items.clone(), part(0x8000_0000)].concat()
}

/// Checks containers and codecs for their length, place and signal.
#[test]
fn rare_containers_give_the_song() {
    let cases = [
        ("fragmented_alac.mp4", "alac", 1e-4),
        ("fragmented_flac.mp4", "flac", 1e-4),
        ("flac.mka", "flac", 1e-4),
        ("aac.mkv", "aac", 0.15),
        ("layer2.mp2", "mp2", 0.1),
        ("ac3_then_aac.mp4", "aac", 0.15),
    ];
    for (name, codec, bound) in cases {
        let file = AudioFile::open(fixture(name)).unwrap();
        assert_eq!((file.info().codec, file.info().layout), (codec, STEREO));
        let (audio, warnings) = read_file(fixture(name)).unwrap();

        // Padding may follow. Layer II, and AAC in ffmpeg's Matroska, do not state their delay.
        let found = audio.frames();
        assert!((FRAMES..FRAMES + 2_000).contains(&found), "{name}: {found}");
        let lag = match name {
            "layer2.mp2" => 481,
            "aac.mkv" => 1_024,
            _ => 0,
        };
        for (found, signal) in audio
            .channels()
            .iter()
            .zip(chirp(STEREO, FRAMES).channels())
        {
            let end = found.len().min(FRAMES + lag);
            assert_eq!(best_lag(&found[..end], signal, 1200), lag as i64, "{name}");
            let error = relative_error(&found[lag..end], &signal[..end - lag]);
            assert!(error < bound, "{name}: {error}");
        }

        let is_second = name.starts_with("ac3");
        assert_eq!(
            warnings.len(),
            usize::from(is_second),
            "{name}: {warnings:?}"
        );
        assert!(
            !is_second || warnings[0].to_string().contains("AC-3"),
            "{warnings:?}"
        );
    }
}

#[test]
fn opus_in_other_containers_is_like_in_ogg() {
    let ogg = fixture_audio("ffmpeg.opus");
    for name in ["opus.webm", "opus.caf"] {
        let (audio, warnings) = read_file(fixture(name)).unwrap();
        assert_eq!(warnings, [], "{name}");
        let frames = audio.frames().min(ogg.frames());
        assert!(
            frames >= 13_437 && audio.frames() < 13_437 + 1_300,
            "{name}: {frames}"
        );
        for (found, expected) in audio.channels().iter().zip(ogg.channels()) {
            let (found, expected) = (&found[..13_437], &expected[..13_437]);
            // ffmpeg does not tell a CAF file of the delay.
            let lag = if name == "opus.caf" { 312 } else { 0 };
            assert_eq!(best_lag(found, expected, 700), lag as i64, "{name}");
            let error = relative_error(&found[lag..], &expected[..13_437 - lag]);
            assert!(error < 0.1, "{name}: {error}");
        }
    }
}

/// Checks songs that were joined with tags before, between and after them.
#[test]
fn joined_songs_follow_one_another_without_their_tags() {
    let between = [
        Vec::new(),
        id3(200_000),
        id3v1(),
        ape(),
        [id3v1(), id3(9)].concat(),
    ];
    let mut cases = 0;
    for name in ["lame_cbr.mp3", "lame_vbr.mp3", "ffmpeg.mp3"] {
        let (song, alone) = (bytes(name), fixture_audio(name));
        for tag in &between {
            let file = [tag, &song, tag, &song, &id3v1()]
                .map(Vec::as_slice)
                .concat();
            // A tag of the old kind cannot begin a file.
            let file = file.strip_prefix(id3v1().as_slice()).unwrap_or(&file);
            let (audio, warnings) = read("joined.mp3", file);
            assert_eq!(warnings, [""; 0], "{name}");
            assert_eq!(audio.frames(), 2 * FRAMES, "{name}");

            // The second song begins with another state of the decoder.
            let expected = joined(&[&alone, &alone]);
            for (found, expected) in audio.channels().iter().zip(expected.channels()) {
                let error = relative_error(found, expected);
                assert!(error < 0.02, "{name}: {error}");
            }
            cases += 1;
        }
    }
    assert_eq!(cases, 15);

    // Without a tag of LAME, all decoded frames count.
    let song = bytes("lame_untagged.mp3");
    let alone = fixture_audio("lame_untagged.mp3");
    let (audio, warnings) = read(
        "bare.mp3",
        &[id3(99), song.clone(), id3(70_000), song].concat(),
    );
    assert_eq!(warnings, [""; 0]);
    assert_eq!(audio.frames(), 2 * alone.frames());
}

#[test]
fn raw_aac_is_joined_likewise() {
    let (song, alone) = (bytes("raw.aac"), fixture_audio("raw.aac"));
    let (audio, warnings) = read("joined.aac", &[song.clone(), id3(50_000), song].concat());
    assert_eq!(warnings, [""; 0]);
    assert_eq!(audio.frames(), 2 * alone.frames());
}

/// Checks an MP3 that changes from mono at 22 kHz to stereo at 44 kHz, and back.
#[test]
fn a_change_of_the_layout_is_followed() {
    let (mono, stereo) = (bytes("lame_mono.mp3"), bytes("lame_cbr.mp3"));
    let (low, high) = (
        fixture_audio("lame_mono.mp3"),
        fixture_audio("lame_cbr.mp3"),
    );
    let mut resampler = Resampler::new(low.layout(), 44_100).unwrap();
    let ready = resampler.push(low.clone()).unwrap();
    let low = joined(&[&ready, &resampler.finish(2 * 4_321).unwrap()]);
    let middle: Vec<f32> = low.channels()[0]
        .iter()
        .map(|sample| sample * std::f32::consts::FRAC_1_SQRT_2)
        .collect();
    let low = Audio::new(vec![middle; 2], 44_100);

    for (file, parts) in [
        ([mono.clone(), stereo.clone()].concat(), [&low, &high]),
        ([stereo, mono].concat(), [&high, &low]),
    ] {
        let (audio, warnings) = read("change.mp3", &file);
        assert_eq!(
            (audio.layout(), audio.frames()),
            (STEREO, FRAMES + 2 * 4_321)
        );
        assert!(
            warnings.len() == 1 && warnings[0].contains("changes from"),
            "{warnings:?}"
        );
        for (found, expected) in audio.channels().iter().zip(joined(&parts).channels()) {
            let error = relative_error(found, expected);
            assert!(error < 0.03, "{error}");
        }
    }
}

/// Returns an MP4 file whose `moov` lies at its end, with the given edits (length, start) in its
/// only track.
fn with_edits(file: &[u8], edits: &[(u32, i32)]) -> Vec<u8> {
    let word = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let find = |name: &[u8], mut at: usize, end: usize| {
        while &file[at + 4..at + 8] != name {
            at += word(at);
            assert!(at < end, "{} is there", String::from_utf8_lossy(name));
        }
        at
    };
    let moov = find(b"moov", 0, file.len());
    let moov_end = moov + word(moov);
    assert_eq!(moov_end, file.len());
    let trak = find(b"trak", moov + 8, moov_end);
    let edts = find(b"edts", trak + 8, trak + word(trak));
    let edts_end = edts + word(edts);

    let mut list = [0_u32, edits.len() as u32].map(u32::to_be_bytes).concat();
    for &(length, start) in edits {
        list.extend(
            [length, start as u32, 0x1_0000]
                .map(u32::to_be_bytes)
                .concat(),
        );
    }
    let boxed =
        |name: &[u8], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes(), name, body].concat();
    let new = boxed(b"edts", &boxed(b"elst", &list));

    let mut out = [&file[..edts], &new, &file[edts_end..]].concat();
    for at in [moov, trak] {
        let size = word(at) + new.len() - (edts_end - edts);
        out[at..at + 4].copy_from_slice(&(size as u32).to_be_bytes());
    }
    out
}

/// Checks edits of a lossless file against its samples. Its movie counts milliseconds.
#[test]
fn every_edit_of_an_mp4_is_heard() {
    let (file, whole) = (bytes("alac.m4a"), fixture_audio("alac.m4a"));
    let parts = |ranges: &[std::ops::Range<usize>]| {
        let part = |range: &std::ops::Range<usize>| {
            let channel = |channel: &Vec<f32>| channel[range.clone()].to_vec();
            Audio::new(whole.channels().iter().map(channel).collect(), 44_100)
        };
        let parts: Vec<_> = ranges.iter().map(part).collect();
        joined(&parts.iter().collect::<Vec<_>>())
    };

    // 100 ms are 4410 frames.
    let cases: [(&[(u32, i32)], Audio); 5] = [
        (&[(100, 0)], parts(&[0..4410])),
        (&[(100, 50), (100, 7000)], parts(&[50..4460, 7000..11_410])),
        (
            &[(50, -1), (100, 50), (0, 10_000)],
            parts(&[50..4460, 10_000..FRAMES]),
        ),
        (
            &[(100, 7000), (100, 100)],
            parts(&[7000..11_410, 100..4510]),
        ),
        (&[(100, 0), (100, 0)], parts(&[0..4410, 0..4410])),
    ];
    for (edits, expected) in cases {
        let (audio, warnings) = read("edited.m4a", &with_edits(&file, edits));
        assert_eq!(warnings, [""; 0], "{edits:?}");
        assert!(audio == expected, "{edits:?}: {} frames", audio.frames());
    }
}

/// Offsets of the frames of `stereo.flac`, whose blocks have 1152 samples.
fn flac_frames(file: &[u8]) -> Vec<usize> {
    let is_frame = |at: &usize| {
        let head = &file[*at..];
        // A block of 1152 samples or one whose size is stated, at 44.1 kHz, of 16 bits.
        head.starts_with(&[0xff, 0xf8])
            && matches!(head[2], 0x39 | 0x69 | 0x79)
            && head[3] & 15 == 8
    };
    let frames: Vec<usize> = (0..file.len() - 8).filter(is_frame).collect();
    assert_eq!(frames.len(), FRAMES.div_ceil(1152));
    frames
}

#[test]
fn a_flac_header_that_contradicts_its_frames_is_corrected() {
    let whole = fixture_audio("stereo.flac");
    // The smallest and the largest block, and the smallest and the largest frame in bytes.
    for (at, false_bytes) in [
        (8, [0, 0].as_slice()),
        (8, &[0, 0, 0xff, 0xff]),
        (8, &[0x20, 0, 0x10, 0]),
        (8, &[0, 1, 0, 1]),
        (12, &[0, 9, 9, 0, 0, 1]),
    ] {
        let mut file = bytes("stereo.flac");
        file[at..at + false_bytes.len()].copy_from_slice(false_bytes);
        let (audio, warnings) = read("header.flac", &file);
        assert_eq!(warnings, [""; 0], "{false_bytes:?}");
        assert!(audio == whole, "{false_bytes:?}");
    }
}

#[test]
fn a_flac_that_was_cut_begins_with_its_first_frame() {
    let (file, whole) = (bytes("stereo.flac"), fixture_audio("stereo.flac"));
    let frames = flac_frames(&file);
    for first in 1..frames.len() {
        let cut = [&file[..frames[0]], &file[frames[first]..]].concat();
        let (audio, warnings) = read("cut.flac", &cut);
        assert_eq!(warnings, [""; 0], "{first}");
        for (found, whole) in audio.channels().iter().zip(whole.channels()) {
            assert!(found == &whole[1152 * first..], "{first}");
        }

        // A beginning that is damaged keeps its time.
        let mut damaged = file.clone();
        damaged[frames[0]..frames[first]].fill(0x55);
        let (audio, warnings) = read("damaged.flac", &damaged);
        assert_eq!(audio.frames(), FRAMES, "{first}");
        assert!(
            warnings.len() == 1 && warnings[0].contains("silence"),
            "{warnings:?}"
        );
    }
}

#[test]
fn joined_flacs_follow_one_another() {
    let (file, whole) = (bytes("stereo.flac"), fixture_audio("stereo.flac"));
    let tags = [ape(), id3v1()].concat();
    let (audio, warnings) = read(
        "joined.flac",
        &[&*file, &tags, &file, &file, &tags].concat(),
    );
    assert_eq!(warnings, [""; 0]);
    assert!(
        audio == joined(&[&whole, &whole, &whole]),
        "{}",
        audio.frames()
    );

    // Another rate and other bits follow: 3000 frames at 96 kHz.
    let (audio, warnings) = read("mixed.flac", &[file, bytes("deep.flac")].concat());
    assert_eq!(audio.rate_hz(), 96_000);
    let frames = Resampler::output_frames(FRAMES as u64, 44_100, 96_000) + 3_000;
    assert_eq!(audio.frames() as u64, frames);
    assert!(
        warnings.len() == 1 && warnings[0].contains("changes from"),
        "{warnings:?}"
    );
}

#[test]
fn a_caf_without_a_size_is_read_to_its_end() {
    let (file, whole) = (bytes("mono.caf"), fixture_audio("mono.caf"));
    let at = file.windows(4).position(|name| name == b"data").unwrap() + 4;
    let mut open = file.clone();
    open[at..at + 8].copy_from_slice(&(-1_i64).to_be_bytes());
    let (audio, warnings) = read("live.caf", &open);
    assert_eq!(warnings, [""; 0]);
    assert!(audio == whole);

    // A file that was cut off gives the samples that are left.
    let (audio, warnings) = read("cut.caf", &file[..at + 8 + 4 + 2 * 1_000]);
    assert_eq!(audio.channels()[0], whole.channels()[0][..1_000]);
    assert!(
        warnings.len() == 1 && warnings[0].contains("ends early"),
        "{warnings:?}"
    );
}

/// WAVE file of the given format and samples.
fn wav(tag: u16, channels: u16, bits: u16, frame_bytes: u16, data: &[u8]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
    file.extend([tag, channels].map(u16::to_le_bytes).concat());
    let rate_hz = 44_100_u32;
    file.extend(
        [rate_hz, rate_hz * u32::from(frame_bytes)]
            .map(u32::to_le_bytes)
            .concat(),
    );
    file.extend([frame_bytes, bits].map(u16::to_le_bytes).concat());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    let size = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&size.to_le_bytes());
    file
}

/// Checks samples of every number of bits in every size of storage that holds them.
#[test]
fn samples_lie_in_the_upper_bits_of_their_storage() {
    let signal: Vec<f64> = (0..500).map(|n| 0.7 * (f64::from(n) * 0.1).sin()).collect();
    let mut cases = 0;
    for storage in 2..=4_u16 {
        for bits in 8 * (storage - 1) + 1..=8 * storage {
            let step = 1_i64 << (8 * storage - bits);
            let full = 2_f64.powi(i32::from(bits) - 1);
            let data: Vec<u8> = signal
                .iter()
                .flat_map(|value| {
                    let value = (value * full).round() as i64 * step;
                    [value, value].map(|value| value.to_le_bytes()[..storage.into()].to_vec())
                })
                .flatten()
                .collect();
            let (audio, warnings) = read("bits.wav", &wav(1, 2, bits, 2 * storage, &data));
            assert_eq!(warnings, [""; 0], "{bits} in {storage}");
            for (found, value) in audio.channels()[1].iter().zip(&signal) {
                let error = (f64::from(*found) - value).abs();
                assert!(error <= 0.51 / full + 1e-7, "{bits} in {storage}: {error}");
            }
            cases += 1;
        }
    }

    // 24 in 32, the case that began it.
    let data: Vec<u8> = (0..200)
        .flat_map(|n: i32| (n << 20).to_le_bytes())
        .collect();
    let (audio, _) = read("wide.wav", &wav(1, 2, 24, 8, &data));
    assert_eq!(audio.channels()[1][3], (7 << 20) as f32 / 2_147_483_648.0);
    println!("{cases} formats");
    assert_eq!(cases, 24);
}

#[test]
fn frames_that_contradict_their_samples_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (tag, channels, bits, frame_bytes) in [(1, 2, 16, 10), (3, 2, 32, 16), (3, 1, 64, 16)] {
        let file = wav(tag, channels, bits, frame_bytes, &[0; 800]);
        let error = read_file(save(&folder, "frame.wav", &file)).unwrap_err();
        let words = format!("found a frame of {frame_bytes} bytes");
        assert!(error.to_string().contains(&words), "{error}");
    }
}

/// Checks a file of more than 4 GiB, which takes no room on most disks, by its header.
#[test]
fn a_wav_whose_size_has_wrapped_is_long() {
    let folder = tempfile::tempdir().unwrap();
    let data_bytes = (1_u64 << 32) + 4 * 1_000;
    let mut head = wav(1, 2, 16, 4, &[]);
    head[40..44].copy_from_slice(&(data_bytes as u32).to_le_bytes());
    let path = save(&folder, "long.wav", &head);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(44 + data_bytes).unwrap();

    let frames = AudioFile::open(&path).unwrap().info().frames;
    assert_eq!(frames, Some(data_bytes / 4));
}

/// AIFF-C file of 16-bit mono, or of other storage, with 300 frames.
fn aifc(compression: &[u8; 4], bits: u16, data: &[u8]) -> Vec<u8> {
    let mut common = 1_u16.to_be_bytes().to_vec();
    common.extend(300_u32.to_be_bytes());
    common.extend(bits.to_be_bytes());
    // 44100 as an extended float.
    common.extend([0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0]);
    common.extend(compression);
    common.extend([0, 0]);
    let chunk =
        |name: &[u8], body: &[u8]| [name, &(body.len() as u32).to_be_bytes(), body].concat();
    let sound = [&[0; 8], data].concat();
    let body = [
        b"AIFC".to_vec(),
        chunk(b"COMM", &common),
        chunk(b"SSND", &sound),
    ]
    .concat();
    chunk(b"FORM", &body)
}

#[test]
fn plain_samples_of_every_order_are_read() {
    let values: Vec<i32> = (0..300).map(|n| (n - 150) * 14_000_000).collect();
    let little = |bytes: usize| -> Vec<u8> {
        let sample = |value: &i32| value.to_le_bytes()[4 - bytes..].to_vec();
        values.iter().flat_map(sample).collect()
    };
    let big = |bytes: usize| -> Vec<u8> {
        let sample = |value: &i32| value.to_be_bytes()[..bytes].to_vec();
        values.iter().flat_map(sample).collect()
    };
    let floats: Vec<u8> = values
        .iter()
        .flat_map(|&value| (value as f32 / 2_147_483_648.0).to_be_bytes())
        .collect();
    let au = |encoding: u32, data: Vec<u8>| {
        let words = [24, data.len() as u32, encoding, 44_100, 1];
        [b".snd".to_vec(), words.map(u32::to_be_bytes).concat(), data].concat()
    };
    let w64 = |bits: u16, data: Vec<u8>| {
        let guid =
            |name: &[u8]| [name, b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"].concat();
        let format = wav(1, 1, bits, bits / 8, &[])[20..36].to_vec();
        let mut file = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00".to_vec();
        file.extend(0_u64.to_le_bytes());
        file.extend(guid(b"wave"));
        file.extend([guid(b"junk"), 27_u64.to_le_bytes().to_vec(), vec![1; 3 + 5]].concat());
        file.extend([guid(b"fmt "), 40_u64.to_le_bytes().to_vec(), format].concat());
        file.extend(
            [
                guid(b"data"),
                (24 + data.len() as u64).to_le_bytes().to_vec(),
                data,
            ]
            .concat(),
        );
        file
    };

    let cases = [
        ("sowt 16", aifc(b"sowt", 16, &little(2)), 2),
        ("sowt 24", aifc(b"sowt", 24, &little(3)), 3),
        ("sowt 20", aifc(b"sowt", 20, &little(3)), 3),
        ("NONE 24", aifc(b"NONE", 24, &big(3)), 3),
        ("NONE 8", aifc(b"NONE", 8, &big(1)), 1),
        ("in32", aifc(b"in32", 32, &big(4)), 4),
        ("23ni", aifc(b"23ni", 32, &little(4)), 4),
        ("fl32", aifc(b"fl32", 32, &floats), 3),
        ("au 8", au(2, big(1)), 1),
        ("au 16", au(3, big(2)), 2),
        ("au 24", au(4, big(3)), 3),
        ("au float", au(6, floats.clone()), 3),
        ("w64 16", w64(16, little(2)), 2),
        ("w64 24", w64(24, little(3)), 3),
    ];
    for (name, file, bytes) in cases {
        let (audio, warnings) = read("samples", &file);
        assert_eq!(warnings, [""; 0], "{name}");
        assert_eq!((audio.frames(), audio.rate_hz()), (300, 44_100), "{name}");
        let step = 1.0 / (1_u64 << (8 * bytes - 1)) as f64;
        for (found, &value) in audio.channels()[0].iter().zip(&values) {
            let error = (f64::from(*found) - f64::from(value) / 2_147_483_648.0).abs();
            assert!(error <= step, "{name}: {found} for {value}");
        }
    }
}

/// Inserts a cover of `size` bytes into the comment header of an Ogg file whose first two packets
/// are on pages of their own.
fn with_cover(file: &[u8], size: usize) -> Vec<u8> {
    let page = |at: usize| {
        let segments = usize::from(file[at + 26]);
        let lacing = &file[at + 27..at + 27 + segments];
        let body = lacing.iter().map(|&size| usize::from(size)).sum::<usize>();
        (lacing, at + 27 + segments, at + 27 + segments + body)
    };
    let (_, _, first_end) = page(0);
    let (lacing, body, second_end) = page(first_end);
    let comment_segments = lacing.iter().position(|&size| size < 255).unwrap() + 1;
    let comment: usize = lacing[..comment_segments]
        .iter()
        .map(|&size| usize::from(size))
        .sum();

    let mut packets = vec![file[body..body + comment].to_vec()];
    packets[0].resize(comment + size, b'A');
    if comment_segments < lacing.len() {
        packets.push(file[body + comment..second_end].to_vec());
        assert!(
            lacing[comment_segments..]
                .iter()
                .rev()
                .skip(1)
                .all(|&size| size == 255)
        );
    }
    let serial = &file[14..18];
    [
        &file[..first_end],
        &pages(serial, &packets),
        &file[second_end..],
    ]
    .concat()
}

fn pages(serial: &[u8], packets: &[Vec<u8>]) -> Vec<u8> {
    let mut segments: Vec<(Vec<u8>, bool)> = Vec::new();
    for packet in packets {
        let mut whole: Vec<_> = packet
            .chunks(255)
            .map(|part| (part.to_vec(), true))
            .collect();
        if packet.len() % 255 == 0 {
            whole.push((Vec::new(), true));
        }
        whole[0].1 = false;
        segments.extend(whole);
    }

    let mut out = Vec::new();
    for (number, run) in segments.chunks(255).enumerate() {
        let ends = run.iter().any(|(part, _)| part.len() < 255);
        let granule = if ends { 0_i64 } else { -1 };
        let mut page = b"OggS\0".to_vec();
        page.push(u8::from(run[0].1));
        page.extend(granule.to_le_bytes());
        page.extend(serial);
        page.extend((number as u32 + 1).to_le_bytes());
        page.extend([0; 4]);
        page.push(run.len() as u8);
        page.extend(run.iter().map(|(part, _)| part.len() as u8));
        page.extend(run.iter().flat_map(|(part, _)| part));
        let crc = crc(&page);
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        out.extend(page);
    }
    out
}

fn crc(page: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256_u32)
        .map(|byte| {
            (0..8).fold(byte << 24, |crc, _| {
                if crc >> 31 == 1 {
                    crc << 1 ^ 0x04c1_1db7
                } else {
                    crc << 1
                }
            })
        })
        .collect();
    page.iter().fold(0, |crc: u32, &byte| {
        crc << 8 ^ table[(crc >> 24) as usize ^ usize::from(byte)]
    })
}

#[test]
fn an_ogg_with_a_poster_for_a_cover_is_read() {
    for name in ["vorbis.ogg", "ffmpeg.ogg", "ffmpeg.opus"] {
        let whole = fixture_audio(name);
        for size in [100_000, 17 << 20] {
            let (audio, warnings) = read(name, &with_cover(&bytes(name), size));
            assert_eq!(warnings, [""; 0], "{name}, {size}");
            assert!(audio == whole, "{name}, {size}: {} frames", audio.frames());
        }
    }
}

/// Checks that a chained Ogg file goes on in another layout and another codec.
#[test]
fn a_chained_ogg_goes_on_in_another_layout() {
    for (first, second, frames, layout) in [
        ("vorbis.ogg", "mono.ogg", FRAMES + 2 * 4_321, STEREO),
        ("mono.ogg", "vorbis.ogg", FRAMES + 2 * 4_321, STEREO),
    ] {
        let (audio, warnings) = read("chain.ogg", &[bytes(first), bytes(second)].concat());
        assert_eq!(
            (audio.layout(), audio.frames()),
            (layout, frames),
            "{first}"
        );
        assert!(
            warnings.len() == 1 && warnings[0].contains("changes from"),
            "{warnings:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A file of joined songs holds each of them, whatever lies between them.
    #[test]
    fn joined_files_hold_every_song(
        songs in proptest::collection::vec((0..3_usize, 0..5_usize), 1..6),
    ) {
        let names = ["lame_cbr.mp3", "lame_vbr.mp3", "ffmpeg.mp3"];
        let tags = [Vec::new(), id3(300), id3v1(), ape(), [id3(5), id3(70_000)].concat()];
        let mut file = Vec::new();
        for &(song, tag) in &songs {
            file.extend(bytes(names[song]));
            file.extend(&tags[tag]);
        }
        let (audio, warnings) = read("songs.mp3", &file);
        prop_assert_eq!(audio.frames(), FRAMES * songs.len());
        prop_assert_eq!(warnings, Vec::<String>::new());
    }

    /// A FLAC that is cut at both ends, at any frame, holds the frames between.
    #[test]
    fn cut_flacs_hold_what_is_between(first in 0..10_usize, count in 1..11_usize) {
        let (file, whole) = (bytes("stereo.flac"), fixture_audio("stereo.flac"));
        let frames = flac_frames(&file);
        let last = (first + count).min(frames.len());
        let end = frames.get(last).copied().unwrap_or(file.len());
        let cut = [&file[..frames[0]], &file[frames[first]..end]].concat();
        let (audio, _) = read("cut.flac", &cut);
        let expected = 1152 * first..(1152 * last).min(FRAMES);
        prop_assert!(audio.channels()[0] == whole.channels()[0][expected]);
    }

    /// A flipped bit of a joined file never gives more than the file holds.
    #[test]
    fn flipped_files_hold_no_more(at in 0..20_000_usize, bit in 0..8_u32) {
        let song = bytes("lame_untagged.mp3");
        let mut file = [id3(3_000), song.clone(), id3(500), song].concat();
        let at = at % file.len();
        file[at] ^= 1 << bit;
        let folder = tempfile::tempdir().unwrap();
        let path = save(&folder, "flipped.mp3", &file);
        if let Ok((audio, _)) = read_file(path) {
            // A flipped rate makes frames longer, up to the slowest one.
            let alone = fixture_audio("lame_untagged.mp3").frames();
            prop_assert!(audio.frames() <= 2 * alone + 8 * 1152, "{}", audio.frames());
        }
    }
}
