//! `sextet model fetch` from a hub that works, and from one that does not.

use std::sync::LazyLock;

use assert_cmd::Command;

use crate::hub::{Fault, Hub};
use crate::sandbox::{Sandbox, stderr, stdout, tiny_model_bytes};

const BAG: &str = "models: ['5c90dfd2']\n";
static CHECKPOINT: LazyLock<Vec<u8>> = LazyLock::new(tiny_model_bytes);

fn sextet(sandbox: &Sandbox, hub: &Hub, arguments: &[&str]) -> Command {
    let mut command = sandbox.sextet(arguments);
    command
        .env("HF_ENDPOINT", hub.endpoint())
        .env("NO_PROXY", "*");
    command
}

fn fetch(sandbox: &Sandbox, hub: &Hub) -> Command {
    sextet(sandbox, hub, &["model", "fetch", "htdemucs_6s"])
}

/// Returns the files in the cache's folder of blobs.
fn blobs(sandbox: &Sandbox) -> Vec<String> {
    sandbox.files(".hf/hub/models--adefossez--HTDemucs-6s/blobs")
}

#[test]
fn a_model_is_fetched_used_and_removed() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    let said = stderr(&mut fetch(&sandbox, &hub), 0);
    assert!(
        said.contains("licence")
            && said.contains("unsettled upstream")
            && said.contains("327 and 418"),
        "{said}"
    );

    assert!(said.contains("5c90dfd2.safetensors: SHA-256 "), "{said}");
    assert_eq!(hub.asked(), [0]);
    let paths = stdout(&mut sandbox.sextet(&["model", "path", "htdemucs_6s"]));

    let paths: Vec<_> = paths.lines().collect();
    assert_eq!(paths.len(), 2);
    assert!(
        paths[1]
            .ends_with("snapshots/0123456789012345678901234567890123456789/5c90dfd2.safetensors"),
        "{paths:?}"
    );

    assert_eq!(std::fs::read(paths[1]).unwrap(), *CHECKPOINT);
    assert!(stdout(&mut sandbox.sextet(&["model", "list"])).contains("fetched "));

    assert!(stdout(&mut fetch(&sandbox, &hub)).contains("is here and opens"));
    assert!(
        hub.asked().is_empty(),
        "what is here and whole is not fetched again"
    );

    sandbox.song("song.wav", 0.3);
    sandbox
        .sextet(&[
            "separate",
            "song.wav",
            "-m",
            "htdemucs_6s",
            "--threads",
            "1",
        ])
        .assert()
        .success();

    assert_eq!(sandbox.files("stems").len(), 6);

    sandbox
        .sextet(&["model", "remove", "htdemucs_6s"])
        .assert()
        .success();
    assert!(
        sandbox.files(".hf/hub").is_empty(),
        "{:?}",
        sandbox.files(".hf/hub")
    );

    stderr(&mut sandbox.sextet(&["model", "path", "htdemucs_6s"]), 3);
}

#[test]
fn a_file_that_is_not_there_is_said_so() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    hub.fail(Fault::NotFound);
    let said = stderr(&mut fetch(&sandbox, &hub), 5);
    assert!(
        said.contains("has no '5c90dfd2.safetensors' in adefossez/HTDemucs-6s (404)")
            && said.contains("\nhelp: "),
        "{said}"
    );
    assert!(stdout(&mut sandbox.sextet(&["model", "list"])).contains("incomplete"));
}

#[test]
fn a_connection_that_is_cut_is_taken_up_again_where_it_stopped() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    hub.fail(Fault::Cut {
        after: 300_000,
        times: 3,
    });
    fetch(&sandbox, &hub).assert().success();
    assert_eq!(hub.asked(), [0, 300_000, 600_000, 900_000]);
}

#[test]
fn what_a_failed_run_has_fetched_is_kept_for_the_next() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    fetch(&sandbox, &hub).assert().success();
    sandbox
        .sextet(&["model", "remove", "htdemucs_6s"])
        .assert()
        .success();

    hub.asked();
    hub.fail(Fault::Cut {
        after: 0,
        times: 99,
    });

    let said = stderr(&mut fetch(&sandbox, &hub), 5);
    assert!(
        said.contains("error: ") && said.contains("it goes on where it stopped"),
        "{said}"
    );
    hub.fail(Fault::Cut {
        after: 500_000,
        times: 1,
    });

    hub.asked();
    fetch(&sandbox, &hub).assert().success();

    assert_eq!(hub.asked(), [0, 500_000]);
}

#[test]
fn a_body_that_is_always_too_short_is_given_up() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    hub.fail(Fault::Cut {
        after: 0,
        times: 99,
    });

    let said = stderr(&mut fetch(&sandbox, &hub), 5);
    assert!(said.contains("model hub at http://127.0.0.1"), "{said}");
    assert!(
        blobs(&sandbox).iter().all(|blob| !blob.ends_with(".lock")),
        "{:?}",
        blobs(&sandbox)
    );

    stderr(
        &mut sandbox.sextet(&["separate", "x.wav", "-m", "htdemucs_6s"]),
        3,
    );
}

#[test]
fn bytes_that_are_not_what_was_announced_are_thrown_away() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    hub.fail(Fault::Checksum);

    let said = stderr(&mut fetch(&sandbox, &hub), 5);
    assert!(
        said.contains("is not what it should be: SHA-256") && said.contains("nothing was kept"),
        "{said}"
    );
    assert_eq!(
        blobs(&sandbox).len(),
        1,
        "the bag only: {:?}",
        blobs(&sandbox)
    );
    hub.fail(Fault::Nothing);
    fetch(&sandbox, &hub).assert().success();
}

#[test]
fn a_server_that_knows_no_ranges_will_do() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    hub.fail(Fault::NoRanges);
    fetch(&sandbox, &hub).assert().success();
    assert_eq!(hub.asked(), [0, CHECKPOINT.len() as u64 / 2]);
}

#[test]
fn a_hub_that_is_down_or_broken_is_said_so() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, &CHECKPOINT));
    hub.fail(Fault::Broken);

    assert!(stderr(&mut fetch(&sandbox, &hub), 5).contains("answered 500"));
    let said = stderr(&mut sandbox.sextet(&["model", "fetch", "htdemucs_6s"]), 5);
    assert!(
        said.contains("error: cannot reach the model hub at http://127.0.0.1:1"),
        "{said}"
    );

    let said = stderr(
        sandbox
            .sextet(&["model", "fetch", "htdemucs"])
            .env("HF_ENDPOINT", "nonsense"),
        5,
    );

    assert!(said.contains("help: check HF_ENDPOINT"), "{said}");
}

#[test]
fn a_bag_that_the_catalogue_does_not_know_is_refused() {
    let (sandbox, hub) = (
        Sandbox::new(),
        Hub::new("models: ['5c90dfd2', '955717e8']\n", &CHECKPOINT),
    );
    assert!(
        stderr(&mut fetch(&sandbox, &hub), 5).contains("is not the model that this sextet knows")
    );
}

#[test]
fn a_checkpoint_that_does_not_open_is_said_so() {
    let (sandbox, hub) = (Sandbox::new(), Hub::new(BAG, b"whole, but no checkpoint"));
    let said = stderr(&mut fetch(&sandbox, &hub), 3);
    assert!(
        said.contains("help: run `sextet model remove htdemucs_6s`"),
        "{said}"
    );
    assert!(stdout(&mut sandbox.sextet(&["doctor"])).contains("but it does not open"));
}
