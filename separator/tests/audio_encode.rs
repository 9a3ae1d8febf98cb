//! Tests of files that ffmpeg encodes: what it is asked, what becomes of its failures, and, where
//! the machine has one, what its files hold.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

mod audio_support;

use std::path::Path;
use std::time::Duration;

use audio_support::{best_lag, chirp, read_file, read_stream, relative_error};
use sextet_separator::audio::{
    Audio, AudioFile, BitRate, Bits, Codec, Cover, EncodeOptions, EncodedWriter, Ffmpeg, Layout,
    StemTrack, TagField, Tags, WriteError, WrittenFile,
};
use sextet_separator::{ErrorKind, Remedy};
use sextet_testing::ffmpeg::{self, listening, numbered};

const STEREO: Layout = Layout {
    channels: 2,
    rate_hz: 44_100,
};

/// Encodes `audio` into `path`, in blocks of odd sizes.
fn encode(
    ffmpeg: &Ffmpeg,
    path: &Path,
    audio: &Audio,
    options: &EncodeOptions,
) -> sextet_separator::Result<WrittenFile> {
    std::fs::write(path, "").unwrap();
    let (layout, frames) = (audio.layout(), audio.frames());
    let mut writer = EncodedWriter::new(ffmpeg, path, layout, options, frames as u64)?;
    let mut from = 0;
    for size in [1, 4_095, 3, 30_000].into_iter().cycle() {
        let to = (from + size).min(frames);
        let channels = audio.channels().iter();
        let block = channels.map(|channel| channel[from..to].to_vec());
        writer.write(&Audio::new(block.collect(), layout.rate_hz))?;
        from = to;
        if from == frames {
            break;
        }
    }
    writer.finish()
}

fn tags() -> Tags {
    let mut tags = Tags::default();
    for (field, text) in [
        (TagField::Title, "Étude (bass)"),
        (TagField::Artist, "Sextet"),
        (TagField::Track, "3"),
        (TagField::Bpm, "120"),
        (TagField::Key, "F#m"),
        (TagField::Isrc, "QZES71982312"),
    ] {
        tags.set(field, text);
    }
    tags
}

/// Files of every codec: their length to the frame, their samples, their tags.
#[test]
fn a_real_ffmpeg_encodes_the_song_whole() {
    let Some(ffmpeg) = ffmpeg::on_path() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let stereo = |rate_hz| Layout {
        channels: 2,
        rate_hz,
    };
    let mono = Layout {
        channels: 1,
        rate_hz: 32_000,
    };
    let kilobits = |rate| Some(BitRate::Kilobits(rate));

    // The codec, how much it keeps, the layout, and the largest error.
    let cases = [
        (Codec::Mp3, None, STEREO, 0.01),
        (Codec::Mp3, kilobits(96), mono, 0.05),
        (Codec::Mp3, Some(BitRate::Quality(0)), stereo(48_000), 0.02),
        (Codec::Aac, None, STEREO, 0.02),
        (Codec::Aac, kilobits(128), mono, 0.05),
        (Codec::Opus, None, stereo(48_000), 0.1),
        (Codec::Alac, None, STEREO, 1e-6),
        (Codec::Alac, None, stereo(96_000), 1e-6),
    ];
    for (codec, bit_rate, layout, bound) in cases {
        if !codec.is_in(&ffmpeg).unwrap() {
            println!(
                "{codec:?} is left out: this ffmpeg has no {}",
                codec.encoder()
            );
            continue;
        }
        for frames in [44_101, 12_345, 2_000] {
            let case = format!("{codec:?} {bit_rate:?} {layout:?}, {frames} frames");
            let path = folder.path().join("song").with_extension(codec.extension());
            let audio = chirp(layout, frames);
            let options = EncodeOptions::new()
                .codec(codec)
                .bits(Bits::B24)
                .bit_rate(bit_rate)
                .tags(tags().of_stems("0.0.0"));
            let written = encode(&ffmpeg, &path, &audio, &options).unwrap();
            let bytes = std::fs::metadata(&path).unwrap().len();
            assert_eq!(
                (written.frames, written.bytes),
                (frames as u64, bytes),
                "{case}"
            );

            let (found, warnings) = read_file(&path).unwrap();
            assert_eq!(found.layout(), layout, "{case}");
            assert_eq!(found.frames(), frames, "{case}");
            assert_eq!(warnings, [], "{case}");
            if frames > 12_000 {
                let (ours, theirs) = (&audio.channels()[0], &found.channels()[0]);
                assert_eq!(
                    best_lag(&theirs[..8_000], &ours[..8_000], 1_200),
                    0,
                    "{case}"
                );
                let middle = 3_000..frames - 3_000;
                let error = relative_error(&theirs[middle.clone()], &ours[middle]);
                assert!(error < bound, "{case}: {error}");
            }

            let found = Tags::read(&path);
            for field in [
                TagField::Title,
                TagField::Artist,
                TagField::Bpm,
                TagField::Key,
                TagField::Isrc,
            ] {
                assert_eq!(found.get(field), tags().get(field), "{case}: {field:?}");
            }
            assert!(found.is_stem(), "{case}");
        }
    }
}

#[test]
fn a_cover_goes_along_and_no_tags_are_none() {
    let Some(ffmpeg) = ffmpeg::on_path() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let audio = chirp(STEREO, 5_000);
    let mut covered = tags();
    covered.set_cover(Some(Cover {
        mime: "image/png".to_owned(),
        data: std::fs::read(audio_support::fixture("cover.png")).unwrap(),
    }));
    // The largest cover that goes along.
    let mut large = covered.clone();
    large.set_cover(Some(Cover {
        mime: "image/jpeg".to_owned(),
        data: (0..8_u32 << 20).map(|n| (n ^ n >> 9) as u8).collect(),
    }));
    assert!(large.cover().is_some());

    for codec in [Codec::Mp3, Codec::Aac, Codec::Opus, Codec::Alac] {
        let path = folder.path().join("song").with_extension(codec.extension());
        let audio = Audio::new(audio.channels().to_vec(), codec.rate_hz(48_000));
        let options = EncodeOptions::new().codec(codec).bits(Bits::B16);
        for tags in [&covered, &large] {
            encode(&ffmpeg, &path, &audio, &options.clone().tags(tags.clone())).unwrap();
            let found = Tags::read(&path);
            assert!(found.cover() == tags.cover(), "{codec:?}");
            assert_eq!(found.get(TagField::Isrc), tags.get(TagField::Isrc));
            let (heard, warnings) = read_file(&path).unwrap();
            assert_eq!((heard.frames(), warnings), (5_000, vec![]), "{codec:?}");
        }

        encode(&ffmpeg, &path, &audio, &options).unwrap();
        assert!(Tags::read(&path).is_empty(), "{codec:?}");
    }
}

/// A text that no argument of a program could hold goes along, too.
#[test]
fn a_long_comment_goes_along() {
    let Some(ffmpeg) = ffmpeg::on_path() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut tags = tags();
    let comment = "\u{e9}tude ".repeat(40_000);
    tags.set(TagField::Comment, comment.trim());
    for codec in [Codec::Mp3, Codec::Aac, Codec::Opus, Codec::Alac] {
        let path = folder.path().join("song").with_extension(codec.extension());
        let layout = Layout {
            channels: 2,
            rate_hz: codec.rate_hz(48_000),
        };
        let options = EncodeOptions::new().codec(codec).tags(tags.clone());
        encode(&ffmpeg, &path, &chirp(layout, 5_000), &options).unwrap();
        let found = Tags::read(&path);
        assert!(
            found.get(TagField::Comment) == Some(comment.trim()),
            "{codec:?}"
        );
        assert_eq!(found.get(TagField::Title), tags.get(TagField::Title));
        assert_eq!(read_file(&path).unwrap().0.frames(), 5_000, "{codec:?}");
    }
}

/// A file of another rate than the samples' is as long as the song.
#[test]
fn a_file_can_have_another_rate() {
    let Some(ffmpeg) = ffmpeg::on_path() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("song.mp3");
    let layout = |rate_hz| Layout {
        channels: 2,
        rate_hz,
    };
    for (rate_hz, file_hz) in [(96_000, 48_000), (176_400, 44_100), (48_000, 48_000)] {
        let options = EncodeOptions::new()
            .codec(Codec::Mp3)
            .bit_rate(Some(BitRate::Quality(2)))
            .rate_hz(Some(file_hz));
        let audio = chirp(layout(rate_hz), rate_hz as usize);
        encode(&ffmpeg, &path, &audio, &options).unwrap();

        let (found, warnings) = read_file(&path).unwrap();
        assert_eq!(warnings, [], "{rate_hz}");
        assert_eq!(found.layout(), layout(file_hz), "{rate_hz}");
        assert_eq!(found.frames(), file_hz as usize, "{rate_hz}");
        let expected = chirp(layout(file_hz), file_hz as usize);
        let (found, expected) = (&found.channels()[0], &expected.channels()[0]);
        assert_eq!(best_lag(&found[..9_000], &expected[..9_000], 1_200), 0);
        let middle = 3_000..file_hz as usize - 3_000;
        let error = relative_error(&found[middle.clone()], &expected[middle]);
        assert!(error < 0.05, "{rate_hz}: {error}");
    }
}

/// The same song gives the same bytes.
#[test]
fn files_do_not_depend_on_the_time() {
    let Some(ffmpeg) = ffmpeg::on_path() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let audio = chirp(STEREO, 9_000);
    for codec in [Codec::Mp3, Codec::Aac, Codec::Opus, Codec::Alac] {
        let audio = if codec == Codec::Opus {
            Audio::new(audio.channels().to_vec(), 48_000)
        } else {
            audio.clone()
        };
        let options = EncodeOptions::new()
            .codec(codec)
            .bits(Bits::B24)
            .tags(tags());
        let bytes = ["a", "b"].map(|name| {
            let path = folder.path().join(name);
            encode(&ffmpeg, &path, &audio, &options).unwrap();
            std::fs::read(path).unwrap()
        });
        assert!(bytes[0] == bytes[1], "{codec:?}");
    }
}

/// A file of stems: the mix is what other programs play, the tracks are in their order, and the
/// atom is where players look for it.
#[test]
fn a_file_of_stems_has_its_tracks_and_their_names() {
    let Some(ffmpeg) = ffmpeg::on_path() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("song.stem.mp4");
    let layout = Layout {
        channels: 10,
        rate_hz: 44_100,
    };
    let audio = chirp(layout, 44_101);
    let stems = ["Drums", "Bass", "Other", "Vocals"].map(|name| StemTrack::new(name, "#009E73"));
    let options = EncodeOptions::new()
        .codec(Codec::Aac)
        .tags(tags().of_stems("0.0.0"))
        .stems(stems.to_vec());
    encode(&ffmpeg, &path, &audio, &options).unwrap();

    // Tracks that are heard only by players of stems are not enabled.
    let file = std::fs::read(&path).unwrap();
    let moov = find(&file, b"moov").unwrap();
    let flags: Vec<u8> = all(moov, b"trak")
        .map(|trak| find(trak, b"tkhd").unwrap()[3] & 1)
        .collect();
    assert_eq!(flags, [1, 0, 0, 0, 0]);
    let udta = find(moov, b"udta").unwrap();
    let json = find(udta, b"stem").unwrap();
    let json: serde_json::Value = serde_json::from_slice(json).unwrap();
    assert_eq!(json["version"], 1);
    let names: Vec<_> = json["stems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stem| &stem["name"])
        .collect();
    assert_eq!(names, ["Drums", "Bass", "Other", "Vocals"]);
    assert_eq!(json["stems"][3]["color"], "#009E73");
    assert_eq!(json["mastering_dsp"]["limiter"]["enabled"], false);
    assert_eq!(Tags::read(&path).get(TagField::Isrc), Some("QZES71982312"));

    // Sextet reads the first track, ffmpeg gives each.
    let (mix, _) = read_file(&path).unwrap();
    assert_eq!((mix.layout(), mix.frames()), (STEREO, 44_101));
    for track in 0..5 {
        let wave = folder.path().join("track.wav");
        let status = std::process::Command::new(ffmpeg.program())
            .args(["-nostdin", "-loglevel", "error", "-y", "-i"])
            .arg(&path)
            .args(["-map", &format!("0:a:{track}"), "-c:a", "pcm_f32le"])
            .arg(&wave)
            .status()
            .unwrap();
        assert!(status.success());
        let (found, _) = read_file(&wave).unwrap();
        for channel in 0..2 {
            let reference = &audio.channels()[2 * track + channel][3_000..40_000];
            let error = relative_error(&found.channels()[channel][3_000..40_000], reference);
            assert!(error < 0.1, "track {track}, channel {channel}: {error}");
        }
    }
}

/// Returns the bodies of the atoms `name` in `bytes`.
fn all<'a>(bytes: &'a [u8], name: &'a [u8; 4]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let size = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let (atom, after) = rest.split_at_checked(size)?;
        rest = after;
        Some(atom)
    })
    .filter(move |atom| &atom[4..8] == name)
    .map(|atom| &atom[8..])
}

fn find<'a>(bytes: &'a [u8], name: &'a [u8; 4]) -> Option<&'a [u8]> {
    all(bytes, name).next()
}

/// Checks that each way to fail is an error in time, and leaves no process.
#[test]
fn every_failure_of_ffmpeg_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    // The last argument is the address of the file.
    let to = "for last; do :; done; file=${last#file:};";
    let take = "cat > /dev/null";
    let cases = [
        ("exit 1".to_owned(), "ended early"),
        ("exit 0".to_owned(), "did not write"),
        (
            "echo 'Unknown encoder' >&2; exit 8".to_owned(),
            "Unknown encoder",
        ),
        ("kill -9 $$".to_owned(), "signal"),
        (format!("{take}; exit 1"), "ended early"),
        (format!("{take}; kill -9 $$"), "signal"),
        (take.to_owned(), "did not write"),
        (
            format!("{take}; {to} echo garbage, and more > \"$file\""),
            "did not write",
        ),
        (format!("{take}; {to} rm \"$file\""), "cannot be written"),
        (
            format!("{take}; echo 'something is wrong' >&2"),
            "something is wrong",
        ),
        (
            format!("{take}; echo 'x: No space left on device' >&2; exit 1"),
            "disk is full",
        ),
        ("exec sleep 100".to_owned(), "gave nothing"),
        (format!("{take}; exec sleep 100"), "gave nothing"),
    ];
    let audio = chirp(STEREO, 100_000);
    for (script, words) in cases {
        let (ffmpeg, number) = numbered(folder.path(), &script);
        let ffmpeg = ffmpeg.with_patience(Duration::from_millis(400));
        let path = folder.path().join("song.mp3");
        let error = encode(&ffmpeg, &path, &audio, &EncodeOptions::new()).unwrap_err();

        let message = error.to_string();
        assert!(message.contains(words), "{script}: {message}");
        assert!(!message.contains('\n'), "one line: {message}");
        assert_eq!(error.kind(), ErrorKind::Output, "{script}");
        let cause = error.cause::<WriteError>().unwrap();
        assert!(!cause.remedies().is_empty(), "{script}");
        assert!(!error.remedies().contains(&Remedy::Report), "{script}");

        assert_ne!(number.lives(), Some(true), "{script}");
    }
}

/// Checks the arguments: a name is never an option or an address, and nothing is a shell's.
#[test]
fn a_name_is_never_an_option_or_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let (ffmpeg, told) = listening(folder.path(), "cat > /dev/null");
    for name in [
        "-i.mp3",
        "http:a.mp3",
        "a;touch b.mp3",
        "$(x) `y`.mp3",
        "%d.mp3",
    ] {
        let path = folder.path().join(name);
        encode(&ffmpeg, &path, &chirp(STEREO, 10), &EncodeOptions::new()).unwrap_err();
        let told = told.arguments();
        let last = told.last().unwrap();
        assert_eq!(*last, format!("file:{}", path.display()));
        assert!(
            told.iter().any(|argument| argument == "file,pipe"),
            "{told:?}"
        );
    }
}

#[test]
fn a_writer_that_is_dropped_ends_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let (ffmpeg, number) = numbered(folder.path(), "exec sleep 100");
    let path = folder.path().join("song.mp3");
    std::fs::write(&path, "").unwrap();
    let mut writer =
        EncodedWriter::new(&ffmpeg, &path, STEREO, &EncodeOptions::new(), 100).unwrap();
    writer.write(&chirp(STEREO, 100)).unwrap();

    number.wait();
    assert_ne!(number.lives(), Some(false));
    drop(writer);
    assert_ne!(number.lives(), Some(true));
}

/// Other programs read what Sextet writes: `AudioFile` through ffmpeg is one.
#[test]
fn ffmpeg_gives_the_length_of_what_states_it() {
    let Some(ffmpeg) = ffmpeg::on_path() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // ffmpeg plays the padding of AAC, whatever the file states.
    for (codec, rate_hz) in [
        (Codec::Mp3, 44_100),
        (Codec::Opus, 48_000),
        (Codec::Alac, 44_100),
    ] {
        let layout = Layout {
            channels: 2,
            rate_hz,
        };
        let path = folder.path().join("song").with_extension(codec.extension());
        let options = EncodeOptions::new().codec(codec).bits(Bits::B24);
        encode(&ffmpeg, &path, &chirp(layout, 12_345), &options).unwrap();
        let wave = folder.path().join("decoded.wav");
        let status = std::process::Command::new(ffmpeg.program())
            .args(["-nostdin", "-loglevel", "error", "-y", "-i"])
            .arg(&path)
            .arg(&wave)
            .status()
            .unwrap();
        assert!(status.success());
        let file = AudioFile::open(&wave).unwrap();
        let (found, _) = read_stream(file.stream().unwrap()).unwrap();
        assert_eq!(found.frames(), 12_345, "{codec:?}");
    }
}
