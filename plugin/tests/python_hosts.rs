//! Hosts that come as Python packages, in a process of their own: JUCE's way of hosting, with 14 channels and with two.
//!
//! `python/hosts.py` does it, in the Python that `SEXTET_PYTHON` names; `python/requirements.txt` is what it needs.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;
use std::process::Command;

use support::{bundle, command, project};

#[test]
fn python_hosts_capture_separate_and_play_back() {
    let Some(python) = std::env::var_os("SEXTET_PYTHON") else {
        panic!(
            "SEXTET_PYTHON is not set: run `cargo xtask check`, or set it to a Python with plugin/tests/python/requirements.txt"
        );
    };
    project::folders();
    let folder = tempfile::tempdir().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut hosts = Command::new(python);
    hosts.arg(here.join("tests/python/hosts.py")).arg(bundle(folder.path()));
    hosts.arg(here.join("../samples/six-of-one.flac")).env("SEXTET_COMMAND", command());
    let output = hosts.output().unwrap();
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{complaint}");
    for host in ["DawDreamer", "pedalboard"] {
        assert!(said.contains(&format!("{host}: the mix against the clip: -")), "{host} has not been heard: {said}");
    }
    print!("{said}");
}
