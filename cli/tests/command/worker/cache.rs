//! Eviction, and `sextet cache`.

use std::time::{Duration, SystemTime};

use assert_cmd::Command;
use sextet_protocol::Fingerprint;
use sextet_protocol::cache::{Entry, IN_USE_FILE};

use super::client::{Worker, environment, folders, kept};
use crate::sandbox::{Sandbox, stderr, stdout};

/// Size of an entry of six float stems of half a second, plus a margin, in bytes.
const ENTRY_BYTES: u64 = 6 * 8 * 22_050 + 10_000;

fn cache(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = sandbox.sextet(&["cache"]);
    command
        .args(arguments)
        .envs(environment(sandbox))
        .env_remove("SEXTET_CACHE_LIMIT");
    command
}

/// Sets the last use of the entry `minutes` back.
fn age(sandbox: &Sandbox, key: &Fingerprint, minutes: u64) {
    let path = sandbox.path(&format!("cache/stems/{key}/{IN_USE_FILE}"));
    let then = SystemTime::now() - Duration::from_secs(60 * minutes);
    std::fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(then)
        .unwrap();
}

/// Separates different songs of half a second, each used a minute after the one before.
fn fill(sandbox: &Sandbox, worker: &mut Worker, count: u64) -> Vec<Fingerprint> {
    let keys = (0..count).map(|n| {
        let song = sandbox.song(&format!("{n}.wav"), 0.5 - 0.001 * n as f64);
        let (key, cached) = worker.stems_of(100 + n, &song);
        assert!(!cached);
        age(sandbox, &key, 60 - n);
        key
    });
    keys.collect()
}

fn names(keys: &[Fingerprint]) -> Vec<String> {
    let mut names: Vec<_> = keys.iter().map(Fingerprint::to_string).collect();
    names.sort();
    names
}

#[test]
fn what_was_used_longest_ago_goes_and_what_is_in_use_stays() {
    let sandbox = Sandbox::new();
    let limit = (3 * ENTRY_BYTES).to_string();
    let mut worker = Worker::greeted_with(&sandbox, &[("SEXTET_CACHE_LIMIT", &limit)]);

    let keys = fill(&sandbox, &mut worker, 3);
    assert_eq!(kept(&sandbox), names(&keys));

    // The first is read all the while; the second was used just now.
    let held = Entry::open(&folders(&sandbox), &keys[0]).unwrap();
    age(&sandbox, &keys[0], 90);

    assert!(worker.stems_of(1, &sandbox.path("1.wav")).1);
    let (fourth, _) = worker.stems_of(2, &sandbox.song("new.wav", 0.45));

    assert_eq!(kept(&sandbox), names(&[keys[0], keys[1], fourth]));
    held.verify(&|| false).unwrap();
    drop(held);
    age(&sandbox, &keys[0], 90);
    let (fifth, _) = worker.stems_of(3, &sandbox.song("newer.wav", 0.44));

    assert_eq!(kept(&sandbox), names(&[keys[1], fourth, fifth]));
}

#[test]
fn an_entry_larger_than_the_limit_is_kept_alone() {
    let sandbox = Sandbox::new();
    let mut worker = Worker::greeted_with(&sandbox, &[("SEXTET_CACHE_LIMIT", "1KB")]);
    let (first, _) = worker.stems_of(1, &sandbox.song("a.wav", 0.5));
    assert_eq!(kept(&sandbox), names(&[first]));
    let (second, _) = worker.stems_of(2, &sandbox.song("b.wav", 0.4));
    assert_eq!(kept(&sandbox), names(&[second]));
}

#[test]
fn a_limit_that_is_no_size_is_said_and_the_job_fails() {
    let sandbox = Sandbox::new();
    let mut worker = Worker::greeted_with(&sandbox, &[("SEXTET_CACHE_LIMIT", "plenty")]);
    worker.separate(1, &sandbox.song("a.wav", 0.2));
    let replies = worker.end_of(1);
    assert!(
        format!("{replies:?}").contains("SEXTET_CACHE_LIMIT is 'plenty'"),
        "{replies:?}"
    );
    assert!(kept(&sandbox).is_empty(), "{:?}", kept(&sandbox));
}

#[test]
fn the_cache_is_listed_and_emptied() {
    let sandbox = Sandbox::new();
    assert!(stdout(&mut cache(&sandbox, &["list"])).contains("0 entries"));
    assert!(stdout(&mut cache(&sandbox, &["clear"])).contains("removed 0 entries"));
    assert_eq!(
        stdout(&mut cache(&sandbox, &["path"])).trim(),
        sandbox.path("cache/stems").display().to_string()
    );

    assert!(!sandbox.path("cache").exists(), "looking makes nothing");
    let mut worker = Worker::greeted(&sandbox);
    let keys = fill(&sandbox, &mut worker, 3);

    sandbox.file("cache/stems/manifest-of-nothing/x", b"not ours");
    std::fs::write(
        sandbox.path(&format!("cache/stems/{}/manifest.json", keys[2])),
        b"{",
    )
    .unwrap();

    let list = stdout(&mut cache(&sandbox, &["list"]));
    let lines: Vec<_> = list.lines().collect();
    assert!(
        lines[0].starts_with(&keys[2].to_string()) && lines[0].contains("cannot be read"),
        "{list}"
    );

    assert!(
        lines[1].contains("1.wav") && lines[1].contains("59 min ago") && lines[1].contains("tiny"),
        "{list}"
    );
    assert!(
        lines[3].contains("3 entries") && lines[3].contains("20 GB"),
        "{list}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&mut cache(&sandbox, &["list", "--json"]))).unwrap();

    assert_eq!(
        (&json["version"], json["entries"].as_array().unwrap().len()),
        (&1.into(), 3)
    );
    assert_eq!(json["entries"][2]["key"], keys[0].to_string());
    assert_eq!(
        (&json["entries"][2]["song"], &json["entries"][2]["frames"]),
        (&"0.wav".into(), &22_050.into())
    );

    let held = Entry::open(&folders(&sandbox), &keys[0]).unwrap();
    let one = stdout(&mut cache(&sandbox, &["clear", &keys[1].to_string()[..8]]));
    assert!(one.contains("removed 1 entries"), "{one}");
    assert!(stderr(&mut cache(&sandbox, &["clear", "nothing"]), 2).contains("no entry 'nothing'"));

    let rest = stdout(&mut cache(&sandbox, &["clear"]));
    assert!(
        rest.contains("removed 1 entries") && rest.contains("1 in use stay"),
        "{rest}"
    );
    drop(held);

    assert!(stdout(&mut cache(&sandbox, &["clear"])).contains("removed 1 entries"));
    assert_eq!(
        kept(&sandbox),
        ["manifest-of-nothing"],
        "what is not ours is left alone"
    );
}

#[test]
fn the_limit_is_set_and_kept_to() {
    let sandbox = Sandbox::new();
    assert_eq!(stdout(&mut cache(&sandbox, &["limit"])).trim(), "20 GB");
    let keys = fill(&sandbox, &mut Worker::greeted(&sandbox), 3);

    assert_eq!(
        stdout(&mut cache(
            &sandbox,
            &["limit", &(2 * ENTRY_BYTES).to_string()]
        ))
        .trim(),
        "2.1 MB"
    );

    assert_eq!(
        kept(&sandbox),
        [names(&keys[1..]), vec!["limit".to_owned()]].concat()
    );
    assert_eq!(stdout(&mut cache(&sandbox, &["limit"])).trim(), "2.1 MB");
    assert_eq!(
        stdout(cache(&sandbox, &["limit"]).env("SEXTET_CACHE_LIMIT", "7GB")).trim(),
        "7 GB"
    );

    assert!(stderr(&mut cache(&sandbox, &["limit", "much"]), 2).contains("expected a size"));
    let (fourth, _) = Worker::greeted(&sandbox).stems_of(9, &sandbox.song("new.wav", 0.45));

    assert_eq!(
        kept(&sandbox),
        [names(&[keys[2], fourth]), vec!["limit".to_owned()]].concat()
    );
}
