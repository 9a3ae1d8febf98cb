//! `sextet engine`, `sextet setup tensorrt` and the configuration on a machine without a GPU: with
//! NVIDIA's real library in a build that has TensorRT, and in a build without it.

use assert_cmd::Command;
use sextet_cases::each_case;

use crate::sandbox::{Sandbox, stderr};

/// Returns `sextet` with folders and a configuration of this sandbox alone.
fn sextet(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = sandbox.sextet(arguments);
    command
        .env("SEXTET_CACHE", sandbox.path("cache"))
        .env("SEXTET_DATA", sandbox.path("data"));
    command
        .env("SEXTET_CONFIG", sandbox.path("config.toml"))
        .env("NO_PROXY", "*");
    command
}

#[test]
fn a_configuration_that_is_wrong_is_refused_by_what_is_wrong() {
    let cases: [(&str, &[&str]); 6] = [
        ("[gpu]\nbach = 4\n", &["bach", "batch"]),
        ("[tensor]\n", &["tensor", "tensorrt"]),
        ("[gpu]\nbatch = 0\n", &["a batch of 0", "expected 1 to 64"]),
        (
            "[gpu]\nbatch = 65\n",
            &["a batch of 65", "expected 1 to 64"],
        ),
        ("[gpu]\nnumber = -1\n", &["-1"]),
        ("[tensorrt\n", &["is not understood"]),
    ];

    let sandbox = Sandbox::new();
    sandbox.song("song.wav", 0.2);

    each_case(&cases, |(text, named)| {
        sandbox.file("config.toml", text.as_bytes());
        let mut command = sextet(&sandbox, &["separate", "song.wav"]);

        let said = stderr(&mut command, 2);
        assert!(
            said.contains("config.toml'") && said.contains("\nhelp: see docs/command.md"),
            "{said}"
        );

        for part in *named {
            assert!(said.contains(part), "'{said}' does not name '{part}'");
        }

        assert!(sandbox.files("stems").is_empty());
    });

    println!("{} configurations tried", cases.len());
}

#[cfg(not(feature = "tensorrt"))]
#[test]
fn a_build_without_tensorrt_says_so() {
    let sandbox = Sandbox::new();
    let cases: [&[&str]; 6] = [
        &["engine", "build"],
        &["engine", "list"],
        &["engine", "clear"],
        &["engine", "check", "--engine", "tensorrt", "song.wav"],
        &["engine", "bench", "--engine", "tensorrt"],
        &["setup", "tensorrt"],
    ];

    each_case(&cases, |arguments| {
        let said = stderr(&mut sextet(&sandbox, arguments), 4);
        assert!(
            said.contains("error: the engine tensorrt is not part of this build"),
            "{arguments:?}: {said}"
        );
        assert!(
            said.contains("\nhelp: build with `--features tensorrt`"),
            "{arguments:?}: {said}"
        );
    });

    let text = crate::sandbox::stdout(&mut sextet(&sandbox, &["doctor"]));
    assert!(
        text.contains("engine      tensorrt      not part of this build"),
        "{text}"
    );
    assert!(sandbox.files("").is_empty(), "{:?}", sandbox.files(""));
    println!("{} commands tried", cases.len());
}

#[cfg(feature = "tensorrt")]
mod with_tensorrt {
    use std::path::Path;

    use serde::Deserialize;
    use sextet_separator::gpu::Gpu;
    use sextet_separator::tensorrt::NEEDS;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::hub::{Fault, Hub};
    use crate::sandbox::{stdout, tiny_model};

    /// Returns `sextet` with NVIDIA's library.
    fn with_library(sandbox: &Sandbox, arguments: &[&str]) -> Command {
        let set = std::env::var_os("SEXTET_TENSORRT").is_some();
        assert!(
            set,
            "SEXTET_TENSORRT is not set: it names the folder of TensorRT's libraries; see `cargo xtask check`"
        );
        sextet(sandbox, arguments)
    }

    /// Returns `sextet engine build` of the tiny model.
    fn build(sandbox: &Sandbox, arguments: &[&str]) -> Command {
        let mut command = with_library(sandbox, &["engine", "build"]);
        command.arg(tiny_model()).args(arguments);
        command
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        path: String,
        bytes: u64,
        current: bool,
        made_for: Option<MadeFor>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct MadeFor {
        kind: String,
        model: String,
        graph: u64,
        precision: String,
        batch: usize,
        tensorrt: String,
        targets: Vec<String>,
        workspace_bytes: Option<usize>,
        tf32: bool,
        platform: String,
    }

    fn list(sandbox: &Sandbox) -> Vec<Entry> {
        serde_json::from_str(&stdout(&mut sextet(sandbox, &["engine", "list", "--json"]))).unwrap()
    }

    #[test]
    fn an_engine_is_built_listed_and_cleared() {
        let sandbox = Sandbox::new();
        assert!(
            stdout(&mut sextet(&sandbox, &["engine", "list"]))
                .contains("no engine has been built in ")
        );
        assert!(list(&sandbox).is_empty());
        let said = stdout(&mut build(
            &sandbox,
            &["--for", "sm86", "--batch", "1", "-o", "an engine"],
        ));

        assert!(
            said.starts_with("built: ") && said.contains("1 engines in "),
            "{said}"
        );
        let again = stdout(&mut build(&sandbox, &["--for", "SM_86", "--batch", "1"]));
        assert!(again.starts_with("was there: "), "{again}");

        let said = stderr(
            &mut build(
                &sandbox,
                &["--for", "sm86", "--batch", "1", "-o", "no/folder/engine"],
            ),
            1,
        );

        assert!(
            said.contains("cannot write 'no/folder/engine'") && sandbox.files("no").is_empty(),
            "{said}"
        );
        let [entry] = <[_; 1]>::try_from(list(&sandbox)).unwrap();

        let bytes = std::fs::read(&entry.path).unwrap();
        assert!(
            bytes == std::fs::read(sandbox.path("an engine")).unwrap()
                && bytes.len() as u64 == entry.bytes
        );

        let made = entry.made_for.unwrap();
        assert_eq!(
            (made.kind.as_str(), made.precision.as_str(), made.batch),
            ("plan", "f16", 1)
        );
        assert!(made.tf32, "nothing forbids it");
        assert_eq!(
            (made.targets, made.workspace_bytes, made.tensorrt.as_str()),
            (vec!["sm86".to_owned()], None, "1.6.1")
        );

        assert!(entry.current && made.graph > 0 && made.platform.contains(std::env::consts::OS));
        let model = hex::encode(Sha256::digest(std::fs::read(tiny_model()).unwrap()));

        assert_eq!(made.model, model);
        let line = stdout(&mut sextet(&sandbox, &["engine", "list"]));
        let said = format!(
            "{}  model {}  f16  batch 1  for sm86  ",
            entry.path,
            &model[..8]
        );

        assert!(
            line.starts_with(&said) && !line.contains("not used"),
            "{line}"
        );

        std::fs::write(&entry.path, b"no engine any more").unwrap();
        assert!(stdout(&mut sextet(&sandbox, &["engine", "list"])).contains("not used"));
        let [entry] = <[_; 1]>::try_from(list(&sandbox)).unwrap();

        assert!(!entry.current && entry.made_for.is_none(), "{entry:?}");

        assert!(stdout(&mut sextet(&sandbox, &["engine", "clear"])).contains(" MB freed in "));
        assert!(list(&sandbox).is_empty() && sandbox.files("cache/engines").is_empty());
        assert!(sandbox.path("an engine").is_file());
    }

    #[test]
    fn the_configuration_names_cache_and_batch() {
        let sandbox = Sandbox::new();
        sandbox.file(
            "config.toml",
            b"[gpu]\nbatch = 2\n[tensorrt]\ncache = 'elsewhere'\n",
        );
        build(
            &sandbox,
            &["--for", "sm86", "--quiet", "--workspace", "1.5"],
        )
        .assert()
        .success()
        .stdout("")
        .stderr("");

        let [entry] = <[_; 1]>::try_from(list(&sandbox)).unwrap();
        let made = entry.made_for.unwrap();
        assert_eq!((made.batch, made.workspace_bytes), (2, Some(1_500_000_000)));
        assert!(sandbox.files("cache").is_empty() && !sandbox.files("elsewhere").is_empty());
    }

    #[test]
    fn what_cannot_be_built_is_refused_before_anything_is_done() {
        let sandbox = Sandbox::new();
        let cases: [(&[&str], i32, &[&str]); 9] = [
            (
                &["--for", "sm99"],
                2,
                &["'sm99'", "sm75, sm80, sm86, sm89, sm120, sm121", "all"],
            ),
            (&["--for", "sm86,"], 2, &["''", "sm75"]),
            (&["--for", "turing"], 2, &["'turing'", "sm75"]),
            (
                &["--workspace", "0"],
                2,
                &["--workspace", "above 0", "not 0"],
            ),
            (&["--workspace=-1"], 2, &["not -1"]),
            (&["--workspace", "nan"], 2, &["not NaN"]),
            (&["--batch", "0"], 2, &["0 is not in 1..=64"]),
            (&["--batch", "65"], 2, &["65 is not in 1..=64"]),
            (
                &["--for", "sm86,sm89", "-o", "one"],
                2,
                &["one file cannot take 2 engines", "--for all"],
            ),
        ];

        each_case(&cases, |(arguments, code, named)| {
            let said = stderr(&mut build(&sandbox, arguments), *code);
            for part in *named {
                assert!(
                    said.contains(part),
                    "{arguments:?}: '{said}' does not name '{part}'"
                );
            }
        });

        stderr(
            sextet(&sandbox, &["engine", "build", "nothing.safetensors"])
                .env("SEXTET_TENSORRT", "nowhere"),
            3,
        );

        assert!(sandbox.files("").is_empty(), "{:?}", sandbox.files(""));
        println!("{} command lines refused", cases.len() + 1);
    }

    #[test]
    fn without_a_driver_the_commands_that_need_a_gpu_say_what_to_do() {
        if Gpu::open(0, &NEEDS).is_ok() {
            return println!("left out: there is a GPU here");
        }

        let sandbox = Sandbox::new();
        sandbox.song("song.wav", 0.2);

        let model = tiny_model().to_str().unwrap();
        let cases: [&[&str]; 7] = [
            &["engine", "check", "song.wav", "-m", model],
            &[
                "engine", "check", "song.wav", "-m", model, "--engine", "tensorrt",
            ],
            &[
                "engine",
                "check",
                "song.wav",
                "-m",
                model,
                "--against",
                "fp32",
                "--json",
            ],
            &["engine", "bench", "-m", model],
            &["engine", "bench", "-m", model, "--engine", "tensorrt"],
            &[
                "engine", "bench", "-m", model, "--batch", "1", "--layers", "--json",
            ],
            &["separate", "song.wav", "-m", model, "--engine", "tensorrt"],
        ];

        each_case(&cases, |arguments| {
            let said = stderr(&mut with_library(&sandbox, arguments), 4);
            assert!(
                said.contains("NVIDIA")
                    && said.contains("\nhelp: ")
                    && said.contains("--engine cpu"),
                "{said}"
            );
        });

        assert!(sandbox.files("stems").is_empty() && sandbox.files("cache").is_empty());
        println!("{} commands tried", cases.len());
    }

    #[test]
    fn without_the_library_the_user_is_sent_to_setup() {
        let sandbox = Sandbox::new();
        sandbox.file("junk/libtensorrt_rtx.so.1", b"not a library");

        let cases = [("nowhere", "was not found"), ("junk", "cannot be loaded")];
        for (folder, said) in cases.iter().filter(|_| cfg!(target_os = "linux")) {
            let text = stderr(build(&sandbox, &[]).env("SEXTET_TENSORRT", folder), 4);
            assert!(
                text.contains("libtensorrt_rtx.so.1") && text.contains(said),
                "{text}"
            );
            assert!(
                text.contains("\nhelp: run `sextet setup tensorrt`, or use `--engine cpu`"),
                "{text}"
            );
        }

        assert!(sandbox.files("cache").is_empty());
    }

    #[test]
    fn a_library_that_is_cut_is_found_before_it_is_loaded() {
        let sandbox = Sandbox::new();
        let library = std::env::var("SEXTET_TENSORRT").unwrap();
        for file in std::fs::read_dir(library)
            .unwrap()
            .map(|entry| entry.unwrap())
        {
            sandbox.file("cut/keep", b"");
            std::fs::copy(file.path(), sandbox.path("cut").join(file.file_name())).unwrap();
        }
        let path = sandbox.path("cut/libtensorrt_rtx.so.1");
        if !path.is_file() {
            return println!("left out: the library has another name on this system");
        }

        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();

        let text = stderr(build(&sandbox, &[]).env("SEXTET_TENSORRT", "cut"), 4);
        assert!(
            text.contains("libtensorrt_rtx.so.1' is damaged: it has "),
            "{text}"
        );
        assert!(
            text.contains("\nhelp: run `sextet setup tensorrt`, or use `--engine cpu`"),
            "{text}"
        );

        let text = stdout(sextet(&sandbox, &["doctor"]).env("SEXTET_TENSORRT", "cut"));
        assert!(text.contains("libtensorrt_rtx.so.1' is damaged"), "{text}");
    }

    #[test]
    fn the_doctor_names_engine_and_library() {
        let sandbox = Sandbox::new();
        let text = stdout(&mut with_library(&sandbox, &["doctor"]));

        let library = std::env::var("SEXTET_TENSORRT").unwrap();
        assert!(
            text.lines()
                .any(|line| line.starts_with("tensorrt    ") && line.contains(&library)),
            "{text}"
        );

        let engine = text
            .lines()
            .find(|line| line.starts_with("engine      tensorrt"))
            .unwrap();
        match Gpu::open(0, &NEEDS) {
            Ok(gpu) => {
                assert!(
                    engine.contains("ready: TensorRT-RTX 1.6.1 on ") && engine.contains(&gpu.name),
                    "{engine}"
                )
            }
            Err(missing) => {
                assert!(
                    engine.contains("cannot run here: ") && engine.contains(&missing.to_string()),
                    "{engine}"
                )
            }
        }
    }

    /// Content that a host serves in these tests instead of the library's wheel.
    static WHEEL: [u8; 1_000_000] = [7; 1_000_000];

    fn setup(sandbox: &Sandbox, host: &str, arguments: &[&str]) -> Command {
        let mut command = sextet(sandbox, &["setup", "tensorrt"]);
        command.args(arguments).env("SEXTET_PYPI", host);
        command
    }

    /// Returns a host with `bytes` as this system's wheel, under the name in the catalogue, which
    /// the command itself reads.
    fn host(bytes: &[u8]) -> Hub {
        #[derive(Deserialize)]
        struct Catalogue {
            wheel: Vec<Listed>,
        }
        #[derive(Deserialize)]
        struct Listed {
            os: String,
            arch: String,
            path: String,
        }

        let catalogue: Catalogue =
            toml::from_str(include_str!("../../src/setup/wheels.toml")).unwrap();
        let here = |wheel: &&Listed| {
            wheel.os == std::env::consts::OS && wheel.arch == std::env::consts::ARCH
        };

        let path = &catalogue.wheel.iter().find(here).unwrap().path;
        Hub::of([(path.rsplit('/').next().unwrap(), bytes)])
    }

    fn sha256(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    #[test]
    fn a_wheel_that_is_another_is_refused_and_nothing_is_left() {
        let sandbox = Sandbox::new();
        sandbox.file("other.whl", b"something else");
        let said = stderr(
            &mut setup(&sandbox, "http://127.0.0.1:1", &["--from", "other.whl"]),
            1,
        );

        let found = sha256(b"something else");
        assert!(said.contains("'other.whl' is not tensorrt_rtx"), "{said}");
        assert!(
            said.contains(&format!("SHA-256 {found}, expected ")) && said.contains("\nhelp: "),
            "{said}"
        );

        let said = stderr(
            &mut setup(&sandbox, "http://127.0.0.1:1", &["--from", "none.whl"]),
            1,
        );
        assert!(said.contains("cannot read 'none.whl'"), "{said}");
        assert_eq!(sandbox.files("data"), Vec::<String>::new());
        assert!(sandbox.path("other.whl").is_file());
    }

    #[test]
    fn what_a_host_serves_wrongly_is_thrown_away_and_fetched_anew() {
        let (sandbox, host) = (Sandbox::new(), host(&WHEEL));
        for _ in 0..2 {
            let said = stderr(&mut setup(&sandbox, &host.endpoint(), &[]), 5);
            assert!(
                said.contains("proprietary")
                    && said.contains(&sha256(&WHEEL))
                    && said.contains("expected "),
                "{said}"
            );
            assert_eq!(sandbox.files("data"), Vec::<String>::new());
            assert_eq!(host.asked(), [0], "from the start each time");
        }
    }

    #[test]
    fn a_connection_that_is_cut_is_taken_up_where_it_stopped() {
        let (sandbox, host) = (Sandbox::new(), host(&WHEEL));
        host.fail(Fault::Cut {
            after: 300_000,
            times: 2,
        });
        let said = stderr(&mut setup(&sandbox, &host.endpoint(), &["--quiet"]), 5);

        assert_eq!(host.asked(), [0, 300_000, 600_000]);
        assert!(
            said.contains(&format!("SHA-256 {}", sha256(&WHEEL))),
            "put together as it was: {said}"
        );
    }

    #[test]
    fn what_a_failed_run_has_fetched_is_kept_for_the_next() {
        let (sandbox, host) = (Sandbox::new(), host(&WHEEL));
        sandbox.file("data/keep", b"");

        let name = format!("{}.incomplete", host.names()[0]);
        sandbox.file(&format!("data/{name}"), &WHEEL[..400_000]);
        host.fail(Fault::Cut {
            after: 0,
            times: 99,
        });

        let said = stderr(&mut setup(&sandbox, &host.endpoint(), &["--quiet"]), 5);
        assert!(
            said.contains("cannot fetch from http://127.0.0.1")
                && said.contains("it goes on where it stopped"),
            "{said}"
        );

        assert_eq!(
            sandbox.files("data"),
            ["keep".to_owned(), name],
            "what is here stays"
        );

        assert_eq!(host.asked(), [400_000; 4]);
        host.fail(Fault::NoRanges);

        let said = stderr(&mut setup(&sandbox, &host.endpoint(), &["--quiet"]), 5);
        assert!(
            said.contains(&sha256(&WHEEL)),
            "a host without ranges begins again: {said}"
        );
        assert_eq!(sandbox.files("data"), ["keep"]);
    }

    #[test]
    fn a_host_that_lacks_the_wheel_or_is_down_is_said_so() {
        let (sandbox, empty) = (Sandbox::new(), Hub::of([]));
        let said = stderr(&mut setup(&sandbox, &empty.endpoint(), &["--quiet"]), 5);
        assert!(
            said.contains("404") && said.contains(&empty.endpoint()) && said.contains("\nhelp: "),
            "{said}"
        );

        empty.fail(Fault::Broken);
        assert!(stderr(&mut setup(&sandbox, &empty.endpoint(), &["--quiet"]), 5).contains("500"));

        let said = stderr(&mut setup(&sandbox, "http://127.0.0.1:1", &["--quiet"]), 5);
        assert!(
            said.contains("cannot fetch from http://127.0.0.1:1")
                && said.contains("\nhelp: check the network"),
            "{said}"
        );

        assert_eq!(sandbox.files("data"), Vec::<String>::new());
        sandbox.file("a file", b"");
        let said = stderr(
            setup(&sandbox, &empty.endpoint(), &[]).env("SEXTET_DATA", sandbox.path("a file/data")),
            1,
        );

        assert!(said.contains("cannot write below"), "{said}");
    }

    /// Covers the whole setup with the real wheel, which `SEXTET_TENSORRT_WHEEL` names; `cargo
    /// xtask check` sets it.
    #[test]
    fn the_real_wheel_is_fetched_verified_and_unpacked() {
        let Some(wheel) = std::env::var_os("SEXTET_TENSORRT_WHEEL") else {
            return println!("left out: SEXTET_TENSORRT_WHEEL names no wheel");
        };

        let (sandbox, bytes) = (Sandbox::new(), std::fs::read(Path::new(&wheel)).unwrap());
        let host = host(&bytes);
        host.fail(Fault::Cut {
            after: 60_000_000,
            times: 1,
        });

        let said = stdout(&mut setup(&sandbox, &host.endpoint(), &[]));
        assert!(
            said.contains("TensorRT-RTX 1.6.1.120 is in ") && said.contains("sextet doctor"),
            "{said}"
        );
        assert_eq!(host.asked(), [0, 60_000_000]);

        let files = sandbox.files("data");
        assert!(
            files.contains(&"tensorrt/LICENSE.txt".to_owned()),
            "{files:?}"
        );
        assert!(
            files.contains(&"tensorrt/sextet-libraries.json".to_owned()) && files.len() == 4,
            "{files:?}"
        );

        let text = stdout(sextet(&sandbox, &["doctor"]).env_remove("SEXTET_TENSORRT"));
        let found = sandbox
            .path("data/tensorrt/libtensorrt_rtx.so.1")
            .display()
            .to_string();

        assert!(
            !cfg!(target_os = "linux") || text.contains(&found),
            "{text}"
        );

        // The command looks for the library first, then for the driver.
        assert!(
            text.contains("ready: TensorRT-RTX 1.6.1")
                || text.contains("cannot run here: no NVIDIA"),
            "{text}"
        );
    }
}
