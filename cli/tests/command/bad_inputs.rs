//! Bad inputs: each is reported with a cause and a remedy on one line each and an exit code, and
//! leaves nothing behind.

use crate::bench::{Bench, read, stderr, tiny_model_bytes, wav_bytes};

/// Returns the command's messages about `arguments`, after checking that there is exactly one
/// `error:` and one `help:` line and no output folder.
fn refused(bench: &Bench, arguments: &[&str], code: i32) -> String {
    let said = stderr(&mut bench.separate(arguments), code);
    let errors = said
        .lines()
        .filter(|line| line.starts_with("error: "))
        .count();
    let helps = said
        .lines()
        .filter(|line| line.starts_with("help: "))
        .count();

    assert_eq!((errors, helps), (1, 1), "{said}");
    assert!(
        !said.contains("panicked") && !said.contains("made a mistake"),
        "{said}"
    );
    assert!(!bench.path("stems").exists(), "{:?}", bench.files("stems"));
    println!("{said}");

    said
}

#[test]
fn inputs_that_are_no_audio_are_refused() {
    let text: &[u8] =
        b"Dear diary, this is no audio at all, but it is long enough to be looked at in earnest.\n";
    let no_channel = wav_bytes(44_100, 0, 64, &[0; 64]);
    let no_samples = wav_bytes(44_100, 2, 0, &[]);
    let no_rate = wav_bytes(0, 2, 64, &[0; 64]);

    let header_only = &wav_bytes(44_100, 2, 4_000, &[])[..30];
    let cases: [(&str, &[u8], &str); 7] = [
        ("empty.wav", b"", "empty"),
        ("text.wav", text, ""),
        ("text.mp3", text, ""),
        ("no-channel.wav", &no_channel, "channel"),
        ("no-samples.wav", &no_samples, "sample"),
        ("no-rate.wav", &no_rate, "rate"),
        ("header.wav", header_only, ""),
    ];

    for (name, bytes, expected) in cases {
        let bench = Bench::new();
        bench.file(name, bytes);
        let said = refused(&bench, &[name], 1);
        assert!(
            said.contains(name) && said.contains(expected),
            "{name}: {said}"
        );
    }
}

#[test]
fn what_is_not_there_or_has_no_audio_is_refused() {
    let bench = Bench::new();
    bench.file("folder/notes.txt", b"no audio");
    assert!(refused(&bench, &["missing.wav"], 1).contains("there is no file 'missing.wav'"));
    assert!(refused(&bench, &["folder"], 1).contains("there is no audio in the folder 'folder'"));
    #[cfg(unix)]
    assert!(refused(&bench, &["/dev/zero"], 1).contains("is no regular file"));
}

#[test]
fn samples_that_are_no_numbers_are_refused_with_their_place() {
    for (bad, word) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ] {
        let bench = Bench::new();
        let mut samples = vec![0.1; 4_000];
        samples[2_001] = bad;
        bench.wav("bad.wav", 44_100, 2, &samples);
        let said = refused(&bench, &["bad.wav"], 1);
        assert!(said.contains(word) && said.contains("frame 1000"), "{said}");
    }
}

#[test]
fn a_header_that_lies_is_a_warning_and_what_is_there_is_separated() {
    let bench = Bench::new();
    bench.file(
        "liar.wav",
        &wav_bytes(44_100, 2, 8_000_000, &[0; 8 * 10_000]),
    );
    let said = stderr(&mut bench.separate(&["liar.wav", "--stems", "bass"]), 0);
    assert!(said.contains("warning: "), "{said}");
    assert_eq!(read(bench.path("stems/liar/bass.wav")).frames(), 10_000);
}

#[test]
fn a_truncated_mp3_gives_what_is_there_with_a_warning() {
    let whole = include_bytes!("../fixtures/tone.mp3");
    let bench = Bench::new();
    bench.file("cut.mp3", &whole[..whole.len() / 2]);
    let said = stderr(&mut bench.separate(&["cut.mp3", "--stems", "bass"]), 0);
    assert!(said.contains("warning: "), "{said}");
    let frames = read(bench.path("stems/cut/bass.wav")).frames();
    assert!((5_000..25_000).contains(&frames), "{frames}");
}

#[test]
fn a_truncated_flac_gives_what_is_there_with_a_warning() {
    let bench = Bench::new();
    bench.song("song.wav", 2.0);
    bench
        .separate(&[
            "song.wav", "--stems", "bass", "--format", "flac", "-o", "flac",
        ])
        .assert()
        .success();

    let whole = std::fs::read(bench.path("flac/song/bass.flac")).unwrap();
    bench.file("cut.flac", &whole[..whole.len() / 2]);

    let said = stderr(&mut bench.separate(&["cut.flac", "--stems", "bass"]), 0);
    assert!(said.contains("warning: "), "{said}");
    assert!((1..88_200).contains(&read(bench.path("stems/cut/bass.wav")).frames()));
    bench.file("stub.flac", &whole[..60]);
    std::fs::remove_dir_all(bench.path("stems")).unwrap();

    refused(&bench, &["stub.flac"], 1);
}

#[test]
fn silence_and_a_single_sample_are_songs() {
    for frames in [1, 44_100] {
        let bench = Bench::new();
        bench.wav("silence.wav", 44_100, 2, &vec![0.0; 2 * frames]);
        bench.separate(&["silence.wav"]).assert().success();

        for stem in bench.files("stems") {
            let stem = read(bench.path("stems").join(stem));
            assert_eq!(stem.frames(), frames);
            assert!(
                stem.channels()
                    .iter()
                    .flatten()
                    .all(|sample| sample.abs() < 1e-6),
                "a silent song has silent stems"
            );
        }
    }

    let bench = Bench::new();
    bench.wav("click.wav", 44_100, 1, &[0.5]);
    bench
        .separate(&["click.wav", "--stems", "bass"])
        .assert()
        .success();

    assert!(read(bench.path("stems/click/bass.wav")).channels()[0][0].is_finite());
}

#[test]
fn an_output_folder_that_cannot_be_is_refused() {
    let bench = Bench::new();
    bench.song("song.wav", 0.2);
    bench.file("file", b"in the way");

    assert!(
        refused(&bench, &["song.wav", "-o", "file"], 1).contains("'file' is a file, not a folder")
    );
    std::fs::create_dir_all(bench.path("out/song/bass.wav")).unwrap();

    let said = refused(&bench, &["song.wav", "-o", "out", "--stems", "bass"], 1);
    assert!(said.contains("a folder of that name is there"), "{said}");
    assert!(bench.files("out").is_empty());
}

/// A file size limit fails as a full disk does: in the middle of the work.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_leaves_nothing() {
    let bench = Bench::new();
    bench.song("song.wav", 3.0);
    bench.file("stems/older.txt", b"keep me");
    let inner = bench.separate(&["song.wav"]);

    let mut command = assert_cmd::Command::new("sh");
    command
        .args(["-c", "ulimit -f 600; trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(inner.get_program());
    command.args(inner.get_args()).current_dir(bench.path(""));

    let said = stderr(&mut command, 1);
    assert!(said.contains("error: cannot write 'stems/song/"), "{said}");
    assert_eq!(bench.files("stems"), ["older.txt"]);
    assert!(!bench.path("stems/song").exists());
}

#[test]
fn models_that_cannot_be_used_are_refused() {
    let whole = tiny_model_bytes();
    let mut wrong_class = whole.clone();
    let at = wrong_class
        .windows(17)
        .position(|w| w == b"htdemucs.HTDemucs")
        .unwrap();

    wrong_class[at..at + 17].copy_from_slice(b"hxdemucs.HXDemucs");
    let cases: [(&str, &[u8]); 4] = [
        ("text.safetensors", b"not a checkpoint"),
        ("empty.safetensors", b""),
        ("cut.safetensors", &whole[..whole.len() / 2]),
        ("class.safetensors", &wrong_class),
    ];

    let bench = Bench::new();
    bench.song("song.wav", 0.2);
    let refuse = |model: &str| {
        let said = stderr(&mut bench.sextet(&["separate", "song.wav", "-m", model]), 3);
        assert!(
            said.starts_with("error: ") && said.contains("\nhelp: "),
            "{said}"
        );
        assert!(!bench.path("stems").exists());
        println!("{said}");
        said
    };

    for (name, bytes) in cases {
        bench.file(name, bytes);
        assert!(refuse(name).contains(name));
    }

    bench.file("bag.yaml", b"models: ['nowhere']\n");
    bench.file("model.onnx", b"onnx");

    assert!(refuse("demucs9").contains("there is no model 'demucs9'"));
    assert!(refuse("htdemucs_6s").contains("help: run `sextet model fetch htdemucs_6s`"));
    assert!(refuse("missing.safetensors").contains("there is no checkpoint 'missing.safetensors'"));
    assert!(refuse("bag.yaml").contains("nowhere.safetensors"));
    assert!(refuse("model.onnx").contains("'model.onnx' is no model"));
}

#[test]
fn an_engine_that_is_not_there_is_said_so() {
    let bench = Bench::new();
    bench.song("song.wav", 0.2);
    let mut separate = bench.separate(&["song.wav", "--engine", "tensorrt"]);

    // Depending on machine and build, the driver or the library is found missing first.
    let said = stderr(separate.env("SEXTET_TENSORRT", bench.path("nowhere")), 4);
    assert!(
        said.contains("error: no NVIDIA driver")
            || said.contains("TensorRT")
            || said.contains("tensorrt"),
        "{said}"
    );
    assert!(
        said.contains("\nhelp: ") && !bench.path("stems").exists(),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let bench = Bench::new();
    bench.song("song.wav", 0.5);

    for flag in ["--json", "-v"] {
        let inner = bench.separate(&["song.wav", "--stems", "bass", flag]);
        let mut command = assert_cmd::Command::new("sh");
        command
            .args(["-c", "(\"$0\" \"$@\"; echo $? > code) | true"])
            .arg(inner.get_program());

        command
            .args(inner.get_args())
            .current_dir(bench.path(""))
            .assert()
            .success();

        assert_eq!(
            std::fs::read_to_string(bench.path("code")).unwrap().trim(),
            "0"
        );
    }
}
