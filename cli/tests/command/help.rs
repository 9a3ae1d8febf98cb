//! Help, completions, manual pages and the doctor.

use serde::Deserialize;
use sextet_cases::each_case;

use crate::sandbox::{Sandbox, stderr, stdout};

#[test]
fn help_and_exit_codes_are_there() {
    let sandbox = Sandbox::new();
    let cases = [
        &["--help"][..],
        &["separate", "--help"],
        &["model", "--help"],
    ];
    each_case(cases, |arguments| {
        let text = stdout(&mut sandbox.sextet(arguments));
        assert!(
            text.contains("Exit codes:") && text.contains("130"),
            "{text}"
        );
    });

    assert!(stdout(&mut sandbox.sextet(&["--version"])).starts_with("sextet "));
    assert!(stderr(&mut sandbox.sextet(&[]), 2).contains("Usage: sextet"));
    assert!(stderr(&mut sandbox.sextet(&["separate"]), 2).contains("<INPUT>"));
}

#[test]
fn every_option_is_documented() {
    let sandbox = Sandbox::new();
    let help = stdout(&mut sandbox.sextet(&["separate", "--help"]));
    let documented = include_str!("../../../docs/command.md");
    let words = help
        .split_whitespace()
        .filter(|word| word.starts_with("--"));

    for option in
        words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-'))
    {
        assert!(
            documented.contains(option),
            "docs/command.md does not know {option}"
        );
    }
}

#[test]
fn completions_and_manual_pages_are_written() {
    let sandbox = Sandbox::new();
    each_case(["bash", "zsh", "fish", "elvish", "powershell"], |shell| {
        assert!(
            stdout(&mut sandbox.sextet(&["completions", shell])).contains("skip-existing"),
            "{shell}"
        );
    });

    assert!(stdout(&mut sandbox.sextet(&["man"])).contains(".TH sextet 1"));
    sandbox.sextet(&["man", "-o", "man"]).assert().success();

    assert!(
        sandbox
            .files("man")
            .contains(&"sextet-separate.1".to_owned()),
        "{:?}",
        sandbox.files("man")
    );
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "reading every field is the test")]
struct Findings {
    version: u32,
    sextet: String,
    system: String,
    threads: usize,
    engines: Vec<Engine>,
    gpu: Gpu,
    ffmpeg: FfmpegFound,
    models: Vec<Model>,
    folders: Vec<Folder>,
    remedies: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "reading every field is the test")]
struct Engine {
    name: String,
    built_in: bool,
    usable: bool,
    about: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "reading every field is the test")]
struct Gpu {
    devices: Vec<String>,
    driver: Option<String>,
    cuda_library: Option<String>,
    tensorrt_library: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "reading every field is the test")]
struct FfmpegFound {
    path: Option<String>,
    version: Option<String>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "reading every field is the test")]
struct Model {
    name: String,
    state: String,
    parameters: Option<usize>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "reading every field is the test")]
struct Folder {
    purpose: String,
    path: String,
    exists: bool,
    free_bytes: Option<u64>,
}

#[test]
fn the_doctor_tells_people_and_programs() {
    let sandbox = Sandbox::new();
    let text = stdout(&mut sandbox.sextet(&["doctor"]));
    let cases = [
        "engine",
        "cpu",
        "driver",
        "libcuda",
        "htdemucs_6s",
        "not fetched",
        "model cache",
        "free",
    ];
    each_case(cases, |word| {
        assert!(text.contains(word), "{word}: {text}");
    });

    let json: Findings =
        serde_json::from_str(&stdout(&mut sandbox.sextet(&["doctor", "--json"]))).unwrap();
    assert_eq!((json.version, json.models.len()), (2, 4));

    let bundled = &json.models[0];
    assert_eq!(
        (bundled.state.as_str(), bundled.error.as_ref()),
        ("bundled", None)
    );
    assert!(
        bundled
            .parameters
            .is_some_and(|parameters| parameters > 1_000)
    );
}

/// A GPU is found through the driver's own tool, wherever that is on the path.
#[cfg(unix)]
#[test]
fn the_doctor_finds_a_gpu() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::new();
    let tool = sandbox.file(
        "bin/nvidia-smi",
        b"#!/bin/sh\necho 'NVIDIA GeForce RTX 3090, 24576 MiB, 570.00'\n",
    );

    std::fs::set_permissions(tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.file("lib/libcuda.so.1", b"");
    let mut command = sandbox.sextet(&["doctor"]);

    let path = format!(
        "{}:{}",
        sandbox.path("bin").display(),
        std::env::var("PATH").unwrap()
    );

    let text = stdout(
        command
            .env("PATH", path)
            .env("LD_LIBRARY_PATH", sandbox.path("lib")),
    );

    assert!(
        text.contains("gpu         NVIDIA GeForce RTX 3090, 24576 MiB, 570.00"),
        "{text}"
    );
    let remedy = text
        .lines()
        .find(|line| line.starts_with("remedy "))
        .unwrap();
    let expected = if cfg!(feature = "tensorrt") {
        "its library libcuda.so.1 cannot be"
    } else {
        "built for the CPU alone"
    };

    assert!(
        text.contains("lib/libcuda.so.1") && remedy.contains(expected),
        "{text}"
    );
}
