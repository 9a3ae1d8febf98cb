//! The command on particular machines: GPUs that it may use, number of threads, and users without a
//! home.

use assert_cmd::Command;
#[cfg(unix)]
use sextet_cases::each_case;

#[cfg(unix)]
use crate::sandbox::tiny_model;
use crate::sandbox::{Sandbox, stdout};

/// Returns the path of the program `name`, if this system has it.
fn program(name: &str) -> Option<std::path::PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

#[test]
fn the_cpu_engine_has_no_more_threads_than_the_process_may_use() {
    let Some(taskset) = program("taskset") else {
        return println!("left out: this system has no taskset");
    };

    let sandbox = Sandbox::new();
    let mut command = Command::new(taskset);
    command
        .args(["-c", "0"])
        .arg(assert_cmd::cargo::cargo_bin!("sextet"))
        .args(["doctor", "--json"]);

    command
        .env("SEXTET_CACHE", sandbox.path("cache"))
        .env("SEXTET_DATA", sandbox.path("data"));
    let found: serde_json::Value = serde_json::from_str(&stdout(&mut command)).unwrap();
    assert_eq!(found["threads"], 1);
    assert_eq!(
        found["engines"][0]["about"],
        "needs nothing; computes on 1 thread"
    );
}

/// Group of processes that may take one processor's time, as a container with such a quota is.
#[cfg(target_os = "linux")]
struct Quota(std::path::PathBuf);

#[cfg(target_os = "linux")]
impl Quota {
    /// Makes a group by version 2 of the kernel's interface or by version 1, where that is allowed.
    fn of_one_processor() -> Option<Self> {
        let interfaces = [
            ("/sys/fs/cgroup", "cpu.max", "100000 100000"),
            ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "100000"),
        ];
        interfaces.into_iter().find_map(|(folder, file, quota)| {
            let name = format!("sextet-test-{}", std::process::id());
            let group = std::path::Path::new(folder).join(name);
            std::fs::create_dir(&group).ok()?;
            let group = Self(group);

            // The kernel makes the file. Where it did not, there is no such interface.
            let file = std::fs::OpenOptions::new()
                .write(true)
                .open(group.0.join(file));
            std::io::Write::write_all(&mut file.ok()?, quota.as_bytes()).ok()?;
            Some(group)
        })
    }
}

#[cfg(target_os = "linux")]
impl Drop for Quota {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_cpu_engine_has_no_more_threads_than_the_containers_quota() {
    let Some(quota) = Quota::of_one_processor() else {
        return println!("left out: groups with a quota cannot be made here");
    };

    let sandbox = Sandbox::new();
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "echo $$ >\"$1/cgroup.procs\" && shift && exec \"$@\"",
            "sh",
        ])
        .arg(&quota.0)
        .arg(assert_cmd::cargo::cargo_bin!("sextet"))
        .args(["doctor", "--json"])
        .env("SEXTET_CACHE", sandbox.path("cache"))
        .env("SEXTET_DATA", sandbox.path("data"));

    let found: serde_json::Value = serde_json::from_str(&stdout(&mut command)).unwrap();
    assert_eq!(found["threads"], 1);
    assert_eq!(
        found["engines"][0]["about"],
        "needs nothing; computes on 1 thread"
    );
    println!("as in {}", quota.0.display());
}

#[cfg(unix)]
#[test]
fn a_user_without_a_home_can_separate_and_finds_no_engine_cache_missing() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;

    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.2);
    std::fs::copy(tiny_model(), sandbox.path("tiny.safetensors")).unwrap();

    let folder = sandbox.path("");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let program = assert_cmd::cargo::cargo_bin!("sextet");

    // The system knows the home of every known user. Root can become a user that the system does
    // not know.
    let is_root = std::fs::metadata(&folder).unwrap().uid() == 0;
    each_case(["cpu", "auto"], |engine| {
        let mut command = std::process::Command::new(program);
        command.args([
            "separate",
            "song.wav",
            "-m",
            "tiny.safetensors",
            "--threads",
            "1",
            "--engine",
            engine,
            "-o",
        ]);

        command
            .arg(format!("stems-{engine}"))
            .env_clear()
            .current_dir(&folder);
        if is_root {
            command.uid(54_321).gid(54_321);
        }

        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{engine}: {}",
            String::from_utf8_lossy(&output.stderr)
        );

        assert!(!sandbox.files(&format!("stems-{engine}")).is_empty());
    });

    println!(
        "2 engines tried{}",
        if is_root {
            ", as a user that the system does not know"
        } else {
            ""
        }
    );
}

#[cfg(all(feature = "tensorrt", target_os = "linux"))]
mod gpus {
    use std::path::Path;

    use super::*;
    use crate::sandbox::stderr;

    /// Returns `sextet separate` on a machine that shows two GPUs; `None` without a C compiler to
    /// make them.
    fn with_two_gpus(sandbox: &Sandbox, arguments: &[&str]) -> Option<Command> {
        let library = sandbox.path("driver/libcuda.so.1");
        if !library.is_file() {
            sandbox.file("driver/keep", b"");
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/two_gpus.c");

            let mut cc = std::process::Command::new(program("cc")?);
            assert!(
                cc.args(["-shared", "-fPIC", "-o"])
                    .arg(&library)
                    .arg(source)
                    .status()
                    .unwrap()
                    .success()
            );
        }

        let mut command = sandbox.separate(&["song.wav"]);
        command
            .args(arguments)
            .env("LD_LIBRARY_PATH", sandbox.path("driver"));
        command
            .env("SEXTET_CACHE", sandbox.path("cache"))
            .env("SEXTET_DATA", sandbox.path("data"));

        command.env("SEXTET_CONFIG", sandbox.path("config.toml"));
        command
            .env_remove("SEXTET_GPU")
            .env_remove("CUDA_VISIBLE_DEVICES");
        Some(command)
    }

    #[test]
    fn a_gpu_that_is_not_there_is_told_by_what_is() {
        let sandbox = Sandbox::new();
        sandbox.song("song.wav", 0.2);
        let none = "there is no GPU 3: this machine has 2: 0 NVIDIA A, 1 NVIDIA B\nhelp: choose one of 0 NVIDIA A";
        let (no, gpu, seen) = (None, "SEXTET_GPU", "CUDA_VISIBLE_DEVICES");

        let hidden = "hides every GPU\nhelp: unset CUDA_VISIBLE_DEVICES, or use `--engine cpu`";
        #[allow(clippy::type_complexity, reason = "a table")]
        let cases: [(&[&str], Option<(&str, &str)>, i32, &str); 13] = [
            (&["--gpu", "3"], no, 2, none),
            (&["--gpu", "3", "--engine", "tensorrt"], no, 2, none),
            (&[], Some((gpu, "3")), 2, none),
            (&["--gpu", "0,3"], no, 2, none),
            (&[], Some((gpu, "1,3")), 2, none),
            (
                &["--gpu", "0,one"],
                no,
                2,
                "expected a number such as 0, several such as 0,1, or `all`",
            ),
            (
                &["--gpu", "all", "--engine", "tensorrt"],
                no,
                4,
                "the GPU failed to open the GPU",
            ),
            (
                &["--gpu", "0,1", "--engine", "tensorrt"],
                Some((seen, "0")),
                2,
                "has 1: 0 NVIDIA A\n",
            ),
            (
                &[],
                Some((gpu, "one")),
                2,
                "SEXTET_GPU is 'one', which is not the number of a GPU\nhelp: set it to 0",
            ),
            (
                &["--gpu", "1", "--engine", "tensorrt"],
                Some((gpu, "3")),
                4,
                "the GPU failed to open the GPU",
            ),
            (&["--engine", "tensorrt"], Some((seen, "")), 4, hidden),
            (&["--engine", "tensorrt"], Some((seen, "none")), 4, hidden),
            (
                &["--gpu", "1", "--engine", "tensorrt"],
                Some((seen, "0")),
                2,
                "has 1: 0 NVIDIA A\n",
            ),
        ];

        for (arguments, variable, code, said) in &cases {
            let Some(mut command) = with_two_gpus(&sandbox, arguments) else {
                return println!("left out: there is no C compiler here");
            };
            command.envs(*variable);
            let text = stderr(&mut command, *code);
            assert!(text.contains(said), "{arguments:?} {variable:?}: {text}");
        }

        sandbox.file("config.toml", b"[gpu]\nnumber = 5\n");
        let text = stderr(
            &mut with_two_gpus(&sandbox, &["--engine", "tensorrt"]).unwrap(),
            4,
        );

        assert!(
            text.contains("there is no GPU 5: this machine has 2: 0 NVIDIA A, 1 NVIDIA B"),
            "{text}"
        );
        stdout(&mut with_two_gpus(&sandbox, &["--gpu", "3", "--engine", "cpu"]).unwrap());
        println!("{} ways to name a GPU tried", cases.len() + 2);
    }

    /// With several GPUs to choose from, unusable ones are reported, and the CPU substitutes for
    /// all.
    #[test]
    fn gpus_that_cannot_be_used_are_left_out() {
        let sandbox = Sandbox::new();
        sandbox.song("song.wav", 0.2);
        sandbox.song("other.wav", 0.3);
        let Some(mut command) = with_two_gpus(&sandbox, &["other.wav", "--gpu", "all", "--json"])
        else {
            return;
        };

        let text = stdout(&mut command);
        let left_out = "\"message\":\"GPU 0 is left out: the GPU failed to open the GPU";

        assert_eq!(text.matches("is left out").count(), 1, "{text}");
        assert!(text.contains(left_out), "{text}");
        assert_eq!(
            text.matches("\"engine\":\"CPU\",\"gpu\":null").count(),
            5,
            "{text}"
        );

        // One song has one engine.
        let text = stdout(&mut with_two_gpus(&sandbox, &["--gpu", "all", "--json"]).unwrap());
        assert!(!text.contains("is left out"), "{text}");
    }
}
