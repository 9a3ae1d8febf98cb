//! The worker's replies about the GPU, state by state, and its setup. The tests use NVIDIA's own
//! library if there is one, and a stand-in for the driver, since a machine has one driver and one
//! GPU at most.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sextet_cases::each_case;
use sextet_protocol::worker::{
    EngineName, FailKind, Gpu, GpuState, JobId, Prepare, Reply, Request,
};

use super::client::{Worker, command, done};
use crate::sandbox::{Sandbox, stdout, tiny_model};

/// The library's file, and the folder in which the worker looks for this user's own.
const LIBRARY: &str = "libtensorrt_rtx.so.1";
const OWN: &str = "data/tensorrt";

/// Returns a machine with stand-ins for driver and GPU, and no library; `None` without a C compiler
/// to make them.
fn machine() -> Option<Sandbox> {
    let sandbox = Sandbox::new();
    sandbox.file("bin/nvidia-smi", b"#!/bin/sh\nexit 9\n");
    fs::set_permissions(
        sandbox.path("bin/nvidia-smi"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();

    let made = compile(&sandbox, "one_gpu.c", "driver/libcuda.so.1");
    if made.is_none() {
        println!("left out: this system has no C compiler");
    }

    made.map(|_| sandbox)
}

/// Compiles a fixture to the library `name`.
fn compile(sandbox: &Sandbox, source: &str, name: &str) -> Option<PathBuf> {
    let library = sandbox.file(name, b"");
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(source);

    let mut cc = Command::new("cc");
    let status = cc
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .status()
        .ok()?;

    assert!(status.success(), "cc fails");
    Some(library)
}

/// Sets a command's environment for such a machine.
fn on_machine(command: &mut Command, sandbox: &Sandbox, variables: &[(&str, &str)]) {
    let path = format!(
        "{}:{}",
        sandbox.path("bin").display(),
        std::env::var("PATH").unwrap()
    );

    command
        .env("PATH", path)
        .env("LD_LIBRARY_PATH", sandbox.path("driver"))
        .env("SEXTET_CONFIG", sandbox.path("config"));
    for unset in ["SEXTET_TENSORRT", "SEXTET_GPU", "CUDA_VISIBLE_DEVICES"] {
        command.env_remove(unset);
    }

    command.env("NO_PROXY", "*").envs(variables.iter().copied());
}

fn worker(sandbox: &Sandbox, variables: &[(&str, &str)]) -> Worker {
    let mut command = command(sandbox);
    on_machine(&mut command, sandbox, variables);
    let mut worker = Worker::of(&mut command);
    worker.send(&Request::hello("test"));
    assert!(matches!(worker.next(), Some(Reply::Hello(_))));
    worker
}

fn inspect(worker: &mut Worker, job: u64) -> Gpu {
    worker.send(&Request::Inspect { job: JobId(job) });
    let replies = worker.end_of(job);
    let Some(Reply::Inspected { machine, .. }) = replies.last() else {
        panic!("{replies:?}")
    };
    machine.gpu.clone()
}

/// Returns the folder of NVIDIA's library of the right version, if the environment names it.
fn real_library() -> Option<String> {
    let folder = std::env::var("SEXTET_TENSORRT").ok();
    if folder.is_none() {
        println!("left out: SEXTET_TENSORRT names no folder of TensorRT's libraries");
    }
    folder
}

/// Returns the real wheel, which `cargo xtask check` names.
fn real_wheel() -> Option<PathBuf> {
    let wheel = std::env::var_os("SEXTET_TENSORRT_WHEEL").filter(|wheel| !wheel.is_empty());
    if wheel.is_none() {
        println!("left out: SEXTET_TENSORRT_WHEEL names no wheel");
    }
    wheel.map(PathBuf::from)
}

#[test]
fn a_driver_or_gpu_that_will_not_do_is_told_with_what_helps() {
    let Some(sandbox) = machine() else { return };

    let old_card = "case $1 in *compute_cap*) echo 6.1;; *) echo 'NVIDIA GeForce GTX 1080, 8192 MiB, 535.183.01';; esac";
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str, &'a str);
    let cases: [Case; 5] = [
        (
            &[("STAND_IN_CUDA", "11080"), ("STAND_IN_CAPABILITY", "86")],
            "exit 9",
            "it supports CUDA 11.8, and CUDA 12.0 is needed",
            "version 525 or newer",
        ),
        (
            &[("STAND_IN_CUDA", "12040")],
            "exit 9",
            "it supports CUDA 12.4, and CUDA 13.0 is needed",
            "version 580 or newer",
        ),
        (
            &[("STAND_IN_CUDA", "12020")],
            old_card,
            "The GPU has compute capability 6.1, and 7.5 (Turing)",
            "",
        ),
        (
            &[("STAND_IN_CAPABILITY", "61")],
            "exit 9",
            "NVIDIA Stand-In has compute capability 6.1, and 7.5",
            "",
        ),
        (
            &[("STAND_IN_BROKEN", "1")],
            "exit 9",
            "CUDA_ERROR_DEVICE_UNAVAILABLE",
            "Start the machine again",
        ),
    ];

    each_case(cases, |(variables, smi, message, remedy)| {
        fs::write(
            sandbox.path("bin/nvidia-smi"),
            format!("#!/bin/sh\n{smi}\n"),
        )
        .unwrap();
        let gpu = inspect(&mut worker(&sandbox, variables), 1);
        assert_eq!(
            (gpu.state, &gpu.setup),
            (GpuState::Unusable, &None),
            "{gpu:?}"
        );

        assert!(
            gpu.message.contains(message) && gpu.remedy.contains(remedy),
            "{gpu:?}"
        );
        assert_eq!(gpu.remedy.is_empty(), remedy.is_empty(), "{gpu:?}");

        if smi == old_card {
            assert_eq!(gpu.devices, ["NVIDIA GeForce GTX 1080, 8 GB"]);
            assert!(gpu.driver.is_some());
        }
    });

    println!("{} machines tried", cases.len());
}

/// The CUDA engine needs nothing but the driver.
#[test]
fn a_gpu_for_which_there_are_kernels_is_ready_without_being_set_up() {
    let Some(sandbox) = machine() else { return };

    each_case(["80", "89", "90", "120"], |capability| {
        let variables = [
            ("STAND_IN_CAPABILITY", capability),
            ("STAND_IN_CUDA", "12000"),
        ];
        let gpu = inspect(&mut worker(&sandbox, &variables), 1);
        assert_eq!(
            (gpu.state, &gpu.setup, gpu.engine, gpu.remedy.as_str()),
            (GpuState::Ready, &None, Some(EngineName::Cuda), ""),
            "{gpu:?}"
        );
        assert_eq!(gpu.library, None);
        assert_eq!(
            gpu.message,
            "Separations run on the GPU: CUDA kernels on NVIDIA Stand-In."
        );
    });
}

#[test]
fn a_library_that_is_missing_or_will_not_do_is_to_be_set_up() {
    let Some(sandbox) = machine() else { return };

    let own = format!("{OWN}/{LIBRARY}");
    let to_be_set_up = |message: &str, once: &str| {
        let gpu = inspect(&mut worker(&sandbox, &[]), 1);
        assert_eq!(
            (gpu.state, &gpu.library),
            (GpuState::ToBeSetUp, &None),
            "{gpu:?}"
        );

        assert!(
            gpu.message.contains(message) && gpu.remedy.contains("Set up the GPU"),
            "{gpu:?}"
        );
        assert!(gpu.remedy.contains(once), "{gpu:?}");
        assert_eq!(gpu.devices, ["NVIDIA Stand-In, 24 GB"]);

        let setup = gpu.setup.unwrap();
        assert_eq!(
            (setup.what.as_str(), setup.folder),
            ("TensorRT-RTX 1.6.1", sandbox.path(OWN))
        );
        assert!(
            setup.bytes > 50_000_000 && setup.licence.contains("NVIDIA's and proprietary"),
            "{}",
            setup.licence
        );

        assert!(!setup.licence.contains('\n'));
    };

    to_be_set_up(
        "NVIDIA Stand-In can be used once NVIDIA's library",
        "is fetched, once",
    );
    sandbox.file(&own, b"not a library at all");
    to_be_set_up(LIBRARY, "is fetched anew");
    compile(&sandbox, "other_version.c", &own).unwrap();
    to_be_set_up("has version 1.5.0", "is fetched anew");

    // A library that the user has named comes before one that would be fetched.
    compile(&sandbox, "other_version.c", &format!("named/{LIBRARY}")).unwrap();
    let named = sandbox.path("named");
    let gpu = inspect(
        &mut worker(&sandbox, &[("SEXTET_TENSORRT", named.to_str().unwrap())]),
        1,
    );

    assert_eq!(
        (gpu.state, &gpu.setup),
        (GpuState::Unusable, &None),
        "{gpu:?}"
    );

    assert!(
        gpu.message.contains("has version 1.5.0") && gpu.remedy.contains("SEXTET_TENSORRT"),
        "{gpu:?}"
    );
}

#[test]
fn the_doctor_tells_the_same_of_the_gpu() {
    let Some(sandbox) = machine() else { return };

    let gpu = inspect(&mut worker(&sandbox, &[]), 1);
    let mut sextet = Command::new(assert_cmd::cargo::cargo_bin!("sextet"));
    sextet
        .arg("doctor")
        .envs(super::client::environment(&sandbox));

    on_machine(&mut sextet, &sandbox, &[]);
    let text = stdout(&mut assert_cmd::Command::from(sextet));
    assert!(
        text.contains(&format!("remedy      {} {}", gpu.message, gpu.remedy)),
        "{gpu:?}\n{text}"
    );
}

#[test]
fn all_that_is_needed_is_ready() {
    let (Some(sandbox), Some(library)) = (machine(), real_library()) else {
        return;
    };

    let gpu = inspect(&mut worker(&sandbox, &[("SEXTET_TENSORRT", &library)]), 1);
    assert_eq!(
        (gpu.state, &gpu.setup, gpu.remedy.as_str()),
        (GpuState::Ready, &None, ""),
        "{gpu:?}"
    );

    assert_eq!(gpu.library.as_deref(), Some("TensorRT-RTX 1.6.1"));
    assert_eq!(
        gpu.message,
        "Separations run on the GPU: TensorRT-RTX 1.6.1 on NVIDIA Stand-In."
    );
}

/// A worker that found a library of another version uses the right one once it has set it up, and
/// so does the engine that it had chosen before.
#[test]
fn what_was_set_up_is_used_by_the_same_worker() {
    let (Some(sandbox), Some(wheel)) = (machine(), real_wheel()) else {
        return;
    };

    let (first, second) = (sandbox.song("a.wav", 0.3), sandbox.song("b.wav", 0.4));
    compile(&sandbox, "other_version.c", &format!("{OWN}/{LIBRARY}")).unwrap();

    let mut worker = worker(&sandbox, &[]);
    assert_eq!(inspect(&mut worker, 1).state, GpuState::ToBeSetUp);
    worker.separate(2, &first);
    let replies = worker.end_of(2);

    let on_cpu = |reply: &Reply| match reply {
        Reply::Started {
            note: Some(note), ..
        } => note.contains("version 1.5.0"),
        _ => false,
    };

    assert!(
        replies.iter().any(on_cpu) && !done(&replies).1,
        "{replies:?}"
    );

    worker.send(&Request::SetUpGpu {
        job: JobId(3),
        from: Some(wheel),
    });
    let replies = worker.end_of(3);
    let Some(Reply::GpuSetUp { gpu, .. }) = replies.last() else {
        panic!("{replies:?}")
    };

    assert_eq!(gpu.state, GpuState::Ready, "{gpu:?}");
    assert_eq!(inspect(&mut worker, 4), *gpu);

    // Engines are built for the GPU, though nothing can be computed on the stand-in.
    worker.send(&prepare(5));
    let replies = worker.until(is_building);
    assert!(
        matches!(replies[0], Reply::Loading { .. }),
        "the model is loaded anew: {replies:?}"
    );

    worker.send(&Request::Cancel { job: JobId(5) });
    assert!(matches!(
        worker.end_of(5).last(),
        Some(Reply::Cancelled { .. })
    ));

    // The build does not delay a clip that the CPU finishes before it.
    worker.separate(6, &second);
    let replies = worker.end_of(6);
    assert!(
        replies.iter().any(is_sooner_on_cpu) && !done(&replies).1,
        "{replies:?}"
    );

    assert!(!replies.iter().any(is_building), "{replies:?}");
    assert_eq!(worker.leave(), (vec![], Some(0)));
}

fn prepare(job: u64) -> Request {
    let model = tiny_model().to_str().unwrap().to_owned();
    Request::Prepare(Prepare {
        job: JobId(job),
        model,
        engine: EngineName::Auto,
    })
}

fn is_building(reply: &Reply) -> bool {
    match reply {
        Reply::Loading {
            what,
            done: 1..,
            total: 1..,
            ..
        } => what == "building the engine, once for this model",
        _ => false,
    }
}

fn is_sooner_on_cpu(reply: &Reply) -> bool {
    let Reply::Started {
        engine,
        note: Some(note),
        ..
    } = reply
    else {
        return false;
    };

    let said = [
        "the CPU needs some 1 s",
        "making the GPU ready for this model some ",
        "preparing this model does that ahead",
    ];

    engine == "CPU" && said.iter().all(|part| note.contains(part))
}

/// An engine that is being built ahead is built once, and does not delay clips that the CPU
/// finishes sooner.
#[test]
fn what_is_built_ahead_holds_up_no_clip_that_the_cpu_does_sooner() {
    let (Some(sandbox), Some(library)) = (machine(), real_library()) else {
        return;
    };

    let mut worker = worker(&sandbox, &[("SEXTET_TENSORRT", &library)]);
    worker.send(&prepare(1));
    worker.until(is_building);

    worker.separate(2, &sandbox.song("a.wav", 0.3));
    let replies = worker.end_of(2);
    assert!(
        replies.iter().any(is_sooner_on_cpu) && !done(&replies).1,
        "{replies:?}"
    );

    assert!(
        replies
            .iter()
            .all(|reply| reply.job() != Some(JobId(1)) || !reply.is_last()),
        "it was waited for: {replies:?}"
    );

    // The next clip does not wait either, though the CPU has the model by now.
    worker.separate(3, &sandbox.song("b.wav", 0.4));
    assert!(worker.end_of(3).iter().any(is_sooner_on_cpu));
    worker.send(&Request::Cancel { job: JobId(1) });
    worker.end_of(1);

    assert_eq!(worker.leave(), (vec![], Some(0)));
}

/// The command behaves likewise.
#[test]
fn a_song_that_the_cpu_does_sooner_does_not_wait_for_the_gpu() {
    let (Some(sandbox), Some(library)) = (machine(), real_library()) else {
        return;
    };

    let song = sandbox.song("a.wav", 0.3);
    let separate = |more: &[&str]| {
        let mut sextet = Command::new(assert_cmd::cargo::cargo_bin!("sextet"));
        sextet
            .args(["separate", "--json", "-m"])
            .arg(tiny_model())
            .args(more)
            .arg(&song);

        sextet
            .envs(super::client::environment(&sandbox))
            .current_dir(sandbox.path(""));
        on_machine(&mut sextet, &sandbox, &[("SEXTET_TENSORRT", &library)]);
        let text = stdout(&mut assert_cmd::Command::from(sextet));

        let start: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        (
            start["engine"].as_str().unwrap().to_owned(),
            start["engine_note"].clone(),
        )
    };

    let (engine, note) = separate(&[]);
    let note = note.as_str().unwrap().to_owned();

    assert_eq!(engine, "CPU");
    let ahead = format!(
        "`sextet engine build {}` does that ahead",
        tiny_model().display()
    );

    assert!(
        note.starts_with("the CPU needs some 1 s, and ") && note.ends_with(&ahead),
        "{note}"
    );
    assert!(
        sandbox.files("cache/engines").is_empty(),
        "nothing was built"
    );
    assert_eq!(
        separate(&["--engine", "cpu"]),
        ("CPU".to_owned(), serde_json::Value::Null)
    );
}

mod from_a_host {
    use sextet_protocol::worker::Stage;

    use super::*;
    use crate::hub::{Fault, Hub};

    /// Returns a host with `bytes` as this system's wheel.
    fn host(bytes: &[u8]) -> Hub {
        let text = include_str!("../../../src/setup/wheels.toml");
        let paths = text
            .lines()
            .filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"'));
        let arch = std::env::consts::ARCH;
        let path = paths
            .into_iter()
            .find(|path| path.contains("linux") && path.contains(arch))
            .unwrap();

        Hub::of([(path.rsplit('/').next().unwrap(), bytes)])
    }

    fn set_up(worker: &mut Worker, job: u64) {
        worker.send(&Request::SetUpGpu {
            job: JobId(job),
            from: None,
        });
    }

    /// Waits until at least `bytes` bytes have arrived.
    fn until_there(worker: &mut Worker, bytes: u64) {
        worker.until(|reply| matches!(reply, Reply::Progress { stage: Stage::Fetching, done, .. } if *done >= bytes));
    }

    #[test]
    fn what_was_cut_off_is_gone_on_with_by_the_next_worker_until_the_gpu_is_ready() {
        let (Some(sandbox), Some(wheel)) = (machine(), real_wheel()) else {
            return;
        };

        let host = host(&fs::read(wheel).unwrap());
        let endpoint = host.endpoint();
        let variables = [("SEXTET_PYPI", endpoint.as_str())];

        host.fail(Fault::Cut {
            after: 30_000_000,
            times: usize::MAX,
        });
        let mut first = worker(&sandbox, &variables);
        set_up(&mut first, 1);
        until_there(&mut first, 1);
        first.send(&Request::Cancel { job: JobId(1) });

        assert!(matches!(
            first.end_of(1).last(),
            Some(Reply::Cancelled { .. })
        ));
        assert_eq!(first.leave(), (vec![], Some(0)));
        assert!(!sandbox.path(OWN).exists());

        host.fail(Fault::Nothing);
        host.asked();

        let mut second = worker(&sandbox, &variables);
        set_up(&mut second, 1);
        let replies = second.end_of(1);
        let Some(Reply::GpuSetUp { gpu, .. }) = replies.last() else {
            panic!("{replies:?}")
        };

        assert_eq!(gpu.state, GpuState::Ready, "{gpu:?}");
        let asked = host.asked();
        assert!(
            asked.len() == 1 && asked[0] > 0,
            "it goes on where it stopped: {asked:?}"
        );

        let fetching = replies.iter().filter_map(|reply| match reply {
            Reply::Progress {
                stage: Stage::Fetching,
                done,
                total,
                ..
            } => Some((*done, *total)),
            _ => None,
        });

        let fetching: Vec<_> = fetching.collect();
        assert!(
            fetching.is_sorted() && fetching.iter().all(|&(done, total)| done <= total),
            "{fetching:?}"
        );
        assert_eq!(
            fetching
                .last()
                .map(|&(done, total)| (done == total, total > 50_000_000)),
            Some((true, true))
        );

        assert!(replies.iter().any(|reply| matches!(
            reply,
            Reply::Progress {
                stage: Stage::Installing,
                total: 1,
                ..
            }
        )));

        assert!(
            sandbox
                .files("data")
                .iter()
                .all(|file| file.starts_with("tensorrt/")),
            "{:?}",
            sandbox.files("data")
        );
    }

    #[test]
    fn what_a_host_serves_wrongly_is_thrown_away() {
        let Some(sandbox) = machine() else { return };

        let host = host(&[7; 100_000]);
        let mut worker = worker(&sandbox, &[("SEXTET_PYPI", &host.endpoint())]);
        for job in 1..=2 {
            set_up(&mut worker, job);
            let replies = worker.end_of(job);
            let Some(Reply::Failed {
                kind: FailKind::Network,
                message,
                ..
            }) = replies.last()
            else {
                panic!("{replies:?}")
            };

            assert!(message.contains("SHA-256"), "{message}");
            assert_eq!((host.asked(), sandbox.files("data")), (vec![0], vec![]));
        }

        assert_eq!(inspect(&mut worker, 3).state, GpuState::ToBeSetUp);
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_said_so() {
        let Some(sandbox) = machine() else { return };

        let host = host(&[7; 100_000]);
        sandbox.file("data", b"a file");

        let mut worker = worker(&sandbox, &[("SEXTET_PYPI", &host.endpoint())]);
        set_up(&mut worker, 1);

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
            message.contains("data") && !remedy.is_empty(),
            "{message} {remedy}"
        );
    }
}
