//! Ctrl-C and SIGTERM in the middle of the work.
#![cfg(unix)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sextet_cases::each_case;

use crate::sandbox::{Sandbox, heed_signals, tiny_model};

fn start(sandbox: &Sandbox) -> Child {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sextet"));
    command
        .args(["separate", "--threads", "1", "song.wav", "-m"])
        .arg(tiny_model());
    heed_signals(&mut command);
    command
        .current_dir(sandbox.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait(child: &mut Child, at_most: Duration) -> Option<i32> {
    let began = Instant::now();
    while began.elapsed() < at_most {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(5));
    }

    child.kill().unwrap();
    child.wait().unwrap();
    None
}

#[test]
fn a_signal_ends_the_work_within_a_second_and_leaves_nothing() {
    each_case(["-INT", "-TERM"], |signal| {
        let sandbox = Sandbox::new();

        // The song has the model's rate, so that it is read quickly, and is hundreds of chunks
        // long.
        sandbox.song_of("song.wav", 44_100, 1, 300.0);
        sandbox.file("stems/older.txt", b"keep me");
        let mut child = start(&sandbox);

        let began = Instant::now();
        while sandbox.files("stems").len() < 7 {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "the stems were never begun"
            );
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::sleep(Duration::from_millis(10));
        }

        assert!(
            Command::new("kill")
                .args([signal, &child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );

        assert_eq!(
            wait(&mut child, Duration::from_secs(1)),
            Some(130),
            "{signal}"
        );

        assert_eq!(sandbox.files("stems"), ["older.txt"], "{signal}");
        assert!(!sandbox.path("stems/song").exists(), "{signal}");
    });
}
