//! Impossible jobs: each is reported with a kind, a cause and a remedy, leaves nothing behind, and
//! the next job succeeds.

use std::path::Path;

use sextet_cases::each_case;
use sextet_protocol::worker::{
    EngineName, FailKind, JobId, Reply, Request, Separate, SeparationOptions,
};

#[cfg(unix)]
use super::client::command;
use super::client::{Worker, kept, tiny};
use crate::sandbox::Sandbox;

/// Returns cause and remedy of a job that failed with `expected`.
fn failed(worker: &mut Worker, job: u64, expected: FailKind) -> (String, String) {
    let replies = worker.end_of(job);
    let Some(Reply::Failed {
        kind,
        message,
        remedy,
        ..
    }) = replies.last()
    else {
        panic!("{replies:?}")
    };

    assert_eq!(*kind, expected, "{message}");
    assert!(
        !message.is_empty() && !remedy.is_empty() && !message.contains('\n'),
        "{message} / {remedy}"
    );
    println!("{message}\n  {remedy}");
    each_case(["--", "`sextet "], |command| {
        assert!(
            !message.contains(command) && !remedy.contains(command),
            "a front end has neither flags nor commands: {message} / {remedy}"
        );
    });

    (message.clone(), remedy.clone())
}

/// Text in the message of a machine without TensorRT. A build with TensorRT reports the library or
/// the driver, depending on the machine, so that any text will do.
const TENSORRT: &str = if cfg!(feature = "tensorrt") {
    ""
} else {
    "tensorrt"
};

#[test]
fn bad_requests_fail_by_kind() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 0.3);
    let text = sandbox.file("text.wav", b"this is no audio");

    let mut nan = vec![0.1; 4_000];
    nan[2_001] = f32::NAN;
    let nan = sandbox.wav("nan.wav", 44_100, 2, &nan);
    let usual = SeparationOptions::default();
    let with = |options| Separate {
        options,
        ..tiny(0, &song)
    };

    let model = |model: &str| Separate {
        model: model.to_owned(),
        ..tiny(0, &song)
    };
    let cases = [
        (
            tiny(0, Path::new("missing.wav")),
            FailKind::Input,
            "missing.wav",
        ),
        (tiny(0, &sandbox.path("")), FailKind::Input, ""),
        (tiny(0, &text), FailKind::Audio, "text.wav"),
        (tiny(0, &nan), FailKind::Audio, "NaN"),
        (model("nothing"), FailKind::Model, "'nothing'"),
        (model("htdemucs"), FailKind::Model, "htdemucs"),
        (
            Separate {
                engine: EngineName::Tensorrt,
                ..tiny(0, &song)
            },
            FailKind::Engine,
            TENSORRT,
        ),
        (
            with(SeparationOptions {
                overlap: 1.0,
                ..usual
            }),
            FailKind::Request,
            "overlap of 1",
        ),
        (
            with(SeparationOptions {
                overlap: -0.5,
                ..usual
            }),
            FailKind::Request,
            "overlap of -0.5",
        ),
        (
            with(SeparationOptions {
                shifts: 1_000,
                ..usual
            }),
            FailKind::Request,
            "1000 shifts",
        ),
    ];

    let mut worker = Worker::greeted(&sandbox);
    for (job, (request, kind, word)) in (1..).zip(cases) {
        worker.send(&Request::Separate(Separate {
            job: JobId(job),
            ..request
        }));
        let (message, _) = failed(&mut worker, job, kind);
        assert!(message.contains(word), "{message}");
        assert!(kept(&sandbox).is_empty(), "{message}: {:?}", kept(&sandbox));
    }

    worker.stems_of(99, &song);
}

#[test]
fn a_cache_that_cannot_be_made_is_a_failure_with_a_remedy() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 0.3);

    let file = sandbox.file("file", b"in the way");
    each_case([file.clone(), file.join("below")], |cache| {
        let mut worker =
            Worker::greeted_with(&sandbox, &[("SEXTET_CACHE", cache.to_str().unwrap())]);
        worker.separate(1, &song);
        let (message, remedy) = failed(&mut worker, 1, FailKind::Output);
        assert!(
            message.contains("file") && remedy.contains("SEXTET_CACHE"),
            "{message} / {remedy}"
        );
        assert_eq!(std::fs::read(&file).unwrap(), b"in the way");
    });
}

/// Permissions do not bind root, so a folder that cannot be written to is tested only where they
/// apply.
#[cfg(unix)]
#[test]
fn a_read_only_cache_still_gives_what_it_has() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::new();
    let (song, other) = (
        sandbox.song("song.wav", 0.3),
        sandbox.song("other.wav", 0.4),
    );
    let (key, _) = Worker::greeted(&sandbox).stems_of(1, &song);

    let set = |mode: u32| {
        for folder in ["cache", "cache/stems", &format!("cache/stems/{key}")] {
            std::fs::set_permissions(sandbox.path(folder), std::fs::Permissions::from_mode(mode))
                .unwrap();
        }
    };

    set(0o555);
    let binding = std::fs::write(sandbox.path("cache/probe"), "").is_err();

    let mut worker = Worker::greeted(&sandbox);
    assert_eq!(worker.stems_of(1, &song), (key, true));

    if binding {
        worker.separate(2, &other);
        let (message, remedy) = failed(&mut worker, 2, FailKind::Output);
        assert!(
            message.contains("cannot write") && remedy.contains("SEXTET_CACHE"),
            "{message} / {remedy}"
        );
    } else {
        println!("this user may write everywhere: only reading was tried");
    }

    set(0o755);
}

/// A file size limit fails as a full disk does: in the middle of the work.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_leaves_nothing_and_the_worker_goes_on() {
    let sandbox = Sandbox::new();
    let (long, short) = (
        sandbox.song("long.wav", 3.0),
        sandbox.song("short.wav", 0.2),
    );
    let direct = command(&sandbox);

    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "ulimit -f 600; trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(direct.get_program());
    limited
        .args(direct.get_args())
        .current_dir(sandbox.path(""))
        .envs(super::client::environment(&sandbox));

    let mut worker = Worker::of(&mut limited);
    worker.send(&Request::hello("test"));
    worker.separate(1, &long);
    let (message, remedy) = failed(&mut worker, 1, FailKind::Output);

    assert!(
        message.contains("cannot write") && remedy.contains("make room"),
        "{message} / {remedy}"
    );
    assert!(kept(&sandbox).is_empty(), "{:?}", kept(&sandbox));
    worker.stems_of(2, &short);
}

/// The cache is emptied by hand, folder and all.
#[test]
fn a_cache_that_is_deleted_is_made_again() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 0.3);
    let mut worker = Worker::greeted(&sandbox);
    let (key, _) = worker.stems_of(1, &song);
    std::fs::remove_dir_all(sandbox.path("cache")).unwrap();
    assert_eq!(worker.stems_of(2, &song), (key, false));
    assert_eq!(worker.stems_of(3, &song), (key, true));
}

/// A model's file that is replaced by another one between two jobs is noticed.
#[test]
fn another_model_under_the_same_name_is_another_recipe() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 0.3);
    let mut bytes = crate::sandbox::tiny_model_bytes();
    let path = sandbox.file("model.safetensors", &bytes);
    let ask = |job| Separate {
        model: path.to_str().unwrap().to_owned(),
        ..tiny(job, &song)
    };

    let mut worker = Worker::greeted(&sandbox);
    worker.send(&Request::Separate(ask(1)));
    let (key, _) = super::client::done(&worker.end_of(1));

    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&0.25_f32.to_le_bytes());
    std::fs::remove_file(&path).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    std::fs::write(&path, &bytes).unwrap();

    worker.send(&Request::Separate(ask(2)));
    let (other, cached) = super::client::done(&worker.end_of(2));

    assert!(other != key && !cached);
}
