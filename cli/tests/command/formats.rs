//! Formats of the stems: those that Sextet writes itself, and those that ffmpeg encodes.

use sextet_separator::audio::{Ffmpeg, TagField, Tags};

use crate::sandbox::{Sandbox, read, stderr};

/// Whether this machine has an ffmpeg; says so if it has none.
pub(crate) fn has_ffmpeg() -> bool {
    let there = Ffmpeg::on_path().is_some();
    if !there {
        println!("left out: this machine has no ffmpeg");
    }
    there
}

#[test]
fn every_format_is_as_long_as_the_song() {
    // The flags, the extension, the rate of a song of 32 kHz, and whether ffmpeg is needed.
    let cases: [(&[&str], &str, u32, bool); 11] = [
        (&["--format", "aiff"], "aiff", 32_000, false),
        (&["--format", "aiff", "--bits", "16"], "aiff", 32_000, false),
        (
            &["--format", "aiff", "--bits", "32f"],
            "aiff",
            32_000,
            false,
        ),
        (&["--format", "mp3"], "mp3", 32_000, true),
        (&["--format", "mp3", "--bitrate", "V2"], "mp3", 32_000, true),
        (&["--format", "mp3", "--rate", "48000"], "mp3", 48_000, true),
        (
            &["--format", "m4a", "--bitrate", "128k"],
            "m4a",
            32_000,
            true,
        ),
        (&["--format", "opus"], "opus", 48_000, true),
        (&["--format", "alac"], "m4a", 32_000, true),
        (&["--format", "alac", "--bits", "16"], "m4a", 32_000, true),
        (
            &["--format", "alac", "--rate", "96000"],
            "m4a",
            96_000,
            true,
        ),
    ];

    let has_ffmpeg = has_ffmpeg();
    let sandbox = Sandbox::new();
    sandbox.song_of("song.wav", 32_000, 2, 0.75);
    for (number, (flags, extension, rate_hz, by_ffmpeg)) in cases.into_iter().enumerate() {
        if by_ffmpeg && !has_ffmpeg {
            continue;
        }
        let output = format!("out{number}");
        sandbox
            .separate(&["song.wav", "--stems", "bass", "-o", &output])
            .args(flags)
            .assert()
            .success();
        let path = sandbox.path(&format!("{output}/song/bass.{extension}"));
        let found = read(&path);
        assert_eq!(found.rate_hz(), rate_hz, "{flags:?}");
        assert_eq!(found.frames(), rate_hz as usize * 3 / 4, "{flags:?}");
        assert_eq!(
            Tags::read(&path).get(TagField::Title),
            Some("bass"),
            "{flags:?}"
        );
        assert_eq!(sandbox.files(&output).len(), 1, "{flags:?}");
    }
}

/// A rate that a codec does not have becomes the next one.
#[test]
fn a_song_of_any_rate_can_be_mp3() {
    if !has_ffmpeg() {
        return;
    }
    let sandbox = Sandbox::new();
    for (rate_hz, expected_hz) in [(96_000, 48_000), (8_000, 8_000), (47_000, 48_000)] {
        sandbox.song_of("song.wav", rate_hz, 1, 0.5);
        sandbox
            .separate(&["song.wav", "--stems", "bass", "--format", "mp3"])
            .assert()
            .success();
        let found = read(sandbox.path("stems/song/bass.mp3"));
        assert_eq!(found.rate_hz(), expected_hz);
        assert_eq!(found.frames(), expected_hz as usize / 2);
        assert_eq!(found.channels().len(), 1);
    }
}

#[test]
fn a_file_of_stems_has_four_tracks_or_all() {
    if !has_ffmpeg() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.song_of("song.wav", 48_000, 1, 0.5);
    for (flags, names) in [
        (&[][..], &["Drums", "Bass", "Other", "Vocals"][..]),
        (
            &["--stem-tracks", "all", "--mono", "stereo", "--sum", "exact"],
            &["Drums", "Bass", "Other", "Vocals", "Guitar", "Piano"],
        ),
    ] {
        sandbox
            .separate(&["song.wav", "--format", "stem.mp4"])
            .args(flags)
            .assert()
            .success();
        assert_eq!(sandbox.files("stems"), ["song/song.stem.mp4"]);
        let path = sandbox.path("stems/song/song.stem.mp4");

        // The first track is the mix, in stereo and at the players' rate.
        let found = read(&path);
        assert_eq!((found.rate_hz(), found.channels().len()), (44_100, 2));
        assert_eq!(found.frames(), 22_050);
        let file = std::fs::read(&path).unwrap();
        let start = file.windows(5).position(|bytes| bytes == b"stem{").unwrap() + 4;
        let mut json = serde_json::Deserializer::from_slice(&file[start..]).into_iter();
        let json: serde_json::Value = json.next().unwrap().unwrap();
        let stems = json["stems"].as_array().unwrap();
        let found: Vec<_> = stems
            .iter()
            .map(|stem| stem["name"].as_str().unwrap())
            .collect();
        assert_eq!(found, names);
    }
}

#[test]
fn what_a_format_cannot_hold_is_refused() {
    let cases: [(&[&str], &str); 17] = [
        (
            &["--format", "alac", "--bits", "32f"],
            "ALAC has no floating point",
        ),
        (&["--format", "mp3", "--bits", "16"], "has no bits a sample"),
        (
            &["--format", "wav", "--bitrate", "320k"],
            "which loses nothing",
        ),
        (
            &["--format", "aiff", "--bitrate", "V0"],
            "which loses nothing",
        ),
        (&["--format", "mp3", "--bitrate", "400k"], "at most 320k"),
        (&["--format", "m4a", "--bitrate", "V0"], "a quality of MP3"),
        (
            &["--format", "opus", "--bitrate", "fast"],
            "invalid value 'fast'",
        ),
        (
            &["--format", "stem.mp4", "--stems", "bass"],
            "none can be chosen",
        ),
        (
            &["--format", "stem.mp4", "--two-stems", "bass"],
            "none can be chosen",
        ),
        (
            &["--format", "stem.mp4", "--page"],
            "has the mix among them",
        ),
        (
            &["--format", "mp3", "--rate", "96000"],
            "has no rate of 96000 Hz",
        ),
        (
            &["--format", "opus", "--rate", "44100"],
            "has no rate of 44100 Hz",
        ),
        (
            &["--format", "stem.mp4", "--mono", "keep"],
            "has tracks in stereo",
        ),
        (
            &["--format", "stem.mp4", "--sum", "model"],
            "add up to its mix",
        ),
        (
            &["--stem-tracks", "all"],
            "is about --format stem.mp4, found --format wav",
        ),
        (
            &["--format", "m4a", "--stem-tracks", "four"],
            "is about --format stem.mp4, found --format m4a",
        ),
        (&["--stem-tracks", "five"], "invalid value 'five'"),
    ];
    let has_ffmpeg = has_ffmpeg();
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.3);
    for (flags, expected) in cases {
        if !has_ffmpeg && flags.contains(&"--rate") {
            continue;
        }
        let said = stderr(sandbox.separate(&["song.wav"]).args(flags), 2);
        assert!(said.contains(expected), "{flags:?}: {said}");
        let by_clap = expected.starts_with("invalid value");
        assert!(said.contains("help: ") || by_clap, "{flags:?}: {said}");
        assert!(sandbox.files("stems").is_empty(), "{flags:?}");
    }
}

#[test]
fn without_ffmpeg_the_error_says_what_is_missing() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.3);
    for format in ["mp3", "m4a", "opus", "alac", "stem.mp4"] {
        let mut command = sandbox.separate(&["song.wav", "--format", format]);
        let said = stderr(command.env("SEXTET_FFMPEG", "none"), 2);
        assert!(
            said.contains("is encoded by ffmpeg, and there is none here"),
            "{said}"
        );
        assert!(
            said.contains("install ffmpeg") && said.contains("--format wav"),
            "{said}"
        );

        let mut command = sandbox.separate(&["song.wav", "--format", format]);
        let said = stderr(command.env("SEXTET_FFMPEG", sandbox.path("missing")), 2);
        assert!(said.contains("cannot be started"), "{said}");
    }
    let mut command = sandbox.separate(&["song.wav", "--format", "aiff", "--stems", "bass"]);
    command.env("SEXTET_FFMPEG", "none").assert().success();
    assert_eq!(sandbox.files("stems"), ["song/bass.aiff"]);
}

/// An encoder that is not there, dies, or fills the disk leaves nothing.
#[cfg(unix)]
#[test]
fn a_failing_encoder_leaves_nothing() {
    let has = "case \"$*\" in *-encoders*) echo ' A..... libmp3lame LAME'; exit 0;; esac";
    let cases = [
        ("exit 0".to_owned(), 2, "needs ffmpeg's encoder libmp3lame"),
        (format!("{has}; exit 1"), 1, "ended early"),
        (format!("{has}; kill -9 $$"), 1, "signal"),
        (format!("{has}; cat > /dev/null"), 1, "did not write"),
        (
            format!("{has}; echo 'No space left on device' >&2; exit 1"),
            1,
            "No space left on device",
        ),
    ];
    for (script, code, expected) in cases {
        let sandbox = Sandbox::new();
        sandbox.song("a.wav", 0.3);
        sandbox.song("b.wav", 0.3);
        let ffmpeg = sextet_testing::ffmpeg::program(&sandbox.path(""), &script);

        let mut command = sandbox.separate(&["a.wav", "b.wav", "--format", "mp3"]);
        let said = stderr(command.env("SEXTET_FFMPEG", ffmpeg.program()), code);
        assert!(said.contains(expected), "{script}: {said}");
        assert!(!sandbox.path("stems").exists(), "{script}");
        let both = said.matches(expected).count();
        assert_eq!(both, if code == 1 { 2 } else { 1 }, "{script}: {said}");
    }
}
