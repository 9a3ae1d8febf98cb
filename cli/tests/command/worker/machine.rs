//! Replies about the machine, checks of checkpoints, and engines that are started ahead.

use sextet_protocol::Stem;
use sextet_protocol::worker::{
    EngineName, FailKind, GpuState, JobId, ModelState, Prepare, Reply, Request, Separate, Waiting,
};
use sextet_testing::pickle::{Pickle, archive};

use super::client::{Worker, long_song, tiny};
use crate::sandbox::{Sandbox, tiny_model};

#[test]
fn the_machine_is_told_of_in_words() {
    let sandbox = Sandbox::new();
    let mut worker = Worker::greeted(&sandbox);
    worker.send(&Request::Inspect { job: JobId(1) });
    let replies = worker.end_of(1);
    let Some(Reply::Inspected { machine, .. }) = replies.last() else {
        panic!("{replies:?}")
    };

    let gpu = &machine.gpu;
    assert!(
        gpu.message.ends_with('.') && gpu.message.len() > 20,
        "{}",
        gpu.message
    );

    if gpu.state == GpuState::NoGpu {
        assert_eq!(
            (&gpu.devices, &gpu.setup, gpu.remedy.as_str()),
            (&vec![], &None, ""),
            "{}",
            gpu.message
        );
    } else {
        assert!(
            !gpu.devices.is_empty() || gpu.state == GpuState::Unusable,
            "{}",
            gpu.message
        );
    }

    let states: Vec<_> = machine
        .models
        .iter()
        .map(|model| (model.name.as_str(), model.state))
        .collect();

    assert!(
        states.contains(&("sextet-mini", ModelState::Bundled)),
        "{states:?}"
    );
    assert!(
        states.contains(&("htdemucs_6s", ModelState::NotFetched)),
        "{states:?}"
    );
}

#[test]
fn a_checkpoint_is_looked_at_before_it_is_used() {
    let sandbox = Sandbox::new();
    let text = sandbox.file("text.safetensors", b"this is no checkpoint");
    let program = Pickle::new().global("os", "system").text("true");
    let program = archive(&program.raw(b"\x85R").end(), &[]);
    let program = sandbox.file("model.th", &program);

    let mut worker = Worker::greeted(&sandbox);
    let mut check = |job, model: &str| {
        worker.send(&Request::Check {
            job: JobId(job),
            model: model.to_owned(),
        });
        worker.end_of(job).pop().unwrap()
    };

    let model = tiny_model().to_str().unwrap().to_owned();
    let Reply::Checked { checked, .. } = check(1, &model) else {
        panic!()
    };

    assert_eq!((checked.model, checked.stems), (model, Stem::ALL.to_vec()));
    assert!(checked.parameters > 1000, "{}", checked.parameters);
    let Reply::Checked { checked, .. } = check(2, "sextet-mini") else {
        panic!()
    };

    assert_eq!(checked.model, "sextet-mini");

    // A file of PyTorch's that holds a model and nothing else.
    let older = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../separator/tests/checkpoint/pickled/older.th"
    );
    let Reply::Checked { checked, .. } = check(10, older) else {
        panic!()
    };

    assert_eq!(checked.stems, Stem::ALL[..4]);

    let (text, program) = (text.to_str().unwrap(), program.to_str().unwrap());
    let wrong = [
        (
            "nothing.safetensors",
            "no checkpoint 'nothing.safetensors'",
            "check the path",
        ),
        ("nothing", "no model 'nothing'", "htdemucs_6s"),
        (
            "htdemucs_6s",
            "is not on this machine",
            "fetch the model htdemucs_6s",
        ),
        (
            text,
            "not a safetensors checkpoint",
            "fetch or export the checkpoint again",
        ),
        (program, "holds 'os.system'", "tools/export_hf.py"),
    ];

    for (job, (wrong, what, expected)) in (3..).zip(wrong) {
        let reply = check(job, wrong);
        let Reply::Failed {
            kind: FailKind::Model,
            message,
            remedy,
            ..
        } = &reply
        else {
            panic!("{wrong}: {reply:?}")
        };

        assert!(
            message.contains(what) && remedy.contains(expected),
            "{wrong}: {reply:?}"
        );
    }

    println!("{} checkpoints refused", wrong.len());
}

fn prepare(job: u64) -> Request {
    let model = tiny_model().to_str().unwrap().to_owned();
    Request::Prepare(Prepare {
        job: JobId(job),
        model,
        engine: EngineName::Cpu,
    })
}

#[test]
fn an_engine_that_was_started_ahead_is_there_for_the_next_clip() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 0.4);

    let mut worker = Worker::greeted(&sandbox);
    worker.send(&prepare(1));
    let replies = worker.end_of(1);
    let Some(Reply::Prepared { engine, .. }) = replies.last() else {
        panic!("{replies:?}")
    };

    assert!(engine.contains("CPU"), "{engine}");
    let phrases: Vec<_> = replies.iter().filter_map(phrase).collect();
    assert_eq!(phrases, ["loading tiny", "starting the engine for tiny"]);

    let separate = Separate {
        engine: EngineName::Cpu,
        ..tiny(2, &song)
    };
    worker.send(&Request::Separate(separate));

    let replies = worker.end_of(2);
    assert!(
        matches!(replies.last(), Some(Reply::Done { cached: false, .. })),
        "{replies:?}"
    );
    let loads = |replies: &[Reply]| {
        replies
            .iter()
            .any(|reply| matches!(reply, Reply::Loading { .. }))
    };

    assert!(!loads(&replies), "loaded again: {replies:?}");

    worker.send(&prepare(3));
    let replies = worker.end_of(3);
    assert!(
        matches!(replies.last(), Some(Reply::Prepared { .. })) && !loads(&replies),
        "loaded again: {replies:?}"
    );
}

#[test]
fn preparing_waits_for_what_goes_on_and_can_be_cancelled() {
    let sandbox = Sandbox::new();
    let mut worker = Worker::greeted(&sandbox);
    worker.separate_for_long(1, &long_song(&sandbox));
    worker.separating(1);
    worker.send(&prepare(2));

    worker.until(|reply| matches!(reply, Reply::Queued { job: JobId(2), .. }));
    worker.send(&Request::Cancel { job: JobId(2) });

    assert!(matches!(
        worker.end_of(2).last(),
        Some(Reply::Cancelled { .. })
    ));
    worker.send(&Request::Cancel { job: JobId(1) });
    worker.end_of(1);
    worker.send(&prepare(3));

    assert!(matches!(
        worker.end_of(3).last(),
        Some(Reply::Prepared { .. })
    ));
}

/// A separation takes its turn; loading ahead does not.
#[test]
fn preparing_waits_for_no_other_process_and_keeps_what_is_loaded() {
    let sandbox = Sandbox::new();
    let (mut first, mut second) = (Worker::greeted(&sandbox), Worker::greeted(&sandbox));

    let mut ready = Worker::greeted(&sandbox);
    ready.send(&prepare(1));
    ready.end_of(1);
    first.separate_for_long(1, &long_song(&sandbox));
    first.separating(1);

    ready.send(&prepare(2));
    let replies = ready.end_of(2);
    assert!(
        matches!(replies[..], [Reply::Prepared { .. }]),
        "{replies:?}"
    );

    // Another process separates at the same time; a separation after the preparation reports what
    // it waits for.
    second.send(&prepare(1));
    let replies = second.end_of(1);
    assert!(
        matches!(replies.last(), Some(Reply::Prepared { .. })),
        "{replies:?}"
    );

    second.separate(2, &sandbox.song("song.wav", 0.3));
    second.until(|reply| {
        matches!(
            reply,
            Reply::Queued {
                reason: Waiting::OtherProcess,
                ..
            }
        )
    });

    first.send(&Request::Cancel { job: JobId(1) });
    first.end_of(1);
}

/// All networks of a bag are started, since all stems are made.
#[test]
fn a_bag_is_prepared_whole() {
    let sandbox = Sandbox::new();
    for name in ["aaaaaaaa", "bbbbbbbb"] {
        std::fs::copy(tiny_model(), sandbox.path(&format!("{name}.safetensors"))).unwrap();
    }

    let bag = sandbox
        .file("bag.yaml", b"models: ['aaaaaaaa', 'bbbbbbbb']\n")
        .to_str()
        .unwrap()
        .to_owned();

    let mut worker = Worker::greeted(&sandbox);
    worker.send(&Request::Check {
        job: JobId(1),
        model: bag.clone(),
    });
    let Some(Reply::Checked { checked, .. }) = worker.end_of(1).pop() else {
        panic!()
    };

    assert_eq!((&checked.model, checked.stems), (&bag, Stem::ALL.to_vec()));
    worker.send(&Request::Prepare(Prepare {
        job: JobId(2),
        model: bag.clone(),
        engine: EngineName::Cpu,
    }));

    assert!(matches!(
        worker.end_of(2).last(),
        Some(Reply::Prepared { .. })
    ));
    let song = sandbox.song("song.wav", 0.3);
    let separate = Separate {
        model: bag,
        engine: EngineName::Cpu,
        ..Separate::new(JobId(3), song)
    };

    worker.send(&Request::Separate(separate));
    let replies = worker.end_of(3);
    assert!(
        matches!(replies.last(), Some(Reply::Done { .. })),
        "{replies:?}"
    );

    assert!(
        replies.iter().all(|reply| phrase(reply).is_none()),
        "{replies:?}"
    );
}

fn phrase(reply: &Reply) -> Option<String> {
    let Reply::Loading { what, .. } = reply else {
        return None;
    };
    Some(what.clone())
}

#[test]
fn what_cannot_be_prepared_is_said_and_the_worker_goes_on() {
    let sandbox = Sandbox::new();
    let mut worker = Worker::greeted(&sandbox);

    let model = "nothing.safetensors".to_owned();
    worker.send(&Request::Prepare(Prepare {
        job: JobId(1),
        model,
        engine: EngineName::Auto,
    }));

    let replies = worker.end_of(1);
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

    worker.stems_of(2, &sandbox.song("song.wav", 0.3));
}
