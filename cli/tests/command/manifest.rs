//! `sextet.json` beside the stems: what it says, what is skipped by it, and what is said of stems
//! that are replaced.

use sextet_cases::each_case;
use sextet_separator::audio::Tags;
use sha2::{Digest as _, Sha256};

use crate::sandbox::{Sandbox, stderr, stdout, tiny_model_bytes};

fn manifest(sandbox: &Sandbox) -> serde_json::Value {
    let bytes = std::fs::read(sandbox.path("stems/song/sextet.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn hash(path: &std::path::Path) -> String {
    hex::encode(Sha256::digest(std::fs::read(path).unwrap()))
}

/// Returns the last line, the count.
fn count(text: String) -> String {
    text.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn the_manifest_names_song_model_options_and_files() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 0.3);
    each_case(["wav", "flac", "aiff"], |format| {
        let arguments = ["song.wav", "--stems", "bass,drums", "--format", format];
        sandbox
            .separate(&arguments)
            .args(["--overlap", "0.5"])
            .assert()
            .success();
        let found = manifest(&sandbox);
        assert_eq!(found["version"], 1);
        let entry = found["songs"].as_array().unwrap().last().unwrap();

        assert_eq!(entry["song"]["file"], "song.wav");
        assert_eq!(entry["song"]["sha256"], hash(&song));
        assert_eq!(entry["model"], "tiny");
        assert_eq!(entry["model_hash"].as_str().unwrap().len(), 64);
        assert_eq!(entry["sextet"], env!("CARGO_PKG_VERSION"));
        let engine = entry["engine"].as_str().unwrap().to_ascii_lowercase();
        assert!(engine.contains("cpu"), "{entry}");
        let cases = [
            ("overlap", "0.5"),
            ("format", format),
            ("stems", "bass,drums"),
        ];
        each_case(cases, |(option, expected)| {
            assert_eq!(entry["options"][option], expected);
        });
        for (stem, name) in entry["stems"]
            .as_array()
            .unwrap()
            .iter()
            .zip(["bass", "drums"])
        {
            let file = format!("{name}.{format}");
            let path = sandbox.path("stems/song").join(&file);
            assert_eq!((&stem["part"], &stem["file"]), (&name.into(), &file.into()));
            assert_eq!(stem["sha256"], hash(&path), "{format}");
            assert_eq!(stem["bytes"], std::fs::metadata(&path).unwrap().len());
        }
    });
    // Each format has files of its own: the manifest has all of them.
    assert_eq!(manifest(&sandbox)["songs"].as_array().unwrap().len(), 3);
}

#[test]
fn what_was_made_otherwise_is_not_skipped() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 1.5);
    let mut other = tiny_model_bytes();
    let end = other.len() - 2;
    other[end] ^= 1;
    sandbox.file("other.safetensors", &other);

    let base = ["song.wav", "--stems", "bass", "--skip-existing"];
    let run = |flags: &[&str]| count(stdout(sandbox.separate(&base).args(flags)));
    let is_done = |line: &str| line.starts_with("1 done, 0 skipped");
    let is_skipped = |line: &str| line.starts_with("0 done, 1 skipped");
    assert!(is_done(&run(&[])));
    assert!(is_skipped(&run(&[])));

    // Each is made once, and skipped once it is there.
    let cases: [&[&str]; 8] = [
        &["--single-chunk"],
        &["--overlap", "0.5"],
        &["--shifts", "1"],
        &["--sum", "exact"],
        &["--bits", "16"],
        &["--tags", "none"],
        &["--rate", "48000"],
        &[],
    ];
    each_case(cases, |flags| {
        assert!(is_done(&run(flags)), "{flags:?}");
        assert!(is_skipped(&run(flags)), "{flags:?}");
    });

    // Another model.
    let mut command = sandbox.sextet(&["separate", "--threads", "1", "-m", "other.safetensors"]);
    assert!(is_done(&count(stdout(command.args(base)))));
    assert!(is_done(&run(&[])));

    // The song touched, and another one in its place.
    let bytes = std::fs::read(sandbox.path("song.wav")).unwrap();
    sandbox.file("song.wav", &bytes);
    assert!(is_skipped(&run(&[])));
    sandbox.song("song.wav", 1.6);
    assert!(is_done(&run(&[])));
    assert!(is_skipped(&run(&[])));
}

#[test]
fn what_is_replaced_is_told() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.3);
    let run = |flags: &[&str]| {
        let base = ["song.wav", "--stems", "bass"];
        stderr(sandbox.separate(&base).args(flags), 0)
    };
    let version = env!("CARGO_PKG_VERSION");
    assert!(!run(&[]).contains("replaced"));
    assert!(!run(&[]).contains("replaced"), "the same once more");

    let said = run(&["--overlap", "0.5"]);
    let expected = format!("were replaced, made by tiny with overlap 0.25 (Sextet {version})");
    assert!(said.contains(&expected), "{said}");
    let said = run(&["--overlap", "0.5", "--no-manifest"]);
    assert!(
        !said.contains("were replaced"),
        "the same once more: {said}"
    );
    let said = run(&[]);
    assert!(said.contains("made by what no manifest says"), "{said}");

    sandbox.song("song.wav", 0.4);
    let said = run(&[]);
    assert!(said.contains("of an older version of the song"), "{said}");
}

#[test]
fn no_manifest_is_written_where_none_is_wanted() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.3);
    let arguments = [
        "song.wav",
        "--stems",
        "bass",
        "--no-manifest",
        "--skip-existing",
    ];
    assert!(count(stdout(&mut sandbox.separate(&arguments))).starts_with("1 done"));
    assert!(!sandbox.path("stems/song/sextet.json").exists());
    // Without a manifest, stems are skipped because their files exist.
    assert!(count(stdout(&mut sandbox.separate(&arguments))).starts_with("0 done, 1 skipped"));
}

/// Stems of several songs in one folder share a manifest.
#[test]
fn one_folder_of_many_songs_has_one_manifest() {
    let sandbox = Sandbox::new();
    sandbox.song("a.wav", 0.3);
    sandbox.song("b.wav", 0.3);
    let arguments = ["a.wav", "b.wav", "--stems", "bass", "--skip-existing"];
    let run = |name: &str| count(stdout(sandbox.separate(&arguments).args(["--name", name])));
    let cases = [
        "{track} {stem}.{ext}",
        "{stem}/{track}.{ext}",
        "{track}/{stem}/it.{ext}",
    ];
    each_case(cases, |name| {
        assert!(run(name).starts_with("2 done"), "{name}");
        assert!(run(name).starts_with("0 done, 2 skipped"), "{name}");
    });
    let bytes = std::fs::read(sandbox.path("stems/sextet.json")).unwrap();
    let found: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(found["songs"].as_array().unwrap().len(), 2);
}

/// Processes that write into one folder at the same time do not lose each other's songs.
#[test]
fn processes_share_a_manifest() {
    let sandbox = Sandbox::new();
    let songs: Vec<String> = (0..12).map(|n| format!("{n}.wav")).collect();
    for song in &songs {
        sandbox.song(song, 0.1);
    }

    std::thread::scope(|scope| {
        for songs in songs.chunks(4) {
            let mut command = sandbox.separate(&["--stems", "bass", "--name", "{track}.{ext}"]);
            command.args(songs);
            scope.spawn(move || command.assert().success());
        }
    });
    let bytes = std::fs::read(sandbox.path("stems/sextet.json")).unwrap();
    let found: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(found["songs"].as_array().unwrap().len(), songs.len());
}

#[test]
fn a_manifest_that_is_not_understood_is_kept_and_told_of() {
    let newer = r#"{"version": 2, "songs": [], "more": true}"#;
    let cases = [
        (newer, "sextet.v2.json", "is of version 2, not of 1"),
        ("{}", "sextet.other.json", "is not one that Sextet wrote"),
    ];
    each_case(cases, |(text, name, said)| {
        let sandbox = Sandbox::new();
        sandbox.song("song.wav", 0.3);
        let path = sandbox.file("stems/song/sextet.json", text.as_bytes());

        // Without a manifest of our own it stays where it is.
        let arguments = ["song.wav", "--stems", "bass"];
        let told = stderr(sandbox.separate(&arguments).arg("--no-manifest"), 0);
        assert!(
            told.contains(said) && told.contains("may no longer"),
            "{told}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

        let told = stderr(&mut sandbox.separate(&arguments), 0);
        assert!(told.contains(said) && told.contains(name), "{told}");
        assert_eq!(manifest(&sandbox)["songs"].as_array().unwrap().len(), 1);
        let kept = sandbox.path("stems/song").join(name);
        assert_eq!(std::fs::read_to_string(kept).unwrap(), text);

        let told = stderr(&mut sandbox.separate(&arguments), 0);
        assert!(!told.contains("kept"), "{told}");
    });
}

/// Stems are no songs, by their tags or by the manifest, in a folder that is searched again with
/// another output folder.
#[test]
fn our_own_stems_are_not_songs() {
    each_case(["song", "none"], |tags| {
        let sandbox = Sandbox::new();
        sandbox.song("music/song.wav", 0.3);
        let arguments = [
            "music",
            "-o",
            "music/made",
            "--tags",
            tags,
            "--stems",
            "bass,drums",
        ];
        sandbox.separate(&arguments).assert().success();
        let is_stem = Tags::read(sandbox.path("music/made/song/bass.wav")).is_stem();
        assert_eq!(is_stem, tags == "song");

        let again = ["music", "-o", "elsewhere", "--stems", "bass"];
        let said = sandbox
            .separate(&again)
            .assert()
            .success()
            .get_output()
            .clone();
        let text = String::from_utf8(said.stderr).unwrap();
        assert!(
            text.contains("2 files were left out: Sextet's own stems"),
            "{tags}: {text}"
        );
        assert!(!text.contains("sextet.json"), "{tags}: {text}");
        assert_eq!(sandbox.files("elsewhere"), ["song/bass.wav"], "{tags}");

        // A song of the user's in a stem's place is one.
        sandbox.song("music/made/song/bass.wav", 0.9);
        sandbox
            .separate(&["music", "-o", "third", "--stems", "bass"])
            .assert()
            .success();
        assert_eq!(
            sandbox.files("third"),
            ["bass/bass.wav", "song/bass.wav"],
            "{tags}"
        );
    });
}
