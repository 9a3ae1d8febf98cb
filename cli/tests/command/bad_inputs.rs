//! Bad inputs: each is reported with a cause and a remedy on one line each and an exit code, and
//! leaves nothing behind.

use sextet_cases::each_case;

use crate::sandbox::{Sandbox, read, stderr, tiny_model_bytes, wav_bytes};

/// Returns the command's messages about `arguments`, after checking that there is exactly one
/// `error:` and one `help:` line and no output folder.
fn refused(sandbox: &Sandbox, arguments: &[&str], code: i32) -> String {
    let said = stderr(&mut sandbox.separate(arguments), code);
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
    assert!(
        !sandbox.path("stems").exists(),
        "{:?}",
        sandbox.files("stems")
    );
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

    each_case(cases, |(name, bytes, expected)| {
        let sandbox = Sandbox::new();
        sandbox.file(name, bytes);
        let said = refused(&sandbox, &[name], 1);
        assert!(
            said.contains(name) && said.contains(expected),
            "{name}: {said}"
        );
    });
}

#[test]
fn what_is_not_there_or_has_no_audio_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.file("folder/notes.txt", b"no audio");
    assert!(refused(&sandbox, &["missing.wav"], 1).contains("there is no file 'missing.wav'"));
    assert!(refused(&sandbox, &["folder"], 1).contains("there is no audio in the folder 'folder'"));
    #[cfg(unix)]
    assert!(refused(&sandbox, &["/dev/zero"], 1).contains("is no regular file"));
}

#[test]
fn samples_that_are_no_numbers_are_refused_with_their_place() {
    let cases = [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ];
    each_case(cases, |(bad, word)| {
        let sandbox = Sandbox::new();
        let mut samples = vec![0.1; 4_000];
        samples[2_001] = bad;
        sandbox.wav("bad.wav", 44_100, 2, &samples);
        let said = refused(&sandbox, &["bad.wav"], 1);
        assert!(said.contains(word) && said.contains("frame 1000"), "{said}");
    });
}

#[test]
fn a_header_that_lies_is_a_warning_and_what_is_there_is_separated() {
    let sandbox = Sandbox::new();
    sandbox.file(
        "liar.wav",
        &wav_bytes(44_100, 2, 8_000_000, &[0; 8 * 10_000]),
    );
    let said = stderr(&mut sandbox.separate(&["liar.wav", "--stems", "bass"]), 0);
    assert!(said.contains("warning: "), "{said}");
    assert_eq!(read(sandbox.path("stems/liar/bass.wav")).frames(), 10_000);
}

#[test]
fn a_truncated_mp3_gives_what_is_there_with_a_warning() {
    let whole = include_bytes!("../fixtures/tone.mp3");
    let sandbox = Sandbox::new();
    sandbox.file("cut.mp3", &whole[..whole.len() / 2]);
    let said = stderr(&mut sandbox.separate(&["cut.mp3", "--stems", "bass"]), 0);
    assert!(said.contains("warning: "), "{said}");
    let frames = read(sandbox.path("stems/cut/bass.wav")).frames();
    assert!((5_000..25_000).contains(&frames), "{frames}");
}

#[test]
fn a_truncated_flac_gives_what_is_there_with_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 2.0);
    sandbox
        .separate(&[
            "song.wav", "--stems", "bass", "--format", "flac", "-o", "flac",
        ])
        .assert()
        .success();

    let whole = std::fs::read(sandbox.path("flac/song/bass.flac")).unwrap();
    sandbox.file("cut.flac", &whole[..whole.len() / 2]);

    let said = stderr(&mut sandbox.separate(&["cut.flac", "--stems", "bass"]), 0);
    assert!(said.contains("warning: "), "{said}");
    assert!((1..88_200).contains(&read(sandbox.path("stems/cut/bass.wav")).frames()));
    sandbox.file("stub.flac", &whole[..60]);
    std::fs::remove_dir_all(sandbox.path("stems")).unwrap();

    refused(&sandbox, &["stub.flac"], 1);
}

#[test]
fn silence_and_a_single_sample_are_songs() {
    each_case([1, 44_100], |frames| {
        let sandbox = Sandbox::new();
        sandbox.wav("silence.wav", 44_100, 2, &vec![0.0; 2 * frames]);
        sandbox.separate(&["silence.wav"]).assert().success();

        for stem in sandbox.files("stems") {
            let stem = read(sandbox.path("stems").join(stem));
            assert_eq!(stem.frames(), frames);
            assert!(
                stem.channels()
                    .iter()
                    .flatten()
                    .all(|sample| sample.abs() < 1e-6),
                "a silent song has silent stems"
            );
        }
    });

    let sandbox = Sandbox::new();
    sandbox.wav("click.wav", 44_100, 1, &[0.5]);
    sandbox
        .separate(&["click.wav", "--stems", "bass"])
        .assert()
        .success();

    assert!(read(sandbox.path("stems/click/bass.wav")).channels()[0][0].is_finite());
}

#[test]
fn an_output_folder_that_cannot_be_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.2);
    sandbox.file("file", b"in the way");

    assert!(
        refused(&sandbox, &["song.wav", "-o", "file"], 1)
            .contains("'file' is a file, not a folder")
    );
    std::fs::create_dir_all(sandbox.path("out/song/bass.wav")).unwrap();

    let said = refused(&sandbox, &["song.wav", "-o", "out", "--stems", "bass"], 1);
    assert!(said.contains("a folder of that name is there"), "{said}");
    assert!(sandbox.files("out").is_empty());
}

/// A file size limit fails as a full disk does: in the middle of the work.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 3.0);
    sandbox.file("stems/older.txt", b"keep me");
    let inner = sandbox.separate(&["song.wav"]);

    let mut command = assert_cmd::Command::new("sh");
    command
        .args(["-c", "ulimit -f 600; trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(inner.get_program());
    command.args(inner.get_args()).current_dir(sandbox.path(""));

    let said = stderr(&mut command, 1);
    assert!(said.contains("error: cannot write 'stems/song/"), "{said}");
    assert_eq!(sandbox.files("stems"), ["older.txt"]);
    assert!(!sandbox.path("stems/song").exists());
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

    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.2);
    let refuse = |model: &str| {
        let said = stderr(
            &mut sandbox.sextet(&["separate", "song.wav", "-m", model]),
            3,
        );
        assert!(
            said.starts_with("error: ") && said.contains("\nhelp: "),
            "{said}"
        );
        assert!(!sandbox.path("stems").exists());
        println!("{said}");
        said
    };

    each_case(cases, |(name, bytes)| {
        sandbox.file(name, bytes);
        assert!(refuse(name).contains(name));
    });

    sandbox.file("bag.yaml", b"models: ['nowhere']\n");
    sandbox.file("model.onnx", b"onnx");

    assert!(refuse("demucs9").contains("there is no model 'demucs9'"));
    assert!(refuse("htdemucs_6s").contains("help: run `sextet model fetch htdemucs_6s`"));
    assert!(refuse("missing.safetensors").contains("there is no checkpoint 'missing.safetensors'"));
    assert!(refuse("bag.yaml").contains("nowhere.safetensors"));
    assert!(refuse("model.onnx").contains("'model.onnx' is no model"));
}

#[test]
fn an_engine_that_is_not_there_is_said_so() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.2);
    let mut separate = sandbox.separate(&["song.wav", "--engine", "tensorrt"]);

    // Depending on machine and build, the driver or the library is found missing first.
    let said = stderr(separate.env("SEXTET_TENSORRT", sandbox.path("nowhere")), 4);
    assert!(
        said.contains("error: no NVIDIA driver")
            || said.contains("TensorRT")
            || said.contains("tensorrt"),
        "{said}"
    );
    assert!(
        said.contains("\nhelp: ") && !sandbox.path("stems").exists(),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.5);

    each_case(["--json", "-v"], |flag| {
        let inner = sandbox.separate(&["song.wav", "--stems", "bass", flag]);
        let mut command = assert_cmd::Command::new("sh");
        command
            .args(["-c", "(\"$0\" \"$@\"; echo $? > code) | true"])
            .arg(inner.get_program());

        command
            .args(inner.get_args())
            .current_dir(sandbox.path(""))
            .assert()
            .success();

        assert_eq!(
            std::fs::read_to_string(sandbox.path("code"))
                .unwrap()
                .trim(),
            "0"
        );
    });
}
