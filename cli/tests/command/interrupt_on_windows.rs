//! Ctrl-Break in the middle of the work.
//!
//! Ctrl-C itself reaches every process of a console, the tests among them. Ctrl-Break goes to one
//! group of processes, and the same handler answers it.
#![cfg(windows)]

use std::os::windows::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use windows_sys::Win32::System::Console::{
    AllocConsole, CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent,
};
use windows_sys::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

use crate::sandbox::{Sandbox, tiny_model};

/// Starts a separation of a song that is hundreds of chunks long, in a group of processes of its
/// own.
fn start(sandbox: &Sandbox) -> Child {
    sandbox.song_of("song.wav", 44_100, 1, 300.0);
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sextet"));
    command
        .args(["separate", "--threads", "1", "song.wav", "-m"])
        .arg(tiny_model())
        .current_dir(sandbox.path(""))
        .creation_flags(CREATE_NEW_PROCESS_GROUP)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
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
fn ctrl_break_ends_the_work_and_leaves_nothing() {
    // SAFETY: the call takes nothing. It fails where there is a console already.
    unsafe {
        AllocConsole();
    }

    let sandbox = Sandbox::new();
    sandbox.file("stems/older.txt", b"keep me");
    let mut child = start(&sandbox);

    let began = Instant::now();
    while sandbox.files("stems").len() < 7 {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "the stems were never begun"
        );
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(10));
    }

    // SAFETY: the call takes two numbers.
    let sent = unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, child.id()) };
    assert!(sent != 0, "{}", std::io::Error::last_os_error());

    assert_eq!(wait(&mut child, Duration::from_secs(20)), Some(130));
    assert_eq!(sandbox.files("stems"), ["older.txt"]);
    assert!(!sandbox.path("stems/song").exists());
}
