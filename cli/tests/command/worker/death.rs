//! Unexpected ends: the front end's, and the worker's own.

#[cfg(unix)]
use sextet_cases::each_case;

use super::client::{Worker, done, kept, long_song};
use crate::sandbox::Sandbox;

#[test]
fn the_end_of_standard_input_ends_the_worker_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let long = long_song(&sandbox);
    let mut worker = Worker::greeted(&sandbox);
    worker.separate_for_long(1, &long);
    worker.separating(1);
    assert_eq!(worker.leave().1, Some(0));
    assert!(kept(&sandbox).is_empty(), "{:?}", kept(&sandbox));
}

#[test]
fn a_killed_worker_leaves_nothing_that_hinders_the_next() {
    let sandbox = Sandbox::new();
    let (long, short) = (long_song(&sandbox), sandbox.song("short.wav", 0.5));
    let mut worker = Worker::greeted(&sandbox);
    let (key, _) = worker.stems_of(1, &short);

    worker.separate_for_long(2, &long);
    worker.separating(2);
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();

    assert_eq!(
        kept(&sandbox).len(),
        2,
        "the worker died in the middle of its work"
    );

    let mut next = Worker::greeted(&sandbox);
    assert_eq!(
        kept(&sandbox),
        [key.to_string()],
        "what it has left was swept"
    );

    assert_eq!(next.stems_of(1, &short), (key, true));
    assert!(!next.stems_of(2, &sandbox.song("other.wav", 0.4)).1);
}

#[test]
fn a_worker_that_starts_leaves_others_work_alone() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 12.0);
    let mut first = Worker::greeted(&sandbox);
    first.separate(1, &song);
    first.separating(1);
    let second = Worker::greeted(&sandbox);
    assert_eq!(second.leave().1, Some(0));
    assert!(!done(&first.end_of(1)).1);
}

/// Signals, as the end of a session sends them.
#[cfg(unix)]
#[test]
fn a_signal_ends_the_worker_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let long = long_song(&sandbox);
    each_case(["-INT", "-TERM", "-HUP"], |signal| {
        let mut worker = Worker::greeted(&sandbox);
        worker.separate_for_long(1, &long);
        worker.separating(1);
        let killed = std::process::Command::new("kill")
            .args([signal, &worker.child.id().to_string()])
            .status()
            .unwrap();

        assert!(killed.success());
        while worker.next().is_some() {}

        assert_eq!(worker.child.wait().unwrap().code(), Some(130), "{signal}");
        assert!(kept(&sandbox).is_empty(), "{signal}: {:?}", kept(&sandbox));
    });
}

/// Another process may hold the other end of standard input open; the worker leaves with its parent
/// all the same.
#[test]
fn a_worker_does_not_outlive_its_parent() {
    let sandbox = Sandbox::new();
    let long = long_song(&sandbox);
    let direct = super::client::command(&sandbox);

    // The shell's own standard input is the worker's, and this test holds the other end.
    let mut command = if cfg!(windows) {
        let mut command = std::process::Command::new("cmd");
        command.args(["/d", "/c"]);
        command
    } else {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "exec 3<&0; \"$0\" \"$@\" <&3 & exec 3<&-; wait"]);
        command
    };
    command
        .arg(direct.get_program())
        .args(direct.get_args())
        .current_dir(sandbox.path(""))
        .envs(super::client::environment(&sandbox));

    let mut parent = Worker::of(&mut command);
    parent.send(&sextet_protocol::worker::Request::hello("test"));
    parent.separate_for_long(1, &long);
    parent.separating(1);
    parent.child.kill().unwrap();

    parent.child.wait().unwrap();

    // The worker's output ends when it does; its input has not ended.
    while parent.next().is_some() {}
    assert!(kept(&sandbox).is_empty(), "{:?}", kept(&sandbox));
}
