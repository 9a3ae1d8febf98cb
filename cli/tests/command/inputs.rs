//! Files, folders, odd names and collisions.

use crate::sandbox::{Sandbox, native, stderr, stdout};

#[test]
fn folders_are_searched_and_batches_summed_up() {
    let sandbox = Sandbox::new();
    sandbox.song("album/10.wav", 0.2);
    sandbox.song("album/9.wav", 0.2);
    sandbox.song("album/disc 2/1.wav", 0.2);
    sandbox.song("album/.hidden.wav", 0.2);

    sandbox.song("single.wav", 0.2);
    let said = stdout(&mut sandbox.separate(&["album", "single.wav", "--stems", "bass"]));
    let order: Vec<_> = said
        .lines()
        .filter_map(|line| line.strip_prefix("done     ")?.split(':').next())
        .collect();

    assert_eq!(
        order,
        [
            native("album/9.wav"),
            native("album/10.wav"),
            native("album/disc 2/1.wav"),
            "single.wav".to_owned()
        ]
    );

    assert!(said.contains("4 done, 0 skipped, 0 failed"));
    assert_eq!(
        sandbox.files("stems"),
        ["1/bass.wav", "10/bass.wav", "9/bass.wav", "single/bass.wav"]
    );
}

#[test]
fn our_own_output_is_not_taken_for_songs() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.2);
    for _ in 0..2 {
        let said = stdout(&mut sandbox.separate(&[".", "--stems", "bass"]));
        assert!(said.starts_with("1 done"), "{said}");
    }
}

#[test]
fn a_failing_song_does_not_stop_the_others() {
    let sandbox = Sandbox::new();
    sandbox.song("a.wav", 0.2);
    sandbox.file("b.wav", b"this is text");
    sandbox.song("c.wav", 0.2);
    let mut command =
        sandbox.separate(&["a.wav", "b.wav", "missing.wav", "c.wav", "--stems", "bass"]);

    let said = String::from_utf8(command.assert().code(1).get_output().stdout.clone()).unwrap();
    assert!(said.contains("2 done, 0 skipped, 2 failed"), "{said}");
    assert!(
        said.contains("failed   b.wav: ") && said.contains("failed   missing.wav: "),
        "{said}"
    );

    assert_eq!(sandbox.files("stems"), ["a/bass.wav", "c/bass.wav"]);
}

#[test]
fn odd_names_work() {
    let long = format!("{}.wav", "x".repeat(251));
    let names = [
        "日本語 – ünï.wav",
        "v1.2.final.mix.wav",
        "...wav",
        "-dash.wav",
        "a b'c\"d.wav",
        &long,
        "{track}.wav",
        "100 %.wav",
    ];

    // Windows has no names with quotation marks.
    let takes = |name: &&str| !(cfg!(windows) && name.contains('"'));
    for name in names.into_iter().filter(takes) {
        let sandbox = Sandbox::new();
        sandbox.song(name, 0.2);
        sandbox
            .separate(&["--stems", "bass", "--", name])
            .assert()
            .success();

        let track = if name == "...wav" {
            "_"
        } else {
            name.strip_suffix(".wav").unwrap()
        };

        assert_eq!(sandbox.files("stems"), [format!("{track}/bass.wav")]);
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_work() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 0.2);

    let name = OsStr::from_bytes(b"caf\xe9.wav");
    std::fs::rename(song, sandbox.path("").join(name)).unwrap();
    sandbox
        .separate(&["--stems", "bass"])
        .arg(name)
        .assert()
        .success();

    assert!(
        sandbox
            .path("stems")
            .join(OsStr::from_bytes(b"caf\xe9"))
            .join("bass.wav")
            .is_file()
    );
}

#[test]
fn a_name_that_is_too_long_is_cut_where_the_song_is_named_or_refused_before_the_work() {
    let sandbox = Sandbox::new();
    sandbox.song(&format!("{}.wav", "x".repeat(251)), 0.2);
    let arguments = [".", "--stems", "bass", "--name", "{track}_{stem}.{ext}"];
    sandbox.separate(&arguments).assert().success();
    let expected = format!("{}_bass.wav", "x".repeat(246));
    assert_eq!(sandbox.files("stems"), [expected]);
    std::fs::remove_dir_all(sandbox.path("stems")).unwrap();

    // A name of the user's own is not cut.
    let own = format!("{}.{{ext}}", "y".repeat(300));
    let arguments = [".", "--stems", "bass", "--name", &own];
    let said = stderr(&mut sandbox.separate(&arguments), 1);

    // Windows says that the name's syntax is wrong.
    let too_long = if cfg!(windows) {
        "cannot "
    } else {
        "File name too long"
    };
    assert!(said.contains(too_long), "{said}");
    assert!(sandbox.files("stems").is_empty() && !sandbox.path("stems").exists());
}

#[test]
fn songs_that_would_share_a_place_are_refused_with_the_way_out() {
    let sandbox = Sandbox::new();
    sandbox.song("a/song.wav", 0.2);
    sandbox.song("b/song.wav", 0.2);

    let said = stderr(&mut sandbox.separate(&["a", "b"]), 2);
    assert!(
        said.contains(&native(
            "'a/song.wav' and 'b/song.wav' would both be written to"
        )),
        "{said}"
    );
    assert!(
        said.contains("help: tell them apart, as with --name '{folder}/{track}/{stem}.{ext}'"),
        "{said}"
    );

    assert!(!sandbox.path("stems").exists());
    sandbox
        .separate(&[
            "a",
            "b",
            "--stems",
            "bass",
            "--name",
            "{folder}/{track}/{stem}.{ext}",
        ])
        .assert()
        .success();

    assert_eq!(
        sandbox.files("stems"),
        ["a/song/bass.wav", "b/song/bass.wav"]
    );

    std::fs::copy(sandbox.path("a/song.wav"), sandbox.path("a/song.wave")).unwrap();
    let said = stderr(&mut sandbox.separate(&["a"]), 2);
    assert!(
        said.contains("--name '{track}.{source_ext}/{stem}.{ext}'"),
        "{said}"
    );
}

#[test]
fn a_song_that_is_named_twice_is_separated_once() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.2);
    let said = stdout(&mut sandbox.separate(&["song.wav", "./song.wav", ".", "--stems", "bass"]));
    assert!(said.starts_with("1 done"), "{said}");
}

#[test]
fn no_song_is_ever_written_over() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song/bass.wav", 0.2);
    let before = std::fs::read(&song).unwrap();
    let said = stderr(
        &mut sandbox.separate(&["song/bass.wav", "-o", ".", "--name", "song/{stem}.{ext}"]),
        2,
    );

    assert!(
        said.contains(&native(
            "a stem would be written over the song 'song/bass.wav'"
        )),
        "{said}"
    );
    assert_eq!(std::fs::read(&song).unwrap(), before);
    assert_eq!(sandbox.files("."), ["song/bass.wav"]);
}
