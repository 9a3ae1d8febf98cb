//! Several workers: one separates at a time.

use std::path::Path;

use sextet_protocol::worker::{JobId, Reply, Request, Waiting};

use super::client::{Worker, done, kept, long_song};
use crate::sandbox::Sandbox;

fn queued(reply: &Reply) -> bool {
    matches!(
        reply,
        Reply::Queued {
            reason: Waiting::OtherProcess,
            ..
        }
    )
}

/// Starts two workers: one separates `long`, the other has a short song and waits. Both jobs are
/// number 1.
fn one_waits_for_the_other(sandbox: &Sandbox, long: &Path) -> (Worker, Worker) {
    let (mut first, mut second) = (Worker::greeted(sandbox), Worker::greeted(sandbox));
    first.separate_for_long(1, long);
    first.separating(1);
    second.separate(1, &sandbox.song("short.wav", 0.5));
    second.until(queued);
    (first, second)
}

#[test]
fn the_second_worker_waits_and_says_so() {
    let sandbox = Sandbox::new();
    let long = long_song(&sandbox);
    let (mut first, mut second) = one_waits_for_the_other(&sandbox, &long);

    first.send(&Request::Cancel { job: JobId(1) });
    assert!(!done(&second.end_of(1)).1);

    // The first worker waits for the second in turn, which is killed.
    second.separate_for_long(2, &long);
    second.separating(2);
    first.separate(2, &sandbox.song("other.wav", 0.4));
    first.until(queued);
    second.child.kill().unwrap();

    assert!(!done(&first.end_of(2)).1);
}

#[test]
fn what_waits_can_be_cancelled() {
    let sandbox = Sandbox::new();
    let (_first, mut second) = one_waits_for_the_other(&sandbox, &long_song(&sandbox));
    second.send(&Request::Cancel { job: JobId(1) });
    assert!(matches!(
        second.end_of(1).last(),
        Some(Reply::Cancelled { .. })
    ));
    assert_eq!(second.leave(), (vec![], Some(0)));
}

#[test]
fn stems_that_another_worker_has_made_meanwhile_are_not_made_twice() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 12.0);
    let (mut first, mut second) = (Worker::greeted(&sandbox), Worker::greeted(&sandbox));

    first.separate(1, &song);
    first.until(|reply| matches!(reply, Reply::Started { .. }));
    second.separate(1, &song);
    second.until(queued);
    let (key, cached) = done(&first.end_of(1));

    assert!(!cached);
    assert_eq!(done(&second.end_of(1)), (key, true));
    assert_eq!(kept(&sandbox), [key.to_string()]);
}

/// Cached stems need no engine.
#[test]
fn what_is_kept_is_found_while_another_worker_separates() {
    let sandbox = Sandbox::new();
    let (long, short) = (long_song(&sandbox), sandbox.song("short.wav", 0.5));
    let (mut first, mut second) = (Worker::greeted(&sandbox), Worker::greeted(&sandbox));
    let (key, _) = first.stems_of(1, &short);
    first.separate_for_long(2, &long);
    first.separating(2);
    assert_eq!(second.stems_of(1, &short), (key, true));
}
