//! Tests of commands that are no worker, or a broken one: in each case the session says what is
//! wrong, plays no stems and can be removed at once.

use std::path::PathBuf;

use sextet_protocol::worker::PROTOCOL;

use super::*;

/// Time limit of a removal: a host that removes a plugin must not wait longer.
const REMOVAL: Duration = Duration::from_secs(5);

/// The first lines of scripts that do as a worker does.
fn hello(protocol: u32, version: &str) -> String {
    format!(
        r#"echo '{{"type":"hello","protocol":{protocol},"version":"{version}","engines":[],"models":[]}}'"#
    )
}

impl SessionFixture {
    /// Starts a session whose command is the file of this name in the test's folder.
    fn with_file(name: &str, make: impl FnOnce(&Path)) -> Self {
        let home = TestFolders::new();
        let command = home.path().join(name);
        make(&command);
        let launcher = Launcher::with_command(home.folders.clone(), command);
        Self::start(home, launcher)
    }

    /// Starts a session whose command is a shell script.
    fn with_script(lines: &str) -> Self {
        Self::with_file("script", |path| {
            // Another program writes the file: a process that another test starts would inherit the
            // open file from this one, and an open file cannot be run.
            let text = path.with_extension("text");
            std::fs::write(&text, format!("#!/bin/sh\n{lines}\n")).unwrap();
            let mut install = std::process::Command::new("install");
            let status = install.args(["-m", "755"]).arg(text).arg(path).status();
            assert!(status.unwrap().success());
        })
    }

    /// Begins a separation of a clip of a second.
    fn separate(&self) {
        let audio = Fingerprint::of(b"a capture of this test");
        let path: PathBuf = self.home.folders.capture(&audio);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        entry::write_wav(&path, RATE_HZ, &vec![0.25; 2 * RATE_HZ as usize]);

        self.load(Some(SavedClip {
            audio,
            start_frame: 0,
            frames: u64::from(RATE_HZ),
            rate_hz: RATE_HZ,
            name: "Clip".to_owned(),
            key: None,
            silenced: Silenced::default(),
            file: None,
        }));
        self.wait("the clip", |view| view.phase == Phase::Captured);
        self.send(Command::Separate);
    }

    /// Checks that a separation fails for this reason, and that the session ends in time.
    fn check_failure(self, expected: &str) {
        self.separate();
        self.wait(expected, |view| {
            matches!(&view.phase, Phase::Failed(fault) if fault.to_string().contains(expected))
        });

        let view = self.session.remote().view.get();
        println!("{}", view.phase.description());
        assert!(!view.has_stems && view.phase.description().len() > expected.len());
        self.check_removal();
    }

    fn check_removal(self) {
        let begun = Instant::now();
        let _home = self.remove();
        let took = begun.elapsed();
        assert!(took < REMOVAL, "removing it took {took:?}");
    }
}

#[test]
fn a_command_that_is_not_there() {
    SessionFixture::with_file("nowhere", |_| {}).check_failure("there is no such file");
}

#[test]
fn a_command_that_is_not_executable() {
    SessionFixture::with_file("text", |path| std::fs::write(path, "hello").unwrap())
        .check_failure("it may not be executed");
}

#[test]
fn a_command_that_ends_at_once() {
    SessionFixture::with_script("echo oh no >&2; exit 3").check_failure("oh no");
}

#[test]
fn a_command_that_prints_something_else() {
    SessionFixture::with_script("echo rubbish; exec sleep 600").check_failure("rubbish");
}

#[test]
fn a_command_that_prints_a_long_binary_line() {
    SessionFixture::with_script("head -c 3000000 /dev/zero; echo; exec sleep 600")
        .check_failure("does not answer as a sextet command does");
}

#[test]
fn a_worker_of_a_newer_protocol() {
    SessionFixture::with_script(&format!("{}; exec sleep 600", hello(99, "9.9.9")))
        .check_failure("of another version (9.9.9)");
}

#[test]
fn a_worker_that_refuses_the_plugin() {
    let refused =
        r#"{"type":"refused","protocol":99,"version":"8.8.8","message":"m","remedy":"r"}"#;
    SessionFixture::with_script(&format!("read line; echo '{refused}'; exec sleep 600"))
        .check_failure("of another version (8.8.8)");
}

#[test]
fn a_worker_that_dies_in_the_middle_of_a_job() {
    let hello = hello(PROTOCOL, "0.1.0");
    SessionFixture::with_script(&format!("{hello}; read line; read line; exit 7"))
        .check_failure("ended unexpectedly (exit status: 7)");
}

#[test]
fn a_worker_that_goes_on_printing_something_else() {
    SessionFixture::with_script(&format!("{}; yes", hello(PROTOCOL, "0.1.0")))
        .check_failure("does not answer as a sextet command does");
}

/// A command that never answers is waited for, but delays nothing else.
#[test]
fn a_command_that_never_answers() {
    let fixture = SessionFixture::with_script("exec sleep 600");
    fixture.separate();
    fixture.wait("its beginning", |view| {
        view.phase == Phase::Separating(Stage::Starting)
    });
    fixture.check_removal();
}
