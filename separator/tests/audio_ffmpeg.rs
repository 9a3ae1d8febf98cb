//! Tests of the reading through ffmpeg: what it is asked, and what becomes of its failures. A
//! program in its place behaves badly; a real one, where the machine has it, reads real files.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

mod audio_support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use audio_support::{best_lag, chirp, fixture, read_stream, relative_error};
use sextet_separator::audio::{
    Audio, AudioFile, AudioWriter, Codec, Ffmpeg, Layout, ReadError, WriteOptions,
};
use sextet_separator::{ErrorKind, Remedy};
use sextet_testing::ffmpeg::{self, listening, numbered, program};
use tempfile::TempDir;

const STEREO: Layout = Layout {
    channels: 2,
    rate_hz: 44_100,
};

/// Writes a WAVE stream of float32 stereo without a length, as ffmpeg does, with `frames` frames.
fn stream(folder: &Path, frames: usize) -> PathBuf {
    let mut bytes = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x03\0\x02\0".to_vec();
    bytes.extend([44_100_u32, 8 * 44_100].map(u32::to_le_bytes).concat());
    bytes.extend(b"\x08\0\x20\0data\xff\xff\xff\xff");
    bytes.extend((0..2 * frames).flat_map(|n| (n as f32 / 1e6).to_le_bytes()));
    let path = folder.join("stream.wav");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// File that no decoder of Sextet's reads.
fn song(folder: &Path) -> PathBuf {
    let path = folder.join("song.wma");
    std::fs::write(&path, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11 and so on").unwrap();
    path
}

/// Opens the song and reads it to its end.
fn read(song: &Path, ffmpeg: &Ffmpeg) -> sextet_separator::Result<(usize, Vec<String>)> {
    let file = AudioFile::open_with(song, Some(ffmpeg))?;
    let (audio, warnings) = read_stream(file.stream()?)?;
    let warnings = warnings.iter().map(ToString::to_string).collect();
    Ok((audio.frames(), warnings))
}

#[test]
fn without_ffmpeg_the_error_names_the_file_and_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    let error = AudioFile::open(song(folder.path())).unwrap_err();
    let message = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Audio);
    assert!(message.contains("found WMA"), "{message}");
    assert!(
        error.remedies().contains(&Remedy::InstallFfmpeg),
        "{message}"
    );
}

#[test]
fn what_ffmpeg_gives_is_the_song_and_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let wave = stream(folder.path(), 100_000);
    let ffmpeg = program(folder.path(), &format!("cat '{}'", wave.display()));
    let (frames, warnings) = read(&song(folder.path()), &ffmpeg).unwrap();
    assert_eq!((frames, warnings.len()), (100_000, 1));
    assert!(
        warnings[0].contains("WMA") && warnings[0].contains("decoded by ffmpeg"),
        "{warnings:?}"
    );
}

/// Checks that Sextet's own decoders come first: a song that they read starts no program.
#[test]
fn what_sextet_decodes_does_not_start_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("started");
    let ffmpeg = program(
        folder.path(),
        &format!("touch '{}'; exit 1", mark.display()),
    );
    for name in [
        "stereo.flac",
        "lame_cbr.mp3",
        "aac.m4a",
        "opus.webm",
        "mono.caf",
    ] {
        read(&fixture(name), &ffmpeg).unwrap();
    }
    assert!(!mark.exists());

    read(&song(folder.path()), &ffmpeg).unwrap_err();
    assert!(mark.exists());
}

/// Checks that each way to fail is an error in time, and leaves no process.
#[test]
fn every_failure_of_ffmpeg_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let wave = stream(folder.path(), 100_000);
    let wave = wave.display();
    let cases = [
        ("exit 1", "ended early"),
        ("echo 'no such codec' >&2; exit 8", "no such codec"),
        ("exit 0", "no audio"),
        ("kill -9 $$", "signal"),
        ("head -c 20000 /dev/zero", "no audio"),
        ("yes", "no audio"),
        ("exec sleep 100", "gave nothing"),
        ("sleep 100", "gave nothing"),
        (&format!("head -c 300000 '{wave}'; exit 1"), "ended early"),
        (&format!("head -c 300000 '{wave}'; kill -9 $$"), "signal"),
        (
            &format!("head -c 300000 '{wave}'; exec sleep 100"),
            "gave nothing",
        ),
        (
            &format!("cat '{wave}'; exec >&-; exec sleep 100"),
            "gave nothing",
        ),
    ];

    for (script, words) in cases {
        let (ffmpeg, number) = numbered(folder.path(), script);
        let ffmpeg = ffmpeg.with_patience(Duration::from_millis(300));

        let error = read(&song(folder.path()), &ffmpeg).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(words), "{script}: {message}");
        assert!(error.cause::<ReadError>().is_some());
        assert!(!message.contains('\n'), "one line: {message}");

        assert_ne!(number.lives(), Some(true), "{script}");
    }
}

#[test]
fn a_reader_that_is_dropped_ends_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let wave = stream(folder.path(), 100_000);
    let script = format!("cat '{}'; sleep 100", wave.display());
    let (ffmpeg, number) = numbered(folder.path(), &script);
    let file = AudioFile::open_with(song(folder.path()), Some(&ffmpeg)).unwrap();

    let stream = file.stream().unwrap();
    number.wait();
    assert_ne!(number.lives(), Some(false));
    drop(stream);
    assert_ne!(number.lives(), Some(true));
}

/// Checks the arguments for names that a program may take for an option, an address or a list.
#[test]
fn a_name_is_never_an_option_or_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let wave = stream(folder.path(), 10);
    let (ffmpeg, told) = listening(folder.path(), &format!("cat '{}'", wave.display()));

    let names = [
        "-i.wma",
        "concat:a|b.wma",
        "http:a.wma",
        "a;touch b.wma",
        "$(x) `y`.wma",
        "%d.wma",
    ];
    for name in names {
        let path = folder.path().join(name);
        std::fs::copy(song(folder.path()), &path).unwrap();
        read(&path, &ffmpeg).unwrap();

        let told = told.arguments();
        let told: Vec<_> = told.iter().map(String::as_str).collect();
        let input = told.iter().position(|argument| *argument == "-i").unwrap() + 1;
        assert_eq!(told[input], format!("file:{}", path.display()));
        for needed in ["-nostdin", "file,pipe", "-format_whitelist"] {
            assert!(told[..input].contains(&needed), "{needed}: {told:?}");
        }
        let formats = told
            .iter()
            .position(|argument| *argument == "-format_whitelist")
            .unwrap()
            + 1;
        for listed in ["hls", "concat", "dash", "lavfi", "image2", "sdp"] {
            assert!(
                !told[formats].split(',').any(|format| format == listed),
                "{listed}"
            );
        }
    }
}

const SURROUND: Layout = Layout {
    channels: 6,
    rate_hz: 48_000,
};

/// Number of the channel of low-frequency effects in the order of WAVE files.
const LFE: usize = 3;

/// Returns a second of 5.1 in which each channel has a sweep of its own, the LFE's below 100 Hz.
fn sweeps() -> Audio {
    let sweep = |start_hz: f64, n: usize| {
        let time_s = n as f64 / 48_000.0;
        let turns = start_hz * time_s + (start_hz / 10.0 + 25.0) * time_s * time_s;
        (0.3 * (std::f64::consts::TAU * turns).sin()) as f32
    };
    let starts_hz = [400.0, 900.0, 1500.0, 40.0, 2100.0, 2800.0];
    let channels = starts_hz.map(|hz| (0..48_000).map(|n| sweep(hz, n)).collect());
    Audio::new(channels.to_vec(), SURROUND.rate_hz)
}

/// Returns how alike two runs of samples are: 1 for the same but for their loudness.
fn likeness(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Writes 5.1 with the machine's own ffmpeg in every codec that it has, reads it back, and looks
/// which sweep is heard where. The delay of the encoder is measured on the first channel.
#[test]
fn a_real_ffmpeg_leaves_every_channel_of_surround_in_its_place() {
    let Some(ffmpeg) = ffmpeg::on_path() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let song = sweeps();
    let wave = folder.path().join("song.wav");
    let file = std::fs::File::create(&wave).unwrap();
    let options = WriteOptions::default();
    let mut writer = AudioWriter::new(file, SURROUND, &options, 48_000).unwrap();
    writer.write(&song).unwrap();
    writer.finish().unwrap();

    // A name, the encoder, and whether the file states its length.
    let cases = [
        ("song.m4a", "-c:a aac -b:a 480k", false),
        ("song.ac3", "-c:a ac3 -b:a 640k", false),
        ("song.mkv", "-c:a ac3 -b:a 640k", false),
        ("song.dts", "-c:a dca -strict -2 -b:a 1411k", false),
        ("song.ogg", "-c:a libvorbis -q:a 8", true),
    ];
    for (name, arguments, states_length) in cases {
        let path = folder.path().join(name);
        let made = std::process::Command::new(ffmpeg.program())
            .args(["-nostdin", "-loglevel", "error", "-i"])
            .arg(&wave)
            .args(arguments.split(' '))
            .arg(&path)
            .status()
            .unwrap();
        if !made.success() {
            println!("{name} is left out: this ffmpeg has no such encoder");
            continue;
        }

        AudioFile::open(&path).unwrap_err();
        let file = AudioFile::open_with(&path, Some(&ffmpeg)).unwrap();
        let (found, _) = read_stream(file.stream().unwrap()).unwrap();
        assert_eq!(found.channels().len(), 6, "{name}");
        assert!(found.frames() >= 48_000, "{name}: {}", found.frames());
        assert!(found.frames() == 48_000 || !states_length, "{name}");

        let (from, to) = (8_000, 20_000);
        let first = &song.channels()[0][from..to];
        let lag = best_lag(&found.channels()[0][from..to], first, 1_600);
        assert!((0..1_600).contains(&lag), "{name}: a delay of {lag}");
        for (number, heard) in found.channels().iter().enumerate() {
            let reference = &song.channels()[number];
            if number == LFE {
                // Codecs give it a filter, and so a delay, of its own.
                let most = (0..3_000)
                    .step_by(8)
                    .map(|lag| likeness(&heard[from + lag..to + lag], &reference[from..to]));
                let most = most.fold(0.0, f64::max);
                // ffmpeg's encoder of DTS, an experiment, is coarse about it.
                let bound = if name.ends_with("dts") { 0.7 } else { 0.95 };
                assert!(most > bound, "{name}, LFE: {most}");
            } else {
                let heard = &heard[lag as usize..][2_000..46_000];
                let error = relative_error(heard, &reference[2_000..46_000]);
                assert!(error < 0.05, "{name}, channel {number}: {error}");
            }
        }
    }
}

/// Checks that short files of surround are whole, with every channel in its place: half of them is
/// the encoder's beginning, so that only the likeness of their middle is asked for.
#[test]
fn a_real_ffmpeg_gives_short_surround_whole() {
    let Some(ffmpeg) = ffmpeg::on_path() else {
        return;
    };
    let reference = chirp(SURROUND, 3_000);
    // Vorbis states its length; AAC was cut into blocks of 1024.
    for (name, frames) in [("surround.ogg", 3_000), ("surround.m4a", 3_072)] {
        AudioFile::open(fixture(name)).unwrap_err();
        let file = AudioFile::open_with(fixture(name), Some(&ffmpeg)).unwrap();
        let (found, warnings) = read_stream(file.stream().unwrap()).unwrap();
        assert_eq!(
            (found.channels().len(), found.frames()),
            (6, frames),
            "{name}"
        );
        assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");

        for (number, heard) in found.channels().iter().enumerate() {
            let alike = |reference: &Vec<f32>| likeness(&heard[500..2_500], &reference[500..2_500]);
            let own = alike(&reference.channels()[number]);
            assert!(
                own > 0.8 || number == LFE,
                "{name}, channel {number}: {own}"
            );
        }
    }
}

/// Reads files with the machine's own ffmpeg.
#[test]
fn a_real_ffmpeg_reads_what_sextet_does_not() {
    let Some(ffmpeg) = ffmpeg::on_path() else {
        return;
    };
    println!("ffmpeg {}", ffmpeg.version().unwrap());

    let cases = [
        ("wma.wma", STEREO, 12_000, 0.1),
        (
            "unsupported.m4a",
            Layout {
                channels: 1,
                rate_hz: 22_050,
            },
            4_321,
            0.3,
        ),
    ];
    for (name, layout, frames, bound) in cases {
        AudioFile::open(fixture(name)).unwrap_err();
        let file = AudioFile::open_with(fixture(name), Some(&ffmpeg)).unwrap();
        assert_eq!(file.info().layout.channels, layout.channels, "{name}");
        let (audio, warnings) = read_stream(file.stream().unwrap()).unwrap();
        assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");

        // Padding may follow, and AC-3 knows no 22 kHz.
        if layout.rate_hz == audio.rate_hz() {
            assert!(audio.frames() >= frames, "{name}: {}", audio.frames());
            let whole = if name == "wma.wma" { 12_345 } else { frames };
            let signal = chirp(layout, whole);
            let found = &audio.channels()[0][..frames];
            let reference = &signal.channels()[0][..frames];
            let lag = best_lag(found, reference, frames.min(6_000) / 2 - 100);
            let (late, early) = (lag.max(0) as usize, (-lag).max(0) as usize);
            let common = frames - late - early;
            let error = relative_error(&found[late..][..common], &reference[early..][..common]);
            assert!(error < bound, "{name}: {error}");
        }
    }

    // A file without audio gives the error that it gives without ffmpeg.
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("text.mp3");
    std::fs::write(&text, b"la ".repeat(9_000)).unwrap();
    let message = read(&text, &ffmpeg).unwrap_err().to_string();
    assert!(
        message.contains("none of these") && message.contains("ffmpeg ended"),
        "{message}"
    );

    // A play list that names another file is not followed.
    let list = folder.path().join("list.m3u8");
    let other = fixture("stereo.flac");
    std::fs::write(
        &list,
        format!("#EXTM3U\n#EXTINF:1,\nfile://{}\n", other.display()),
    )
    .unwrap();
    read(&list, &ffmpeg).unwrap_err();
}

/// Whether `ffmpeg` can be started and has the encoder of MP3.
fn encodes_mp3(ffmpeg: &Ffmpeg) -> bool {
    Codec::Mp3.is_in(ffmpeg).unwrap_or(false)
}

#[test]
fn a_program_without_the_encoder_is_known() {
    let folder = TempDir::new().unwrap();
    for script in [
        "echo \"Codec 'libmp3lame' is not recognized by FFmpeg.\"",
        "exit 1",
        "true",
    ] {
        assert!(!encodes_mp3(&program(folder.path(), script)), "{script}");
    }
    assert!(!encodes_mp3(&Ffmpeg::new("/nowhere/ffmpeg")));
}
