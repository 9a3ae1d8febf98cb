//! The page of `--page`: when it is written, what is refused, and in a browser what it plays.

#[cfg(unix)]
mod browser;
#[cfg(unix)]
mod played;

use std::fs;
use std::process::Command;

use crate::sandbox::{Sandbox, native, read, stderr, stdout};

/// Environment variable that names ffmpeg, or `none`.
const FFMPEG: &str = "SEXTET_FFMPEG";

const PAGE: &str = "stems/a/index.html";

fn text(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.path(name)).unwrap()
}

/// Whether there is an ffmpeg that encodes MP3.
fn has_mp3() -> bool {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-h", "encoder=libmp3lame"])
        .output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    said.is_ok_and(|said| said.starts_with("Encoder libmp3lame"))
}

#[test]
fn a_page_is_written_beside_the_stems() {
    let sandbox = Sandbox::new();
    sandbox.song("a.wav", 1.2);
    let mut command = sandbox.separate(&["a.wav", "--page"]);
    let said = stderr(command.env(FFMPEG, "none"), 0);

    assert!(said.contains("6 files and a page of "), "{said}");
    assert!(said.contains(&native("MB (FLAC) in 'stems/a'")), "{said}");
    assert_eq!(
        sandbox.files("stems").len(),
        7,
        "{:?}",
        sandbox.files("stems")
    );

    let page = text(&sandbox, PAGE);
    assert!(page.contains("<h1>a</h1>") && page.contains("\"frames\":52920"));
    for stem in 0..6 {
        assert!(
            page.contains(&format!("data-stem=\"{stem}\">ZkxhQ")),
            "{stem}"
        );
    }
}

#[test]
fn an_ffmpeg_makes_it_smaller() {
    if !has_mp3() {
        eprintln!("SKIPPED: no ffmpeg with libmp3lame on the PATH");
        return;
    }

    let sandbox = Sandbox::new();
    sandbox.song("a.wav", 8.0);
    let mut bytes = Vec::new();
    for (ffmpeg, codec) in [("none", "FLAC"), ("ffmpeg", "MP3")] {
        let mut command = sandbox.separate(&["a.wav", "--page"]);
        let said = stderr(command.env(FFMPEG, ffmpeg), 0);
        assert!(said.contains(&format!("({codec}) in")), "{said}");
        bytes.push(text(&sandbox, PAGE).len());
    }
    println!("FLAC {} bytes, MP3 {} bytes", bytes[0], bytes[1]);
    assert!(bytes[1] < bytes[0], "{bytes:?}");
}

#[cfg(unix)]
#[test]
fn an_ffmpeg_that_fails_leaves_flac_and_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.song("a.wav", 0.5);
    let script = "[ \"$3\" = -encoders ] && echo ' A....D libmp3lame MP3' && exit 0\n\
                  echo 'no room' >&2\nexit 1";
    let ffmpeg = sextet_testing::ffmpeg::program(&sandbox.path(""), script);

    let mut command = sandbox.separate(&["a.wav", "--page"]);
    let said = stderr(command.env(FFMPEG, ffmpeg.program()), 0);
    assert!(said.contains("warning: the page holds FLAC"), "{said}");
    assert!(
        said.contains("no room") && said.contains("(FLAC) in"),
        "{said}"
    );
    assert!(text(&sandbox, PAGE).contains("data-stem=\"5\">ZkxhQ"));
}

#[test]
fn json_tells_of_the_page() {
    let sandbox = Sandbox::new();
    sandbox.song("a.wav", 0.5);
    let arguments = ["a.wav", "--page", "--two-stems", "vocals", "--json"];
    let output = stdout(sandbox.separate(&arguments).env(FFMPEG, "none"));
    let end = output
        .lines()
        .find(|line| line.contains("song_end"))
        .unwrap();
    let end: serde_json::Value = serde_json::from_str(end).unwrap();

    assert_eq!(end["outputs"].as_array().unwrap().len(), 2);
    assert_eq!(end["page"]["path"], PAGE);
    assert_eq!(end["page"]["codec"], "flac");
    let bytes = fs::metadata(sandbox.path(PAGE)).unwrap().len();
    assert_eq!(end["page"]["bytes"], bytes);
    assert!(text(&sandbox, PAGE).contains("[\"vocals\",\"no_vocals\"]"));
}

#[test]
fn a_song_without_its_page_is_not_done() {
    let sandbox = Sandbox::new();
    sandbox.song("a.wav", 0.3);
    let run = |arguments: &[&str]| {
        let mut command = sandbox.separate(&["a.wav", "--skip-existing"]);
        stdout(command.args(arguments).env(FFMPEG, "none"))
    };

    assert!(run(&[]).contains("1 done"));
    assert!(run(&[]).contains("1 skipped"));
    assert!(run(&["--page"]).contains("1 done"));
    assert!(run(&["--page"]).contains("1 skipped"));
    assert!(run(&[]).contains("1 skipped"));
}

#[test]
fn a_page_of_somebody_else_is_not_replaced() {
    let sandbox = Sandbox::new();
    sandbox.song("a.wav", 0.3);
    sandbox.file(PAGE, b"<h1>My songs</h1>");
    let said = stderr(&mut sandbox.separate(&["a.wav", "--page"]), 2);
    assert!(said.contains("which Sextet has not made"), "{said}");
    assert_eq!(sandbox.files("stems"), ["a/index.html"]);

    // A page of Sextet's own is replaced.
    fs::remove_file(sandbox.path(PAGE)).unwrap();
    for _ in 0..2 {
        let mut command = sandbox.separate(&["a.wav", "--page"]);
        command.env(FFMPEG, "none").assert().success();
    }
}

#[test]
fn songs_that_would_share_a_page_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.song("a.wav", 0.3);
    sandbox.song("b.wav", 0.3);
    let arguments = ["a.wav", "b.wav", "--page", "--name", "{track} {stem}.{ext}"];
    let said = stderr(&mut sandbox.separate(&arguments), 2);
    assert!(
        said.contains(&native("would both be written to 'stems/index.html'")),
        "{said}"
    );
}

#[test]
fn a_song_that_is_too_long_is_refused_before_any_work() {
    let sandbox = Sandbox::new();
    // Mono at 8 kHz is read fast, and is written as stereo at 48 kHz.
    let samples = vec![0.1; 16 * 60 * 8000];
    sandbox.wav("a.wav", 8000, 1, &samples);
    let mut command = sandbox.separate(&["a.wav", "--page"]);
    command.args(["--rate", "48000", "--mono", "stereo"]);
    let said = stderr(&mut command, 1);
    assert!(
        said.contains("6 stems of 16:00 would need 2.2 GB") && said.contains("--two-stems"),
        "{said}"
    );
    assert!(
        sandbox.files("stems").is_empty(),
        "{:?}",
        sandbox.files("stems")
    );
}

#[test]
fn a_failed_song_leaves_no_page() {
    let sandbox = Sandbox::new();
    sandbox.file("a.wav", b"no song");
    stderr(&mut sandbox.separate(&["a.wav", "--page"]), 1);
    assert!(
        sandbox
            .files(".")
            .iter()
            .all(|name| name == "a.wav" || name.starts_with(".hf"))
    );
}

#[test]
fn the_stems_are_the_same_with_a_page() {
    let sandbox = Sandbox::new();
    sandbox.song("a.wav", 1.5);
    for (folder, page) in [("without", None), ("with", Some("--page"))] {
        let mut command = sandbox.separate(&["a.wav", "-o", folder]);
        command.args(page).env(FFMPEG, "none").assert().success();
    }
    let [without, with] = ["without", "with"].map(|folder| {
        let path = sandbox.path(folder).join("a/vocals.wav");
        read(path).into_channels()
    });
    assert!(without == with);
}
