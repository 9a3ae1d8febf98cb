//! Tests of written files: the samples are read back unchanged, and tags are kept.
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

mod audio_support;

use std::fs::File;
use std::io::{self, Cursor, SeekFrom};
use std::path::Path;

use audio_support::{fixture, noise, read_file};
use sextet_separator::audio::{
    Audio, AudioFile, AudioWriter, Bits, Cover, FileFormat, Layout, TagField, Tags, WriteError,
    WriteOptions, WrittenFile,
};
use sextet_separator::{ErrorKind, Remedy};
use sha2::Digest as _;

const STEREO: Layout = Layout {
    channels: 2,
    rate_hz: 44_100,
};

fn options(format: FileFormat, bits: Bits) -> WriteOptions {
    WriteOptions::new()
        .format(format)
        .bits(bits)
        .tags(Tags::default())
}

/// Writes `audio` in blocks of `block` frames.
fn write(
    path: &Path,
    audio: &Audio,
    options: &WriteOptions,
    block: usize,
) -> sextet_separator::Result<WrittenFile> {
    let file = File::create(path).unwrap();
    let mut writer = AudioWriter::new(file, audio.layout(), options, audio.frames() as u64)?;
    for start in (0..audio.frames()).step_by(block) {
        let end = (start + block).min(audio.frames());
        let part = audio
            .channels()
            .iter()
            .map(|channel| channel[start..end].to_vec())
            .collect();
        writer.write(&Audio::new(part, audio.rate_hz()))?;
    }

    Ok(writer.finish()?.0)
}

/// Returns `audio` rounded to integers of `bits` bits.
fn rounded(audio: &Audio, bits: Bits) -> Audio {
    let mut audio = audio.clone();
    let scale = match bits {
        Bits::B16 => 32_768.0,
        Bits::B24 => 8_388_608.0,
        _ => return audio,
    };

    for channel in audio.channels_mut() {
        for sample in channel {
            *sample = (*sample * scale).round().min(scale - 1.0) / scale;
        }
    }

    audio
}

/// Checks that files are read back as they were written, in every format, bit depth and number of
/// channels and at several lengths and rates.
#[test]
fn what_is_read_is_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let formats = [
        (FileFormat::Wav, Bits::B16),
        (FileFormat::Wav, Bits::B24),
        (FileFormat::Wav, Bits::Float32),
        (FileFormat::Flac, Bits::B16),
        (FileFormat::Flac, Bits::B24),
        (FileFormat::Aiff, Bits::B16),
        (FileFormat::Aiff, Bits::B24),
        (FileFormat::Aiff, Bits::Float32),
    ];

    let mut cases = 0;
    for (format, bits) in formats {
        for channels in 1..=8 {
            for (frames, rate_hz) in [
                (1, 44_100),
                (2, 8_000),
                (4_095, 48_000),
                (4_096, 44_099),
                (9_999, 192_000),
            ] {
                let audio = noise(Layout { channels, rate_hz }, frames, 5);
                let path = folder
                    .path()
                    .join(format!("{channels} {frames}.{}", format.extension()));
                let written = write(&path, &audio, &options(format, bits), 1_000).unwrap();
                assert_eq!(written.frames, frames as u64);
                let file = AudioFile::open(&path).unwrap();
                assert_eq!(file.info().bits, Some(bits.count()));
                assert_eq!(file.info().frames, Some(frames as u64));
                assert_eq!(file.info().speakers.len(), channels);
                let (found, warnings) = read_file(&path).unwrap();
                assert_eq!(warnings, []);
                assert!(
                    found == rounded(&audio, bits),
                    "{format:?} {bits:?}, {channels} channels, {frames} frames"
                );
                cases += 1;
            }
        }
    }

    assert_eq!(cases, 320);
}

/// Checks that the size in a WAV's header is that of the file, including the pad byte after samples
/// of odd length.
#[test]
fn wav_sizes_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut odd = 0;
    for (channels, frames) in [(1, 1), (1, 2), (3, 1), (3, 7), (2, 5)] {
        for (bits, tags) in [
            (Bits::B24, Tags::default()),
            (Bits::B24, song()),
            (Bits::B16, song()),
        ] {
            let path = folder.path().join("song.wav");
            let audio = noise(
                Layout {
                    channels,
                    rate_hz: 44_100,
                },
                frames,
                1,
            );
            let options = WriteOptions::new()
                .format(FileFormat::Wav)
                .bits(bits)
                .tags(tags);
            write(&path, &audio, &options, 1).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            let size = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
            assert_eq!(
                size as usize + 8,
                bytes.len(),
                "{channels} channels, {frames} frames, {bits:?}"
            );
            assert_eq!(bytes.len() % 2, 0);
            odd += channels * frames * bits.count() as usize / 8 % 2;
        }
    }

    assert_eq!(odd, 6);
}

/// Checks that a float32 sample keeps every bit, far beyond full scale and far below it.
#[test]
fn float_keeps_every_bit() {
    let folder = tempfile::tempdir().unwrap();
    let odd = vec![
        0.0,
        -0.0,
        1.5,
        -3e20,
        f32::MIN_POSITIVE,
        1e-45,
        f32::MAX,
        1.0 / 3.0,
    ];

    let audio = Audio::new(vec![odd.clone()], 44_100);
    let path = folder.path().join("odd.wav");

    let written = write(&path, &audio, &WriteOptions::default(), 3).unwrap();
    assert_eq!(written.clipped_samples, 0);
    let found = read_file(&path).unwrap().0;

    let bits = |samples: &[f32]| {
        samples
            .iter()
            .map(|sample| sample.to_bits())
            .collect::<Vec<_>>()
    };

    assert_eq!(bits(&found.channels()[0]), bits(&odd));
}

#[test]
fn clipped_samples_are_counted_and_nothing_is_rescaled() {
    let folder = tempfile::tempdir().unwrap();
    for format in [FileFormat::Wav, FileFormat::Flac, FileFormat::Aiff] {
        let audio = Audio::new(
            vec![vec![0.25, 1.0, -1.0, 2.0], vec![-1.5, 0.5, 0.0, 0.75]],
            44_100,
        );
        let path = folder.path().join("clipped");
        assert_eq!(
            write(&path, &audio, &options(format, Bits::B16), 4)
                .unwrap()
                .clipped_samples,
            3
        );

        let (found, top) = (read_file(&path).unwrap().0, 32_767.0 / 32_768.0);
        assert_eq!(
            found.channels(),
            [vec![0.25, top, -1.0, top], vec![-1.0, 0.5, 0.0, 0.75]]
        );
    }
}

/// Checks that the summary tells how long the file is and, on request, what its hash is.
#[test]
fn a_summary_is_that_of_the_file() {
    let audio = noise(STEREO, 20_000, 9);
    for (format, with_hash) in [
        (FileFormat::Wav, false),
        (FileFormat::Wav, true),
        (FileFormat::Flac, false),
        (FileFormat::Flac, true),
        (FileFormat::Aiff, true),
    ] {
        let options = options(format, Bits::B16);
        let begin = match with_hash {
            true => AudioWriter::with_hash,
            false => AudioWriter::new,
        };

        let mut writer = begin(Cursor::new(Vec::new()), STEREO, &options, 20_000).unwrap();
        writer.write(&audio).unwrap();
        let (written, out) = writer.finish().unwrap();

        let bytes = out.into_inner();
        assert_eq!(written.bytes, bytes.len() as u64);
        let hash = hex::encode(sha2::Sha256::digest(&bytes));
        let expected = (with_hash && format != FileFormat::Flac).then_some(hash);
        assert_eq!(written.sha256, expected, "{format:?}");
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let out = || Cursor::new(Vec::new());
    let refuse = |layout, options: WriteOptions| {
        AudioWriter::new(out(), layout, &options, 10).err().unwrap()
    };

    let error = refuse(STEREO, options(FileFormat::Flac, Bits::Float32));
    assert_eq!(error.kind(), ErrorKind::Options);
    assert!(error.to_string().contains("16 or 24 bits"), "{error}");

    for layout in [
        Layout {
            channels: 0,
            ..STEREO
        },
        Layout {
            channels: 9,
            ..STEREO
        },
        Layout {
            rate_hz: 0,
            ..STEREO
        },
        Layout {
            rate_hz: 1 << 20,
            ..STEREO
        },
    ] {
        assert_eq!(
            refuse(layout, options(FileFormat::Flac, Bits::B16)).kind(),
            ErrorKind::Output,
            "{layout:?}"
        );
    }

    let options_of_aiff = options(FileFormat::Aiff, Bits::B24);
    let error = AudioWriter::new(out(), STEREO, &options_of_aiff, 1 << 30).map(|_| ());
    let error = error.unwrap_err();
    assert!(
        matches!(error.cause(), Some(WriteError::TooLong { .. })),
        "{error}"
    );
    assert!(error.remedies().contains(&Remedy::ChooseWav), "{error}");

    for format in [FileFormat::Wav, FileFormat::Flac, FileFormat::Aiff] {
        for frames in [9, 11] {
            let mut writer =
                AudioWriter::new(out(), STEREO, &options(format, Bits::B16), 10).unwrap();
            let written = writer
                .write(&Audio::silent(STEREO, frames))
                .and_then(|()| writer.finish().map(|_| ()));

            let error = written.unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains(&format!("expected 10 frames, found {frames}")),
                "{error}"
            );
        }

        let mut writer = AudioWriter::new(out(), STEREO, &options(format, Bits::B16), 10).unwrap();
        assert!(
            writer
                .write(&Audio::silent(
                    Layout {
                        channels: 1,
                        ..STEREO
                    },
                    10
                ))
                .is_err()
        );
    }
}

/// A disk with room for so many bytes.
struct SmallDisk {
    bytes: Cursor<Vec<u8>>,
    room: usize,
}

impl io::Write for SmallDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.position() as usize + bytes.len() > self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Seek for SmallDisk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

/// Checks that a full disk gives a clear error of the right kind, wherever it is noticed.
#[test]
fn a_full_disk_is_said_to_be_full() {
    let audio = noise(STEREO, 20_000, 1);
    let mut cases = 0;
    for format in [FileFormat::Wav, FileFormat::Flac, FileFormat::Aiff] {
        for room in [0, 1, 1_000, 65_536, 100_000] {
            let bytes = Cursor::default();
            let (disk, options) = (SmallDisk { bytes, room }, options(format, Bits::B24));
            let written = AudioWriter::new(disk, STEREO, &options, 20_000)
                .and_then(|mut writer| writer.write(&audio).map(|()| writer))
                .and_then(|writer| writer.finish().map(|_| ()));

            let error = written.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Output);
            let is_full = matches!(error.cause(), Some(WriteError::Full { .. }));
            assert!(is_full, "{format:?} in {room} bytes: {error:?}");
            cases += 1;
        }
    }

    println!("{cases} full disks tried");
}

/// Checks files without samples: a WAV of length 0 can be written, and reading it is a clean error.
/// FLAC cannot hold it.
#[test]
fn a_file_of_no_frames_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing.wav");
    let file = File::create(&path).unwrap();
    AudioWriter::new(file, STEREO, &WriteOptions::default(), 0)
        .unwrap()
        .finish()
        .unwrap();

    let error = AudioFile::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Audio);
    assert!(error.to_string().contains("at least one sample"), "{error}");

    let flac = AudioWriter::new(
        Cursor::new(Vec::new()),
        STEREO,
        &options(FileFormat::Flac, Bits::B16),
        0,
    );

    assert!(matches!(
        flac.err().unwrap().cause(),
        Some(WriteError::Flac { .. })
    ));
}

/// Checks names that are long, contain dots or use other scripts.
#[test]
fn odd_names_work() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(251) + ".wav";
    for name in [
        "..dots.. .wav",
        "Ünïcödé 歌 🎸.flac",
        "-q.wav",
        "no extension",
        &long,
    ] {
        let path = folder.path().join(name);
        let audio = noise(STEREO, 100, 4);
        write(&path, &audio, &WriteOptions::new().bits(Bits::B24), 100).unwrap();
        assert_eq!(AudioFile::open(&path).unwrap().info().file_name, name);
    }
}

/// Checks a WAV beyond 4 GiB: a header from the writer, with the samples left out on disk (a sparse
/// file).
#[test]
fn a_file_beyond_four_gib_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let frames = (1_u64 << 29) + 12_345;
    let path = folder.path().join("long.wav");

    let file = File::create(&path).unwrap();
    let mut writer = AudioWriter::new(&file, STEREO, &WriteOptions::default(), frames).unwrap();
    writer.write(&Audio::silent(STEREO, 70_000)).unwrap();
    drop(writer);

    assert_eq!(&std::fs::read(&path).unwrap()[..4], b"RF64");
    if file.set_len(frames * 8 + 104).is_err() {
        println!("skipped: no file of 4 GiB can be made here");
        return;
    }

    assert_eq!(AudioFile::open(&path).unwrap().info().frames, Some(frames));
}

fn song() -> Tags {
    let mut tags = Tags::default();
    for (field, text) in [
        (TagField::Title, "Étude ⅱ"),
        (TagField::Artist, "Sextet"),
        (TagField::Album, "Tests"),
        (TagField::AlbumArtist, "Various"),
        (TagField::Track, "3"),
        (TagField::TrackTotal, "12"),
        (TagField::Disc, "1"),
        (TagField::DiscTotal, "2"),
        (TagField::Date, "2024-05-06"),
        (TagField::Genre, "Study"),
        (TagField::Composer, "Nobody"),
        (TagField::Comment, "a comment of odd length"),
    ] {
        tags.set(field, text);
    }

    tags.set_cover(Some(Cover {
        mime: "image/png".to_owned(),
        data: std::fs::read(fixture("cover.png")).unwrap(),
    }));
    tags
}

/// Checks that tags are written and read back in every format without changing the samples.
#[test]
fn tags_come_back_and_samples_stay() {
    let folder = tempfile::tempdir().unwrap();
    for (format, bits) in [
        (FileFormat::Wav, Bits::Float32),
        (FileFormat::Wav, Bits::B24),
        (FileFormat::Flac, Bits::B24),
        (FileFormat::Aiff, Bits::B24),
        (FileFormat::Aiff, Bits::Float32),
    ] {
        let audio = noise(
            Layout {
                channels: 1,
                rate_hz: 44_100,
            },
            4_321,
            2,
        );
        let path = folder.path().join(format!("tagged.{}", format.extension()));
        write(
            &path,
            &audio,
            &WriteOptions::new().format(format).bits(bits).tags(song()),
            999,
        )
        .unwrap();
        assert_eq!(Tags::read(&path), song(), "{format:?}");
        let (found, warnings) = read_file(&path).unwrap();
        assert_eq!(warnings, []);
        assert!(found == rounded(&audio, bits));
    }
}

#[test]
fn tags_of_every_input_format_are_read() {
    for (name, has_cover) in [
        ("tagged.mp3", true),
        ("tagged.flac", true),
        ("tagged.m4a", true),
        ("tagged.ogg", false),
        ("tagged.wav", false),
    ] {
        let tags = Tags::read(fixture(name));
        let expected = [
            (TagField::Title, "Étude"),
            (TagField::Artist, "Sextet"),
            (TagField::Album, "Tests"),
            (TagField::Track, "3"),
            (TagField::Date, "2024"),
            (TagField::Genre, "Study"),
        ];
        for (field, text) in expected {
            assert_eq!(tags.get(field), Some(text), "{name}: {field:?}");
        }
        assert_eq!(tags.cover().is_some(), has_cover, "{name}");
    }
}

/// Checks that unreadable tags count as no tags.
#[test]
fn unreadable_tags_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.mp3");
    std::fs::write(&text, "not a song").unwrap();
    for path in [&text, folder.path(), &folder.path().join("missing")] {
        assert!(Tags::read(path).is_empty());
    }
}

/// Checks that a date that is none does not cost the other tags of a file.
#[test]
fn an_odd_date_leaves_the_other_tags() {
    let folder = tempfile::tempdir().unwrap();
    let mut tags = Tags::default();
    tags.set(TagField::Title, "Étude");
    tags.set(TagField::Date, "20MU_");
    for format in [FileFormat::Wav, FileFormat::Flac, FileFormat::Aiff] {
        let options = options(format, Bits::B16).tags(tags.clone());
        let path = folder.path().join("odd").with_extension(format.extension());
        let layout = Layout {
            channels: 2,
            rate_hz: 44_100,
        };
        let audio = noise(layout, 100, 1);
        let file = File::create(&path).unwrap();
        let mut writer = AudioWriter::new(file, audio.layout(), &options, 100).unwrap();
        writer.write(&audio).unwrap();
        writer.finish().unwrap();
        let found = Tags::read(&path);
        assert_eq!(found.get(TagField::Title), Some("Étude"), "{format:?}");
    }
}
