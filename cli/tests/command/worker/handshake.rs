//! The handshake, and invalid requests.

use sextet_cases::each_case;
use sextet_protocol::Stem;
use sextet_protocol::worker::{EngineName, JobId, PROTOCOL, Reply, Request};

use super::client::{Worker, command};
use crate::sandbox::Sandbox;

#[test]
fn the_worker_says_what_it_is() {
    let sandbox = Sandbox::new();
    let mut worker = Worker::of(&mut command(&sandbox));
    worker.send(&Request::hello("test"));
    let Some(Reply::Hello(welcome)) = worker.next() else {
        panic!()
    };

    assert_eq!(
        (welcome.protocol, welcome.version.as_str()),
        (PROTOCOL, env!("CARGO_PKG_VERSION"))
    );
    let tensorrt = cfg!(feature = "tensorrt").then_some(EngineName::Tensorrt);
    assert_eq!(
        welcome.engines,
        [EngineName::Cpu, EngineName::Cuda]
            .into_iter()
            .chain(tensorrt)
            .collect::<Vec<_>>()
    );

    let bundled = &welcome.models[0];
    assert!(bundled.name == "sextet-mini" && bundled.is_ready() && bundled.stems == Stem::ALL);
    let official = welcome
        .models
        .iter()
        .find(|model| model.name == "htdemucs")
        .unwrap();

    assert!(!official.is_ready() && official.stems.len() == 4);
    assert_eq!(worker.leave(), (vec![], Some(0)));
}

#[test]
fn another_version_is_refused_by_both_names() {
    each_case([0, PROTOCOL + 1, u32::MAX], |found| {
        let sandbox = Sandbox::new();
        let mut worker = Worker::of(&mut command(&sandbox));
        worker.send(&Request::Hello {
            protocol: found,
            client: "the test".to_owned(),
        });

        let Some(Reply::Refused {
            protocol,
            message,
            remedy,
            ..
        }) = worker.next()
        else {
            panic!()
        };

        assert_eq!(protocol, PROTOCOL);
        let words = [
            format!("version {PROTOCOL}"),
            format!("the test speaks {found}"),
        ];

        assert!(
            words.iter().all(|word| message.contains(word)) && remedy.contains("same release"),
            "{message}"
        );
        assert_eq!(worker.leave(), (vec![], Some(2)));
    });
}

#[test]
fn nothing_is_done_before_hello() {
    let sandbox = Sandbox::new();
    let mut worker = Worker::of(&mut command(&sandbox));
    worker.separate(1, &sandbox.song("song.wav", 0.2));
    let Some(Reply::Error { message, .. }) = worker.next() else {
        panic!()
    };
    assert!(message.contains("hello"), "{message}");
    worker.send(&Request::Shutdown);
    assert_eq!(worker.leave(), (vec![], Some(0)));
}

#[test]
fn rubbish_is_an_error_reply_and_the_worker_goes_on() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 0.2);
    let mut worker = Worker::greeted(&sandbox);

    let long = vec![b'['; 3_000_000];
    let rubbish: [&[u8]; 8] = [
        b"rubbish",
        b"{\"type\":\"sing\"}",
        b"{\"type\":\"cancel\"}",
        b"[1,2]",
        b"\xff\xfe\0\x01",
        b"{\"a\":",
        b"0",
        &long,
    ];

    for bytes in rubbish {
        worker.say_bytes(bytes);
        worker.say_bytes(b"\n");
        let reply = worker.next();
        let Some(Reply::Error { message, remedy }) = reply else {
            panic!("{reply:?}")
        };

        assert!(
            message.len() < 400 && remedy.contains("docs/worker.md"),
            "{message}"
        );
    }

    worker.say_bytes(b"\n  \r\n");
    worker.send(&Request::Cancel { job: JobId(77) });
    worker.stems_of(1, &song);

    assert_eq!(worker.leave().1, Some(0));
}

#[test]
fn a_number_that_is_taken_is_refused() {
    let sandbox = Sandbox::new();
    let song = super::client::long_song(&sandbox);

    let mut worker = Worker::greeted(&sandbox);
    worker.separate_for_long(1, &song);
    worker.separate_for_long(1, &song);
    worker
        .until(|reply| matches!(reply, Reply::Error { message, .. } if message.contains("job 1")));

    worker.send(&Request::Cancel { job: JobId(1) });
    assert!(matches!(
        worker.end_of(1).last(),
        Some(Reply::Cancelled { .. })
    ));
    worker.stems_of(1, &sandbox.song("song.wav", 0.2));
}
