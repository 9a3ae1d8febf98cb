//! The options of `sextet separate`, tested by their effect on the files.

use sextet_cases::each_case;

use crate::sandbox::{Sandbox, read, stderr, stdout, tiny_model};

const SIX: [&str; 6] = [
    "bass.wav",
    "drums.wav",
    "guitar.wav",
    "other.wav",
    "piano.wav",
    "vocals.wav",
];

#[test]
fn the_default_is_six_float_files_of_the_songs_rate_and_length() {
    let sandbox = Sandbox::new();
    let song = read(sandbox.song_of("song.wav", 48_000, 2, 1.7));
    sandbox.separate(&["song.wav"]).assert().success();

    assert_eq!(
        sandbox.files("stems"),
        SIX.map(|stem| format!("song/{stem}"))
    );
    each_case(SIX, |stem| {
        let stem = read(sandbox.path("stems/song").join(stem));
        assert_eq!(
            (stem.layout(), stem.frames()),
            (song.layout(), song.frames())
        );
        assert!(
            stem.channels()
                .iter()
                .flatten()
                .all(|sample| sample.is_finite())
        );
    });

    let header = std::fs::read(sandbox.path("stems/song/bass.wav")).unwrap();
    assert_eq!(header[20..22], 3u16.to_le_bytes(), "WAVE_FORMAT_IEEE_FLOAT");
}

#[test]
fn which_stems_are_written_can_be_chosen() {
    let cases: [(&[&str], &[&str]); 5] = [
        (&["--stems", "vocals"], &["vocals.wav"]),
        (
            &["--stems", "vocals,drums,vocals"],
            &["drums.wav", "vocals.wav"],
        ),
        (
            &["--all-but", "vocals"],
            &[
                "bass.wav",
                "drums.wav",
                "guitar.wav",
                "other.wav",
                "piano.wav",
            ],
        ),
        (
            &["--all-but", "vocals,drums,bass,other"],
            &["guitar.wav", "piano.wav"],
        ),
        (&["--two-stems", "vocals"], &["no_vocals.wav", "vocals.wav"]),
    ];

    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.5);

    let numbers = cases.into_iter().enumerate();
    each_case(numbers, |(number, (flags, expected))| {
        let output = format!("out{number}");
        sandbox
            .separate(&["song.wav", "-o", &output])
            .args(flags)
            .assert()
            .success();

        assert_eq!(
            sandbox.files(&output),
            expected
                .iter()
                .map(|stem| format!("song/{stem}"))
                .collect::<Vec<_>>(),
            "{flags:?}"
        );
    });
}

#[test]
fn two_stems_hold_what_the_six_hold() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 1.5);
    sandbox
        .separate(&["song.wav", "-o", "six"])
        .assert()
        .success();

    sandbox
        .separate(&["song.wav", "-o", "two", "--two-stems", "vocals"])
        .assert()
        .success();
    assert!(read(sandbox.path("six/song/vocals.wav")) == read(sandbox.path("two/song/vocals.wav")));
    let rest = read(sandbox.path("two/song/no_vocals.wav"));

    let five: Vec<_> = SIX
        .iter()
        .filter(|stem| **stem != "vocals.wav")
        .map(|s| read(sandbox.path("six/song").join(s)))
        .collect();

    for (frame, sample) in rest.channels()[0].iter().enumerate() {
        let sum: f32 = five.iter().map(|stem| stem.channels()[0][frame]).sum();
        assert!(
            (sum - sample).abs() < 1e-4,
            "frame {frame}: {sum} and {sample}"
        );
    }
}

#[test]
fn formats_and_bits() {
    let cases: [(&[&str], &str, u16); 6] = [
        (&["--format", "wav", "--bits", "16"], "wav", 16),
        (&["--bits", "24"], "wav", 24),
        (&["--bits", "32f"], "wav", 32),
        (&["--format", "flac"], "flac", 24),
        (&["--format", "flac", "--bits", "16"], "flac", 16),
        (&["--format", "flac", "--bits", "24"], "flac", 24),
    ];

    let sandbox = Sandbox::new();
    let song = read(sandbox.song("song.wav", 0.6));
    let numbers = cases.into_iter().enumerate();
    each_case(numbers, |(number, (flags, extension, bits))| {
        let output = format!("out{number}");
        sandbox
            .separate(&["song.wav", "--stems", "bass", "-o", &output])
            .args(flags)
            .assert()
            .success();

        let path = sandbox.path(&format!("{output}/song/bass.{extension}"));
        assert_eq!(read(&path).frames(), song.frames());

        if extension == "wav" {
            let header = std::fs::read(path).unwrap();
            let place = header.windows(4).position(|w| w == b"fmt ").unwrap() + 8 + 14;
            assert_eq!(header[place..place + 2], bits.to_le_bytes(), "{flags:?}");
        }
    });
}

#[test]
fn the_rate_can_be_chosen() {
    let sandbox = Sandbox::new();
    sandbox.song_of("song.wav", 22_050, 2, 1.0);

    let cases = [("source", 22_050), ("44100", 44_100), ("48000", 48_000)];
    each_case(cases, |(rate, frames)| {
        sandbox
            .separate(&["song.wav", "--stems", "bass", "--rate", rate])
            .assert()
            .success();
        assert_eq!(
            read(sandbox.path("stems/song/bass.wav")).frames(),
            frames,
            "{rate}"
        );
    });
}

#[test]
fn mono_stays_mono_unless_stereo_is_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.song_of("song.wav", 44_100, 1, 0.5);

    each_case([("keep", 1), ("stereo", 2)], |(mono, channels)| {
        sandbox
            .separate(&["song.wav", "--stems", "bass", "--mono", mono])
            .assert()
            .success();
        assert_eq!(
            read(sandbox.path("stems/song/bass.wav")).channels().len(),
            channels,
            "{mono}"
        );
    });
}

#[test]
fn names_follow_the_template() {
    let sandbox = Sandbox::new();
    sandbox.song("disc 1/a.b.wav", 0.3);

    let template = "{model}/{folder}/{track} - {stem} ({source_ext}).{ext}";
    sandbox
        .separate(&["disc 1", "--stems", "bass", "--name", template])
        .assert()
        .success();

    let files = sandbox.files("stems");
    assert_eq!(files.len(), 1);
    assert!(
        files[0].ends_with("/disc 1/a.b - bass (wav).wav"),
        "{files:?}"
    );
}

#[test]
fn exact_stems_add_up_to_the_song() {
    each_case([44_100, 48_000], |rate_hz| {
        let sandbox = Sandbox::new();
        let song = read(sandbox.song_of("song.wav", rate_hz, 2, 1.5));
        sandbox
            .separate(&["song.wav", "--sum", "exact"])
            .assert()
            .success();

        let stems: Vec<_> = SIX
            .iter()
            .map(|stem| read(sandbox.path("stems/song").join(stem)))
            .collect();

        // Random weights give stems louder than full scale, and float32 rounds in proportion to
        // them.
        let samples = stems.iter().flat_map(|stem| &stem.channels()[1]);
        let loudest = samples.fold(1.0, |peak: f32, sample| peak.max(sample.abs()));
        for frame in 0..song.frames() {
            let sum: f64 = stems
                .iter()
                .map(|stem| f64::from(stem.channels()[1][frame]))
                .sum();
            let missing = (sum - f64::from(song.channels()[1][frame])).abs() / f64::from(loudest);
            assert!(
                missing < 1e-6,
                "frame {frame}: {missing} of {loudest} (-120 dBFS is 1e-6)"
            );
        }
    });
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 1.2);
    let separate = |threads: &str| {
        let mut command = sandbox.sextet(&[
            "separate",
            "song.wav",
            "--stems",
            "bass",
            "--threads",
            threads,
            "-m",
        ]);

        command.arg(tiny_model()).assert().success();
        std::fs::read(sandbox.path("stems/song/bass.wav")).unwrap()
    };

    assert!(separate("1") == separate("2"));
}

#[test]
fn overlap_and_shifts_change_the_samples_and_are_the_same_every_time() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 1.6);
    let separate = |output: &str, flags: &[&str]| {
        sandbox
            .separate(&["song.wav", "--stems", "bass", "-o", output])
            .args(flags)
            .assert()
            .success();
        std::fs::read(sandbox.path(output).join("song/bass.wav")).unwrap()
    };

    let plain = separate("a", &[]);
    let shifted = separate("b", &["--shifts", "2"]);

    assert!(plain == separate("c", &[]));
    assert!(plain != separate("d", &["--overlap", "0.5"]));
    assert!(plain != shifted);
    assert!(shifted == separate("e", &["--shifts", "2"]));
}

#[test]
fn a_single_chunk_is_one_segment_long() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 2.5);
    sandbox
        .separate(&["song.wav", "--stems", "bass", "--single-chunk"])
        .assert()
        .success();
    assert_eq!(read(sandbox.path("stems/song/bass.wav")).frames(), 44_100);
}

#[test]
fn what_is_done_is_skipped_on_request_but_only_when_it_is_whole() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.3);
    let again = ["song.wav", "--stems", "bass,drums", "--skip-existing"];

    let done = |text: String| text.lines().last().unwrap_or_default().to_owned();
    assert!(done(stdout(&mut sandbox.separate(&again))).starts_with("1 done, 0 skipped"));
    assert!(done(stdout(&mut sandbox.separate(&again))).starts_with("0 done, 1 skipped"));
    std::fs::remove_file(sandbox.path("stems/song/bass.wav")).unwrap();

    assert!(done(stdout(&mut sandbox.separate(&again))).starts_with("1 done, 0 skipped"));
    std::fs::write(sandbox.path("stems/song/bass.wav"), "").unwrap();

    assert!(done(stdout(&mut sandbox.separate(&again))).starts_with("1 done, 0 skipped"));
}

#[test]
fn an_existing_output_is_replaced() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.3);
    sandbox.file("stems/song/bass.wav", b"old");
    sandbox
        .separate(&["song.wav", "--stems", "bass"])
        .assert()
        .success();
    assert_eq!(read(sandbox.path("stems/song/bass.wav")).frames(), 13_230);
    assert_eq!(sandbox.files("stems"), ["song/bass.wav"]);
}

#[test]
fn engines_can_be_named() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.3);
    each_case(["auto", "cpu"], |engine| {
        sandbox
            .separate(&["song.wav", "--engine", engine, "-o", engine])
            .assert()
            .success();
    });
    assert_eq!(sandbox.files("auto").len(), 6);
}

#[test]
fn quiet_says_nothing_and_verbose_more() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.3);
    sandbox
        .separate(&["song.wav", "-q"])
        .assert()
        .success()
        .stdout("")
        .stderr("");

    let plain = stderr(&mut sandbox.separate(&["song.wav"]), 0);
    let verbose = stderr(&mut sandbox.separate(&["song.wav", "-v"]), 0);
    assert!(verbose.lines().count() > plain.lines().count());
    assert!(verbose.contains("model hash"));
}

#[test]
fn flags_that_cannot_be_used_are_refused_before_anything_is_done() {
    let cases: [(&[&str], &str); 15] = [
        (&["--stems", "tuba"], "there is no stem named 'tuba'"),
        (
            &["--two-stems", "Vocals"],
            "there is no stem named 'Vocals'",
        ),
        (
            &["--stems", "bass", "--all-but", "bass"],
            "cannot be used with",
        ),
        (
            &["--two-stems", "bass", "--stems", "bass"],
            "cannot be used with",
        ),
        (
            &["--all-but", "drums,bass,other,vocals,guitar,piano"],
            "leaves out every stem",
        ),
        (&["--format", "ogg"], "invalid value 'ogg'"),
        (
            &["--format", "flac", "--bits", "32f"],
            "FLAC has no floating point",
        ),
        (&["--bits", "8"], "invalid value '8'"),
        (&["--rate", "fast"], "invalid value 'fast'"),
        (&["--rate", "96"], "invalid value '96'"),
        (&["--overlap", "1"], "invalid value '1'"),
        (&["--shifts=-1"], "invalid value '-1'"),
        (
            &["--name", "{track}.{ext}"],
            "every stem of 'song.wav' would be written to",
        ),
        (
            &["--name", "../{stem}"],
            "it must stay below the output folder",
        ),
        (&["-q", "-v"], "cannot be used with"),
    ];

    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.3);

    assert!(
        stderr(
            &mut sandbox.sextet(&["separate", "song.wav", "--threads", "0"]),
            2
        )
        .contains("invalid value '0'")
    );

    each_case(cases, |(flags, expected)| {
        let said = stderr(sandbox.separate(&["song.wav"]).args(flags), 2);
        assert!(said.contains(expected), "{flags:?}: {said}");
        assert!(sandbox.files("stems").is_empty(), "{flags:?}");
    });
}
