//! Tests with hosts that come as Python packages, in a process of their own: JUCE's way of hosting,
//! with 14 channels and with two.
//!
//! `python/hosts.py` runs them, in the Python that `SEXTET_PYTHON` names; `python/requirements.txt`
//! lists the packages that it needs.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sextet_cases::each_case;
use sextet_plugin_testing::screen::Screen;
use sextet_plugin_testing::{bundle, command, project};

/// Time limit of a separation, which is slow on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// The hosts' process, which is ended with this test in any case.
struct Hosts(Child);

impl Drop for Hosts {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn python_hosts_capture_separate_play_back_and_show_the_editor() {
    let Some(python) = std::env::var_os("SEXTET_PYTHON") else {
        panic!(
            "SEXTET_PYTHON is not set: run `cargo xtask check`, or set it to a Python with plugin/tests/python/requirements.txt"
        );
    };

    project::folders();
    let folder = tempfile::tempdir().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let screen = Screen::start(2);
    let log = folder.path().join("log");

    let mut hosts = Command::new(python);
    hosts
        .arg("-u")
        .arg(here.join("tests/python/hosts.py"))
        .arg(bundle(folder.path()));
    hosts
        .arg(here.join("../samples/six-of-one.flac"))
        .arg("--editor")
        .env("SEXTET_COMMAND", command());

    hosts.env("DISPLAY", &screen.name).stdin(Stdio::null());
    let output = File::create(&log).unwrap();
    let mut hosts = Hosts(
        hosts
            .stderr(output.try_clone().unwrap())
            .stdout(output)
            .spawn()
            .unwrap(),
    );

    let said = || std::fs::read_to_string(&log).unwrap();
    project::until("the hosts", PATIENCE, || {
        assert_eq!(hosts.0.try_wait().unwrap(), None, "{}", said());
        if said().contains("DawDreamer: the editor\n") {
            Ok(())
        } else {
            Err(said())
        }
    });

    // At two pixels per point, the host made room for twice the size before there was a window.
    let picture = screen.editor((2040, 1280), 4000);
    picture.write(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("editor-in-dawdreamer.ppm"));
    drop(hosts);

    let said = said();
    each_case(["DawDreamer", "pedalboard"], |host| {
        assert!(
            said.contains(&format!("{host}: the mix against the clip: -")),
            "{host} has not been heard: {said}"
        );
    });

    print!("{said}");
}
