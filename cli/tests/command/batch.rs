//! Batches in a world that changes: standard input, full disks, folders that vanish, songs that are
//! written to, and signals that were ignored when the command began.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sextet_cases::each_case;
use sextet_separator::audio::{TagField, Tags};

use crate::sandbox::{Sandbox, read, stderr, tiny_model};

/// Waits until `condition` holds.
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "waited for {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Starts the command in `sandbox`, without waiting for it.
fn start(sandbox: &Sandbox, before: &str, arguments: &str) -> std::process::Child {
    let sextet = assert_cmd::cargo::cargo_bin!("sextet");
    let model = tiny_model().display();
    let script = format!(
        "{before} exec '{}' separate --threads 1 -m '{model}' {arguments}",
        sextet.display()
    );
    Command::new("sh")
        .args(["-c", &script])
        .current_dir(sandbox.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Returns the code and what was said of a command that has been started.
fn end(child: std::process::Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn unfinished(sandbox: &Sandbox, folder: &str) -> usize {
    let files = sandbox.files(folder);
    files.iter().filter(|file| file.ends_with(".part")).count()
}

#[test]
fn standard_input_is_a_song() {
    let sandbox = Sandbox::new();
    let song = std::fs::read(sandbox.song("song.wav", 0.3)).unwrap();
    sandbox.file("tmp/keep", b"");
    let mut command = sandbox.separate(&["-", "--stems", "bass"]);
    command.env("TMPDIR", sandbox.path("tmp")).write_stdin(song);
    let said = stderr(&mut command, 0);
    assert!(said.contains("done     standard input: "), "{said}");
    assert_eq!(read(sandbox.path("stems/stdin/bass.wav")).frames(), 13_230);
    assert_eq!(sandbox.files("tmp"), ["keep"], "the copy is gone");

    let mut command = sandbox.separate(&["-", "--stems", "bass"]);
    command
        .env("TMPDIR", sandbox.path("tmp"))
        .write_stdin("this is text");
    let said = stderr(&mut command, 1);
    assert!(said.contains("help: "), "{said}");
    assert_eq!(sandbox.files("tmp"), ["keep"], "the copy is gone");
}

#[test]
fn files_that_are_left_out_are_told() {
    let sandbox = Sandbox::new();
    sandbox.song("music/song.wav", 0.2);
    sandbox.file("music/cover.jpg", b"");
    sandbox.file("music/notes.txt", b"");
    let said = stderr(&mut sandbox.separate(&["music", "--stems", "bass"]), 0);
    assert!(
        said.contains("2 files were left out: cover.jpg, notes.txt"),
        "{said}"
    );
}

#[test]
fn no_tags_are_no_tags() {
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.2);
    each_case(["wav", "flac", "aiff"], |format| {
        let arguments = ["song.wav", "--stems", "bass", "--format", format, "--tags"];
        sandbox.separate(&arguments).arg("none").assert().success();
        let path = sandbox.path(&format!("stems/song/bass.{format}"));
        assert!(Tags::read(&path).is_empty(), "{format}");
        sandbox.separate(&arguments).arg("song").assert().success();
        assert_eq!(
            Tags::read(&path).get(TagField::Title),
            Some("bass"),
            "{format}"
        );
    });
}

#[test]
fn signals_that_were_ignored_stay_ignored() {
    each_case(["HUP", "INT", "TERM"], |signal| {
        let sandbox = Sandbox::new();
        sandbox.song_of("song.wav", 44_100, 1, 20.0);
        let before = format!("trap '' {signal};");
        let child = start(&sandbox, &before, "song.wav --stems bass");
        wait_for("the stems", || unfinished(&sandbox, "stems") > 0);
        let number = child.id().to_string();
        let killed = Command::new("kill")
            .args([format!("-{signal}"), number])
            .status();
        assert!(killed.unwrap().success());
        let (code, said) = end(child);
        assert_eq!(code, Some(0), "{signal}: {said}");
        assert_eq!(sandbox.files("stems"), ["song/bass.wav"], "{signal}");
    });
}

#[test]
fn a_song_that_is_written_to_is_told_and_the_batch_goes_on() {
    let sandbox = Sandbox::new();
    let song = sandbox.song_of("a.wav", 44_100, 1, 60.0);
    sandbox.song("b.wav", 0.3);
    let child = start(&sandbox, "", "a.wav b.wav --stems bass");
    wait_for("the stems", || unfinished(&sandbox, "stems/a") > 0);
    let mut longer = std::fs::read(&song).unwrap();
    longer.extend([0; 400]);
    std::fs::write(&song, longer).unwrap();

    let (code, said) = end(child);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("'a.wav' changed while it was read"), "{said}");
    assert!(said.contains("1 done, 0 skipped, 1 failed"), "{said}");
    assert_eq!(sandbox.files("stems"), ["b/bass.wav"]);
}

#[test]
fn a_folder_that_vanishes_is_told_and_the_batch_goes_on() {
    let sandbox = Sandbox::new();
    sandbox.song_of("a.wav", 44_100, 1, 60.0);
    sandbox.song("b.wav", 0.3);
    let child = start(&sandbox, "", "a.wav b.wav --stems bass");
    wait_for("the stems", || unfinished(&sandbox, "stems/a") > 0);
    std::fs::remove_dir_all(sandbox.path("stems")).unwrap();

    let (code, said) = end(child);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot write 'stems/a/"), "{said}");
    assert!(said.contains("1 done, 0 skipped, 1 failed"), "{said}");
    assert_eq!(sandbox.files("stems"), ["b/bass.wav"]);
}

/// A small disk, which needs the rights to mount one.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(place: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(place).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]);
        let mounted = command.arg(place).stderr(Stdio::null()).status();
        let is_there = mounted.is_ok_and(|status| status.success());
        if !is_there {
            println!("left out: no disk can be mounted here");
        }
        is_there.then(|| Self(place.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_and_the_batch_goes_on() {
    let sandbox = Sandbox::new();
    let Some(_disk) = SmallDisk::mount(&sandbox.path("small"), 1) else {
        return;
    };
    // Two stems of 30 seconds in 16 bits are 5 MB, in MP3 2.4; those of one second are 0.2.
    sandbox.song_of("a.wav", 44_100, 1, 30.0);
    sandbox.song_of("b.wav", 44_100, 1, 1.0);
    let has_ffmpeg = sextet_separator::audio::Ffmpeg::on_path().is_some();
    let formats = [
        ("wav --bits 16", "wav"),
        ("flac --bits 16", "flac"),
        ("aiff --bits 16", "aiff"),
        ("alac --bits 16", "m4a"),
        ("mp3", "mp3"),
    ];
    for (flags, extension) in formats.into_iter().take(if has_ffmpeg { 5 } else { 3 }) {
        let arguments = format!("a.wav b.wav --stems bass,drums -o small --format {flags}");
        let (code, said) = end(start(&sandbox, "", &arguments));
        assert_eq!(code, Some(1), "{flags}: {said}");
        let full = said.contains("No space left") || said.contains("and the disk has");
        assert!(full && said.contains("help: "), "{flags}: {said}");
        assert!(
            said.contains("1 done, 0 skipped, 1 failed"),
            "{flags}: {said}"
        );
        let files = ["bass", "drums"].map(|stem| format!("b/{stem}.{extension}"));
        assert_eq!(sandbox.files("small"), files, "{flags}");
        std::fs::remove_dir_all(sandbox.path("small/b")).unwrap();
    }
}

/// Names that the disk of other systems does not take, on a disk that takes all, and cut where they
/// are too long.
#[test]
fn names_are_the_songs_where_the_disk_takes_them() {
    let sandbox = Sandbox::new();
    sandbox.song("What: is this?.wav", 0.2);
    let long = "é".repeat(125);
    sandbox.song(&format!("{long}.wav"), 0.2);
    let arguments = ["--stems", "bass", "--name", "{track} - the {stem}.{ext}"];
    let songs = ["What: is this?.wav".to_owned(), format!("{long}.wav")];
    sandbox.separate(&arguments).args(songs).assert().success();
    let cut = "é".repeat(120);
    let expected = [
        "What: is this? - the bass.wav".to_owned(),
        format!("{cut} - the bass.wav"),
    ];
    assert_eq!(sandbox.files("stems"), expected);
}
