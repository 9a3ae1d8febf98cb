//! Models and the GPU's library over the network, as the plugin requests them.

use std::sync::LazyLock;

use sextet_protocol::worker::{FailKind, JobId, ModelState, Reply, Request, Stage};

use super::client::{Worker, long_song};
use crate::hub::{Fault, Hub};
use crate::sandbox::{Sandbox, tiny_model_bytes};

const BAG: &str = "models: ['5c90dfd2']\n";
static CHECKPOINT: LazyLock<Vec<u8>> = LazyLock::new(tiny_model_bytes);

fn worker(sandbox: &Sandbox, hub: &Hub) -> Worker {
    Worker::greeted_with(
        sandbox,
        &[("HF_ENDPOINT", &hub.endpoint()), ("NO_PROXY", "*")],
    )
}

fn fetch(job: u64, model: &str) -> Request {
    Request::Fetch {
        job: JobId(job),
        model: model.to_owned(),
    }
}

/// Returns the bytes done and the total of each `fetching` reply.
fn bytes(replies: &[Reply]) -> Vec<(u64, u64)> {
    let fetching = |reply: &Reply| match reply {
        Reply::Progress {
            stage: Stage::Fetching,
            done,
            total,
            ..
        } => Some((*done, *total)),
        _ => None,
    };
    replies.iter().filter_map(fetching).collect()
}

#[test]
fn a_model_is_offered_fetched_and_used() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    let mut worker = worker(&sandbox, &hub);
    let whole = (BAG.len() + CHECKPOINT.len()) as u64;

    worker.send(&Request::Offer {
        job: JobId(1),
        model: "htdemucs_6s".to_owned(),
    });
    let replies = worker.end_of(1);
    let Some(Reply::Offered { offer, .. }) = replies.last() else {
        panic!("{replies:?}")
    };

    assert_eq!(
        (offer.bytes, format!("http://{}", offer.from)),
        (Some(whole), hub.endpoint())
    );
    assert!(
        offer.licence.contains("unsettled upstream") && !offer.licence.contains('\n'),
        "{}",
        offer.licence
    );

    assert!(hub.asked().is_empty(), "an offer fetches nothing");

    worker.send(&fetch(2, "htdemucs_6s"));
    let replies = worker.end_of(2);
    let Some(Reply::Fetched { model, .. }) = replies.last() else {
        panic!("{replies:?}")
    };

    assert_eq!(
        (model.name.as_str(), model.state),
        ("htdemucs_6s", ModelState::Fetched)
    );
    let told = bytes(&replies);
    assert!(
        told.iter()
            .all(|&(done, total)| done <= total && total == whole),
        "{told:?}"
    );

    assert!(told.is_sorted(), "{told:?}");
    assert!(replies.iter().any(|reply| matches!(
        reply,
        Reply::Progress {
            stage: Stage::Installing,
            done: 2,
            total: 2,
            ..
        }
    )));

    let song = sandbox.song("song.wav", 0.3);
    let separate = sextet_protocol::worker::Separate::new(JobId(3), &song);
    worker.send(&Request::Separate(sextet_protocol::worker::Separate {
        model: "htdemucs_6s".to_owned(),
        ..separate
    }));

    let replies = worker.end_of(3);
    assert!(
        matches!(replies.last(), Some(Reply::Done { .. })),
        "{replies:?}"
    );
}

#[test]
fn a_fetch_that_fails_says_why_and_goes_on_where_it_stopped() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    let mut worker = worker(&sandbox, &hub);
    hub.fail(Fault::Broken);
    worker.send(&fetch(1, "htdemucs_6s"));

    let replies = worker.end_of(1);
    let Some(Reply::Failed {
        kind: FailKind::Network,
        message,
        remedy,
        ..
    }) = replies.last()
    else {
        panic!("{replies:?}")
    };

    assert!(
        message.contains("500") && !remedy.is_empty(),
        "{message} {remedy}"
    );

    hub.fail(Fault::Cut {
        after: 400_000,
        times: 1,
    });
    hub.asked();
    worker.send(&fetch(2, "htdemucs_6s"));

    assert!(matches!(
        worker.end_of(2).last(),
        Some(Reply::Fetched { .. })
    ));
    assert_eq!(hub.asked(), [0, 400_000]);

    worker.send(&fetch(3, "no_such_model"));
    let replies = worker.end_of(3);
    assert!(
        matches!(
            replies.last(),
            Some(Reply::Failed {
                kind: FailKind::Model,
                ..
            })
        ),
        "{replies:?}"
    );
}

#[test]
fn a_fetch_is_cancelled_at_once_and_taken_up_again() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    let mut worker = worker(&sandbox, &hub);

    // Every connection is cut, so that the job is still trying when it is cancelled.
    hub.fail(Fault::Cut {
        after: 100_000,
        times: usize::MAX,
    });
    worker.send(&fetch(1, "htdemucs_6s"));
    worker.until(|reply| {
        matches!(
            reply,
            Reply::Progress {
                stage: Stage::Fetching,
                done: 50_000..,
                ..
            }
        )
    });

    worker.send(&Request::Cancel { job: JobId(1) });
    assert!(matches!(
        worker.end_of(1).last(),
        Some(Reply::Cancelled { .. })
    ));

    hub.fail(Fault::Nothing);
    worker.send(&fetch(2, "htdemucs_6s"));

    assert!(matches!(
        worker.end_of(2).last(),
        Some(Reply::Fetched { .. })
    ));
    let asked = hub.asked();
    assert!(
        asked.last().is_some_and(|&from| from > 0),
        "it goes on where it stopped: {asked:?}"
    );
}

/// Both ask for the same bytes; one fetches them.
#[test]
fn two_workers_that_fetch_the_same_do_so_once() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    let (mut first, mut second) = (worker(&sandbox, &hub), worker(&sandbox, &hub));

    // Long enough for both to be at it.
    hub.fail(Fault::Cut {
        after: 300_000,
        times: 3,
    });
    first.send(&fetch(1, "htdemucs_6s"));
    first.until(|reply| {
        matches!(
            reply,
            Reply::Progress {
                stage: Stage::Fetching,
                done: 100_000..,
                ..
            }
        )
    });

    second.send(&fetch(1, "htdemucs_6s"));
    for worker in [&mut first, &mut second] {
        let replies = worker.end_of(1);
        assert!(
            matches!(replies.last(), Some(Reply::Fetched { .. })),
            "{replies:?}"
        );
    }

    assert_eq!(hub.asked(), [0, 300_000, 600_000, 900_000]);
}

#[test]
fn a_model_is_fetched_beside_a_separation() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    let mut worker = worker(&sandbox, &hub);
    worker.separate_for_long(1, &long_song(&sandbox));
    worker.separating(1);
    worker.send(&fetch(2, "htdemucs_6s"));

    let replies = worker.end_of(2);
    assert!(
        matches!(replies.last(), Some(Reply::Fetched { .. })),
        "{replies:?}"
    );
    assert!(
        !replies
            .iter()
            .any(|reply| reply.is_last() && reply.job() == Some(JobId(1))),
        "{replies:?}"
    );

    worker.send(&Request::Cancel { job: JobId(1) });
    assert!(matches!(
        worker.end_of(1).last(),
        Some(Reply::Cancelled { .. })
    ));
}

#[test]
fn a_cache_that_cannot_be_written_to_is_said_so() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    sandbox.file(".hf", b"a file");

    let mut worker = worker(&sandbox, &hub);
    worker.send(&fetch(1, "htdemucs_6s"));

    let replies = worker.end_of(1);
    let Some(Reply::Failed {
        kind: FailKind::Output,
        message,
        remedy,
        ..
    }) = replies.last()
    else {
        panic!("{replies:?}")
    };

    assert!(
        message.contains(".hf") && remedy.contains("HF_HOME"),
        "{message} {remedy}"
    );
}

/// A host that accepts connections and never answers.
#[test]
fn what_waits_for_a_silent_host_is_cancelled_at_once_and_keeps_nobody() {
    let sandbox = Sandbox::new();
    let host = std::net::TcpListener::bind("127.0.0.1:0").unwrap();

    let endpoint = format!("http://{}", host.local_addr().unwrap());
    let variables = [
        ("HF_ENDPOINT", endpoint.as_str()),
        ("SEXTET_PYPI", &endpoint),
        ("NO_PROXY", "*"),
    ];

    let mut worker = Worker::greeted_with(&sandbox, &variables);
    let model = || "htdemucs_6s".to_owned();
    let requests = [
        Request::Offer {
            job: JobId(1),
            model: model(),
        },
        Request::Fetch {
            job: JobId(2),
            model: model(),
        },
        Request::SetUpGpu {
            job: JobId(3),
            from: None,
        },
    ];

    let asking = requests.len() - usize::from(cfg!(not(feature = "tensorrt")));
    for (job, request) in (1..).zip(&requests[..asking]) {
        worker.send(request);
        let _connection = host.accept().unwrap();
        worker.send(&Request::Cancel { job: JobId(job) });
        assert!(matches!(
            worker.end_of(job).last(),
            Some(Reply::Cancelled { .. })
        ));
    }

    worker.stems_of(9, &sandbox.song("song.wav", 0.2));
    assert_eq!(worker.leave(), (vec![], Some(0)));
    println!("{asking} requests tried");
}

#[cfg(not(feature = "tensorrt"))]
#[test]
fn a_build_for_the_cpu_alone_has_no_gpu_to_set_up() {
    let sandbox = Sandbox::new();
    let mut worker = Worker::greeted(&sandbox);
    worker.send(&Request::SetUpGpu {
        job: JobId(1),
        from: None,
    });

    let replies = worker.end_of(1);
    assert!(
        matches!(
            replies.last(),
            Some(Reply::Failed {
                kind: FailKind::Engine,
                ..
            })
        ),
        "{replies:?}"
    );
}

#[cfg(feature = "tensorrt")]
mod gpu {
    use super::*;

    #[test]
    fn a_wheel_that_is_another_is_refused_and_nothing_is_left() {
        let sandbox = Sandbox::new();
        let wheel = sandbox.file("a.whl", b"another wheel");

        let mut worker = Worker::greeted(&sandbox);
        worker.send(&Request::SetUpGpu {
            job: JobId(1),
            from: Some(wheel),
        });

        let replies = worker.end_of(1);
        let Some(Reply::Failed {
            kind: FailKind::Input,
            message,
            ..
        }) = replies.last()
        else {
            panic!("{replies:?}")
        };

        assert!(message.contains("SHA-256"), "{message}");
        assert!(
            sandbox.files("data").is_empty(),
            "{:?}",
            sandbox.files("data")
        );
    }

    #[test]
    fn a_host_that_cannot_be_reached_is_said_so() {
        let sandbox = Sandbox::new();
        let mut worker = Worker::greeted_with(
            &sandbox,
            &[("SEXTET_PYPI", "http://127.0.0.1:1"), ("NO_PROXY", "*")],
        );
        worker.send(&Request::SetUpGpu {
            job: JobId(1),
            from: None,
        });

        let replies = worker.end_of(1);
        assert!(
            matches!(
                replies.last(),
                Some(Reply::Failed {
                    kind: FailKind::Network,
                    ..
                })
            ),
            "{replies:?}"
        );
    }

    /// With the real wheel, which `SEXTET_TENSORRT_WHEEL` names; `cargo xtask check` sets it.
    #[test]
    fn the_real_wheel_is_set_up_and_the_machine_told_of_anew() {
        let Some(wheel) = std::env::var_os("SEXTET_TENSORRT_WHEEL") else {
            return println!("left out: SEXTET_TENSORRT_WHEEL names no wheel");
        };

        let sandbox = Sandbox::new();
        let mut worker = Worker::greeted(&sandbox);
        worker.send(&Request::SetUpGpu {
            job: JobId(1),
            from: Some(wheel.into()),
        });

        let replies = worker.end_of(1);
        let Some(Reply::GpuSetUp { gpu, .. }) = replies.last() else {
            panic!("{replies:?}")
        };

        assert!(!gpu.message.is_empty());
        let files = sandbox.files("data/tensorrt");
        assert!(
            files.iter().any(|file| file.contains("tensorrt_rtx"))
                && files.contains(&"LICENSE.txt".to_owned()),
            "{files:?}"
        );
    }
}
