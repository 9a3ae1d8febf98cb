//! `--engine cuda` on a machine without a driver, which is where these tests run.

use serde_json::Value;
use sextet_cases::each_case;

use crate::sandbox::{Sandbox, stderr, stdout, tiny_model};

/// Returns whether the driver is missing, and says so where it is not.
fn has_no_driver() -> bool {
    let missing = sextet_separator::gpu::gpus().is_err();
    if !missing {
        println!("left out: there is an NVIDIA driver here");
    }
    missing
}

#[test]
fn without_a_driver_the_engine_is_refused_with_one_error() {
    if !has_no_driver() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.2);

    let model = tiny_model().to_str().unwrap();
    let cases: [&[&str]; 5] = [
        &["separate", "song.wav", "-m", model, "--engine", "cuda"],
        &["separate", "song.wav", "--engine", "cuda", "--gpu", "all"],
        &["separate", "song.wav", "--engine", "cuda", "--gpu", "0,1"],
        &["engine", "check", "song.wav", "-m", model],
        &["engine", "bench", "-m", model, "--engine", "cuda"],
    ];

    each_case(&cases, |arguments| {
        let said = stderr(&mut sandbox.sextet(arguments), 4);
        let lines: Vec<&str> = said.lines().collect();
        let errors = lines.iter().filter(|line| line.starts_with("error: "));
        assert_eq!(errors.count(), 1, "{arguments:?}: {said}");
        assert!(
            said.contains("error: no NVIDIA driver was found")
                && said.contains("\nhelp: ")
                && said.contains("--engine cpu"),
            "{arguments:?}: {said}"
        );
    });

    assert!(sandbox.files("stems").is_empty());
    println!("{} commands refused", cases.len());
}

#[test]
fn without_a_driver_auto_takes_the_cpu_and_says_why_once() {
    if !has_no_driver() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.2);
    let model = tiny_model().to_str().unwrap();
    let arguments = ["separate", "song.wav", "-m", model, "--json"];
    let text = stdout(&mut sandbox.sextet(&arguments));

    let start: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(start["engine"], "CPU");
    let note = start["engine_note"].as_str().unwrap();
    assert_eq!(note.matches("no NVIDIA driver").count(), 1, "{note}");
    assert!(!note.contains("not part of this build"), "{note}");
    assert_eq!(note.lines().count(), 1, "{note}");
}

#[test]
fn the_doctor_tells_of_the_engine() {
    if !has_no_driver() {
        return;
    }
    let sandbox = Sandbox::new();
    let text = stdout(&mut sandbox.sextet(&["doctor"]));
    let line = text
        .lines()
        .find(|line| line.starts_with("engine      cuda"));
    let line = line.unwrap_or_default();
    assert!(
        line.contains("cannot run here: no NVIDIA driver was found"),
        "{text}"
    );
}
