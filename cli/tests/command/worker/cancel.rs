//! Cancelling, at every moment of a job.

use sextet_protocol::worker::{JobId, Reply, Request, Waiting};

use super::client::{Worker, kept, long_song};
use crate::sandbox::Sandbox;

fn cancel(worker: &mut Worker, job: u64) -> Vec<Reply> {
    worker.send(&Request::Cancel { job: JobId(job) });
    let replies = worker.end_of(job);
    assert!(
        matches!(replies.last(), Some(Reply::Cancelled { .. })),
        "{replies:?}"
    );
    replies
}

#[test]
fn a_job_that_runs_leaves_nothing_and_the_next_one_runs() {
    let sandbox = Sandbox::new();
    let (long, short) = (long_song(&sandbox), sandbox.song("short.wav", 0.5));

    let mut worker = Worker::greeted(&sandbox);
    worker.separate_for_long(1, &long);
    worker.separating(1);

    assert_eq!(kept(&sandbox).len(), 1);
    cancel(&mut worker, 1);

    assert!(kept(&sandbox).is_empty(), "{:?}", kept(&sandbox));
    worker.separate(2, &short);

    let replies = worker.end_of(2);
    assert!(
        replies.iter().all(|reply| reply.job() != Some(JobId(1))),
        "{replies:?}"
    );
    assert!(
        matches!(replies.last(), Some(Reply::Done { .. })),
        "{replies:?}"
    );

    assert_eq!(kept(&sandbox).len(), 1);
}

#[test]
fn a_job_that_waits_never_begins() {
    let sandbox = Sandbox::new();
    let (long, short) = (long_song(&sandbox), sandbox.song("short.wav", 0.5));

    let mut worker = Worker::greeted(&sandbox);
    worker.separate_for_long(1, &long);
    worker.separate(2, &short);

    worker.until(|reply| {
        *reply
            == Reply::Queued {
                job: JobId(2),
                reason: Waiting::EarlierJob,
            }
    });

    cancel(&mut worker, 2);
    cancel(&mut worker, 1);
    worker.separate(3, &short);

    let replies = worker.end_of(3);
    assert!(
        replies.iter().all(|reply| reply.job() == Some(JobId(3))),
        "{replies:?}"
    );
}

#[test]
fn a_job_that_reads_or_loads_is_cancelled_too() {
    let sandbox = Sandbox::new();
    let long = long_song(&sandbox);

    let mut worker = Worker::greeted(&sandbox);
    for (job, early) in [(1, true), (2, false)] {
        worker.separate_for_long(job, &long);
        if !early {
            worker.until(|reply| matches!(reply, Reply::Progress { .. }));
        }
        cancel(&mut worker, job);
        assert!(kept(&sandbox).is_empty(), "{:?}", kept(&sandbox));
    }
}

#[test]
fn a_job_that_is_over_is_not_cancelled() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 0.3);

    let mut worker = Worker::greeted(&sandbox);
    worker.stems_of(1, &song);
    worker.send(&Request::Cancel { job: JobId(1) });
    worker.separate(2, &song);

    let replies = worker.end_of(2);
    assert!(
        replies.iter().all(|reply| reply.job() == Some(JobId(2))),
        "{replies:?}"
    );
    assert_eq!(kept(&sandbox).len(), 1);
}

#[test]
fn shutdown_cancels_everything() {
    let sandbox = Sandbox::new();
    let long = long_song(&sandbox);

    let mut worker = Worker::greeted(&sandbox);
    worker.separate_for_long(1, &long);
    worker.separate_for_long(2, &long);
    worker.separating(1);
    worker.send(&Request::Shutdown);

    let (replies, code) = worker.leave();
    for job in [1, 2] {
        assert!(
            replies.contains(&Reply::Cancelled { job: JobId(job) }),
            "{replies:?}"
        );
    }

    assert_eq!(code, Some(0));
    assert!(kept(&sandbox).is_empty(), "{:?}", kept(&sandbox));
}
