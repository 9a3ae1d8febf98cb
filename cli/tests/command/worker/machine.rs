//! What is told of the machine, checkpoints that are looked at, and engines that are started ahead.

use sextet_protocol::Stem;
use sextet_protocol::worker::{EngineName, FailKind, GpuState, JobId, ModelState, Prepare, Reply, Request};

use super::client::{Worker, long_song, tiny};
use crate::bench::{Bench, tiny_model};

#[test]
fn the_machine_is_told_of_in_words() {
    let bench = Bench::new();
    let mut worker = Worker::greeted(&bench);
    worker.say(&Request::Inspect { job: JobId(1) });
    let replies = worker.end_of(1);
    let Some(Reply::Inspected { machine, .. }) = replies.last() else { panic!("{replies:?}") };

    let gpu = &machine.gpu;
    assert!(gpu.message.ends_with('.') && gpu.message.len() > 20, "{}", gpu.message);
    if cfg!(not(feature = "tensorrt")) {
        assert_eq!(gpu.state, GpuState::NotBuiltIn);
        assert!(gpu.remedy.contains("install"), "{}", gpu.remedy);
    } else if gpu.devices.is_empty() {
        assert_eq!((gpu.state, &gpu.setup), (GpuState::NoGpu, &None), "{}", gpu.message);
    }

    let states: Vec<_> = machine.models.iter().map(|model| (model.name.as_str(), model.state)).collect();
    assert!(states.contains(&("sextet-mini", ModelState::Bundled)), "{states:?}");
    assert!(states.contains(&("htdemucs_6s", ModelState::NotFetched)), "{states:?}");
}

#[test]
fn a_checkpoint_is_looked_at_before_it_is_used() {
    let bench = Bench::new();
    let text = bench.file("text.safetensors", b"this is no checkpoint");
    let pickle = bench.file("model.th", b"PK");
    let mut worker = Worker::greeted(&bench);
    let mut check = |job, model: &str| {
        worker.say(&Request::Check { job: JobId(job), model: model.to_owned() });
        worker.end_of(job).pop().unwrap()
    };

    let model = tiny_model().to_str().unwrap().to_owned();
    let Reply::Checked { checked, .. } = check(1, &model) else { panic!() };
    assert_eq!((checked.model, checked.stems), (model, Stem::ALL.to_vec()));
    assert!(checked.parameters > 1000, "{}", checked.parameters);
    let Reply::Checked { checked, .. } = check(2, "sextet-mini") else { panic!() };
    assert_eq!(checked.model, "sextet-mini");

    let wrong = ["nothing.safetensors", "htdemucs_6s", text.to_str().unwrap(), pickle.to_str().unwrap()];
    for (job, wrong) in (3..).zip(wrong) {
        let reply = check(job, wrong);
        let Reply::Failed { kind: FailKind::Model, message, remedy, .. } = &reply else { panic!("{wrong}: {reply:?}") };
        assert!(!message.is_empty() && !remedy.is_empty(), "{wrong}: {reply:?}");
    }
}

fn prepare(job: u64) -> Request {
    let model = tiny_model().to_str().unwrap().to_owned();
    Request::Prepare(Prepare { job: JobId(job), model, engine: EngineName::Cpu })
}

#[test]
fn an_engine_that_was_started_ahead_is_there_for_the_next_clip() {
    let bench = Bench::new();
    let song = bench.song("song.wav", 0.4);
    let mut worker = Worker::greeted(&bench);
    worker.say(&prepare(1));
    let replies = worker.end_of(1);
    let Some(Reply::Prepared { engine, .. }) = replies.last() else { panic!("{replies:?}") };
    assert!(engine.contains("CPU"), "{engine}");
    let phrases: Vec<_> = replies.iter().filter(|reply| matches!(reply, Reply::Loading { .. })).collect();
    assert_eq!(phrases.len(), 2, "the model, and its engine: {phrases:?}");

    let separate = sextet_protocol::worker::Separate { engine: EngineName::Cpu, ..tiny(2, &song) };
    worker.say(&Request::Separate(separate));
    let replies = worker.end_of(2);
    assert!(matches!(replies.last(), Some(Reply::Done { cached: false, .. })), "{replies:?}");
    let loads = |replies: &[Reply]| replies.iter().any(|reply| matches!(reply, Reply::Loading { .. }));
    assert!(!loads(&replies), "loaded again: {replies:?}");

    worker.say(&prepare(3));
    let replies = worker.end_of(3);
    assert!(matches!(replies.last(), Some(Reply::Prepared { .. })) && !loads(&replies), "loaded again: {replies:?}");
}

#[test]
fn preparing_waits_for_what_goes_on_and_can_be_cancelled() {
    let bench = Bench::new();
    let mut worker = Worker::greeted(&bench);
    worker.separate_for_long(1, &long_song(&bench));
    worker.separating(1);
    worker.say(&prepare(2));
    worker.until(|reply| matches!(reply, Reply::Queued { job: JobId(2), .. }));
    worker.say(&Request::Cancel { job: JobId(2) });
    assert!(matches!(worker.end_of(2).last(), Some(Reply::Cancelled { .. })));
    worker.say(&Request::Cancel { job: JobId(1) });
    worker.end_of(1);
    worker.say(&prepare(3));
    assert!(matches!(worker.end_of(3).last(), Some(Reply::Prepared { .. })));
}

#[test]
fn what_cannot_be_prepared_is_said_and_the_worker_goes_on() {
    let bench = Bench::new();
    let mut worker = Worker::greeted(&bench);
    let model = "nothing.safetensors".to_owned();
    worker.say(&Request::Prepare(Prepare { job: JobId(1), model, engine: EngineName::Auto }));
    let replies = worker.end_of(1);
    assert!(matches!(replies.last(), Some(Reply::Failed { kind: FailKind::Model, .. })), "{replies:?}");
    worker.stems_of(2, &bench.song("song.wav", 0.3));
}
