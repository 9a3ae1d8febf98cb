//! Tests of TensorRT with NVIDIA's real library, on any machine: plans are made without a GPU.
//!
//! `SEXTET_TENSORRT` names the folder of the library; `cargo xtask check` sets it. Tests that
//! depend on a fresh process (the loaded library, the holder of a lock, a killed process) run in a
//! process of their own: this test's executable, started again with `SEXTET_TENSORRT_CHILD` set.
#![cfg(feature = "tensorrt")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails is the test")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use safetensors::tensor::Dtype;
use serde_json::{Value as Json, json};
use sextet_cases::each_case;
use sextet_separator::gpu::Gpu;
use sextet_separator::tensorrt::{
    BuiltPlan, CacheEntry, Library, NEEDS, PlanCache, REQUIRED_VERSION, Target, TensorRtError,
    build,
};
use sextet_separator::{
    EngineChoice, EngineClass, EngineOptions, Error, ErrorKind, GpuOptions, Ignore, Listener,
    Model, Preparing, Remedy, Separator, engine_class,
};
use sextet_testing::checkpoint::Checkpoint;
use sextet_testing::small::{checkpoint, model, tiny};
use tempfile::TempDir;

/// Environment variable that names the folder of TensorRT's libraries.
const LIBRARY: &str = "SEXTET_TENSORRT";
/// Environment variable that makes this executable act as a second process. Its task depends on the
/// test.
const CHILD: &str = "SEXTET_TENSORRT_CHILD";
/// Line that a child prints when it has begun to build.
const BEGUN: &str = "the child builds";

fn library() -> PathBuf {
    let Some(folder) = std::env::var_os(LIBRARY) else {
        panic!(
            "{LIBRARY} is not set: it names the folder of TensorRT's libraries. Run `cargo xtask check`, which fetches \
             them, or `sextet setup tensorrt`, which says where it puts them"
        );
    };
    PathBuf::from(folder)
}

/// Creates a new cache and the options for making plans in it.
fn fresh() -> (TempDir, GpuOptions) {
    let folder = tempfile::tempdir().unwrap();
    let options = in_cache(&folder.path().join("engines"));
    (folder, options)
}

fn in_cache(cache: &Path) -> GpuOptions {
    let cache = Some(cache.to_owned());
    GpuOptions::new()
        .libraries(vec![library()])
        .cache(cache)
        .batch(Some(1))
}

/// Returns the quickest model for which TensorRT has to build anything.
fn quick() -> Model {
    model(&tiny(0.25), 5)
}

/// Builds a plan for one architecture only.
fn build_one(
    model: &Model,
    options: &GpuOptions,
    listener: &mut dyn Listener,
) -> Result<BuiltPlan, Error> {
    let targets = Target::list("sm86").unwrap();
    let [built] = <[_; 1]>::try_from(build(model, options, &targets, listener)?).unwrap();
    Ok(built)
}

/// Returns the names of all files in a cache except the locks, which stay: a removed lock no longer
/// excludes other processes.
fn files(options: &GpuOptions) -> Vec<String> {
    let listing = fs::read_dir(options.cache.as_ref().unwrap())
        .into_iter()
        .flatten();
    let names = listing.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.ends_with(".lock")).collect();
    names.sort();
    names
}

fn cause(error: &Error) -> &TensorRtError {
    error
        .cause()
        .unwrap_or_else(|| panic!("not an error of TensorRT: {error}"))
}

/// Returns the facts that a plan was made for.
fn facts_of(entry: &CacheEntry) -> serde_json::Value {
    serde_json::from_str(entry.made_for.as_deref().unwrap()).unwrap()
}

/// Listener that records the steps.
#[derive(Default)]
struct Recorder {
    steps: Vec<Preparing>,
    /// Sender that receives one message once the build has begun.
    begun: Option<Sender<()>>,
    /// Number of steps after which the build is cancelled.
    stop_after: Option<usize>,
}

impl Listener for Recorder {
    fn preparing(&mut self, step: Preparing) {
        if matches!(step, Preparing::Building { .. })
            && let Some(begun) = self.begun.take()
        {
            begun.send(()).unwrap();
        }
        self.steps.push(step);
    }

    fn cancelled(&self) -> bool {
        self.stop_after
            .is_some_and(|steps| self.steps.len() >= steps)
    }
}

/// Returns a command that starts this executable again, to run only `test` with the task `what`.
fn child(test: &str, what: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, what)
        .env(LIBRARY, library());
    command
}

/// Returns the task of this process, if another process of this test started it.
fn wanted() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

#[test]
fn real_models_are_built_and_the_second_time_taken_from_the_cache() {
    let bundled =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/sextet-mini.safetensors"))
            .unwrap();
    let cases = [
        ("bundled", Model::read(&bundled).unwrap()),
        ("official six-stem shape, drawn weights", official()),
    ];

    each_case(&cases, |(name, model)| {
        let (_folder, options) = fresh();
        let begin = Instant::now();
        let mut heard = Recorder::default();
        let built = build_one(model, &options, &mut heard).unwrap();
        let building_s = begin.elapsed().as_secs_f64();

        assert!(
            !built.cached && built.bytes > 1_000_000,
            "{name}: {built:?}"
        );
        let steps: Vec<(u32, u32)> = heard
            .steps
            .iter()
            .map(|step| match *step {
                Preparing::Building { done, total } => (done, total),
                ref other => panic!("{name}: {other:?}"),
            })
            .collect();

        assert!(
            steps.len() > 1 && steps.iter().all(|(done, total)| done <= total),
            "{name}: {steps:?}"
        );
        let begin = Instant::now();
        let mut heard = Recorder::default();

        let again = build_one(model, &options, &mut heard).unwrap();
        assert!(
            again.cached && again.path == built.path && again.bytes == built.bytes,
            "{name}: {again:?}"
        );
        assert_eq!(heard.steps, [], "{name}");
        let again_s = begin.elapsed().as_secs_f64();
        let [entry] =
            <[_; 1]>::try_from(PlanCache::new(options.cache.unwrap()).entries().unwrap()).unwrap();

        assert!(
            entry.current && facts_of(&entry)["targets"] == json!(["sm86"]),
            "{name}: {entry:?}"
        );
        let mb = built.bytes as f64 / 1e6;
        println!(
            "{name}: {mb:.0} MB in {building_s:.1} s, {} steps heard; again {again_s:.2} s",
            steps.len()
        );
    });

    println!("{} real models built", cases.len());
}

/// Returns a model of the official shape with the weights that the parity fixture draws.
fn official() -> Model {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/official-six-stems.json");
    let fixture: Json = serde_json::from_slice(&fs::read(fixture).unwrap()).unwrap();
    let tensors: Vec<(String, Vec<usize>)> =
        serde_json::from_value(fixture["tensors"].clone()).unwrap();
    Model::read(&Checkpoint::htdemucs(&fixture["kwargs"], &tensors, Dtype::F32, 3).bytes()).unwrap()
}

#[test]
fn what_is_asked_for_differently_is_built_differently() {
    let (_folder, options) = fresh();
    let quick = quick();
    let none = Vec::new();

    let two = Target::list("sm75,sm120").unwrap();
    let cases: [(&str, GpuOptions, &[Target], usize); 5] = [
        ("all architectures", options.clone(), &none, 1),
        ("two architectures", options.clone(), &two, 2),
        ("float32", options.clone().full_precision(true), &none, 1),
        ("two at a time", options.clone().batch(Some(2)), &none, 1),
        (
            "bounded workspace",
            options.clone().workspace_bytes(Some(1 << 30)),
            &none,
            1,
        ),
    ];

    let mut paths = Vec::new();
    each_case(&cases, |(name, options, targets, count)| {
        let built = build(&quick, options, targets, &mut Ignore).unwrap();
        assert!(
            built.len() == *count && built.iter().all(|built| !built.cached),
            "{name}: {built:?}"
        );
        paths.extend(built.into_iter().map(|built| built.path));
    });

    paths.sort();
    paths.dedup();

    assert_eq!(paths.len(), 6);
    let cache = PlanCache::new(options.cache.as_ref().unwrap());
    assert_eq!(cache.entries().unwrap().len(), 6);

    each_case([0, 65], |batch| {
        let options = options.clone().batch(Some(batch));
        let error = build(&quick, &options, &none, &mut Ignore).unwrap_err();
        assert!(error.to_string().contains("expected 1 to 64"), "{error}");
    });

    assert!(cache.clear().unwrap() > 0);
    assert_eq!(files(&options), Vec::<String>::new());
    println!("{} ways to ask tried", cases.len() + 2);
}

#[test]
fn a_plan_that_is_damaged_or_foreign_is_built_again() {
    let (_folder, options) = fresh();
    let quick = quick();
    let whole = build_one(&quick, &options, &mut Ignore).unwrap();
    let bytes = fs::read(&whole.path).unwrap();

    let other = build_one(&quick, &options.clone().batch(Some(2)), &mut Ignore).unwrap();

    let flipped = |place: usize| {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1;
        bytes
    };

    let cases = [
        ("empty", Vec::new()),
        ("cut to its header", bytes[..200].to_vec()),
        ("cut by a byte", bytes[..bytes.len() - 1].to_vec()),
        ("a bit of its header flipped", flipped(40)),
        ("a bit in the middle flipped", flipped(bytes.len() / 2)),
        ("its last bit flipped", flipped(bytes.len() - 1)),
        ("of another batch", fs::read(&other.path).unwrap()),
        (
            "something else",
            b"SEXTET1\n\xff\xff\xff\xff and no more".to_vec(),
        ),
    ];

    each_case(&cases, |(name, damaged)| {
        fs::write(&whole.path, damaged).unwrap();
        let again = build_one(&quick, &options, &mut Ignore).unwrap();
        assert!(
            !again.cached && again.path == whole.path,
            "{name}: {again:?}"
        );

        assert!(
            build_one(&quick, &options, &mut Ignore).unwrap().cached,
            "{name} was not replaced"
        );
    });

    assert!(
        build_one(&quick, &options.clone().batch(Some(2)), &mut Ignore)
            .unwrap()
            .cached
    );

    assert_eq!(files(&options).len(), 2, "{:?}", files(&options));
    println!("{} damaged plans tried", cases.len());
}

#[test]
fn of_two_threads_that_want_the_same_plan_one_builds_it() {
    let (_folder, options) = fresh();
    let quick = quick();
    let (begun, has_begun) = channel();

    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let mut heard = Recorder {
                begun: Some(begun),
                ..Recorder::default()
            };
            build_one(&quick, &options, &mut heard).unwrap()
        });

        has_begun.recv().unwrap();
        let mut heard = Recorder::default();
        let second = build_one(&quick, &options, &mut heard).unwrap();

        let first = first.join().unwrap();
        assert!(
            !first.cached && second.cached && first.path == second.path,
            "{first:?} {second:?}"
        );

        let steps = heard.steps;
        assert!(
            !steps.is_empty() && steps.iter().all(|step| *step == Preparing::Waiting),
            "{steps:?}"
        );
    });

    println!("1 pair of threads tried");
}

/// Builds in the child process of the next two tests, and prints a line when the build has begun.
fn build_as_a_child(folder: &Path) {
    let (begun, has_begun) = channel();
    let says = std::thread::spawn(move || has_begun.recv().map(|()| println!("\n{BEGUN}")));
    let mut heard = Recorder {
        begun: Some(begun),
        ..Recorder::default()
    };

    let model = Model::open(folder.join(CHECKPOINT)).unwrap();
    assert!(
        !build_one(&model, &in_cache(&folder.join("engines")), &mut heard)
            .unwrap()
            .cached
    );

    says.join().unwrap().unwrap();
}

/// File name of the model of a child and its parent. A plan is named after the file's bytes.
const CHECKPOINT: &str = "quick.safetensors";

/// Starts a child that builds in `folder`. Returns it once it has begun, with the model that it
/// builds.
fn child_that_builds(test: &str, folder: &Path) -> (Child, Model) {
    let bytes = checkpoint(&tiny(0.25), 5).bytes();
    fs::write(folder.join(CHECKPOINT), &bytes).unwrap();
    let mut child = child(test, folder.to_str().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();

    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(
        lines.map_while(Result::ok).any(|line| line == BEGUN),
        "the child never began"
    );
    (child, Model::read(&bytes).unwrap())
}

#[test]
fn of_two_processes_that_want_the_same_plan_one_builds_it() {
    if let Some(folder) = wanted() {
        return build_as_a_child(&folder);
    }

    let (folder, options) = fresh();
    let (mut first, model) = child_that_builds(
        "of_two_processes_that_want_the_same_plan_one_builds_it",
        folder.path(),
    );
    let mut heard = Recorder::default();
    let second = build_one(&model, &options, &mut heard).unwrap();

    assert!(first.wait().unwrap().success());
    assert!(
        second.cached && heard.steps.contains(&Preparing::Waiting),
        "{second:?} {:?}",
        heard.steps
    );

    println!("1 pair of processes tried");
}

#[test]
fn a_process_that_is_killed_while_it_builds_is_in_nobodys_way() {
    if let Some(folder) = wanted() {
        return build_as_a_child(&folder);
    }

    let (folder, options) = fresh();
    let (mut killed, model) = child_that_builds(
        "a_process_that_is_killed_while_it_builds_is_in_nobodys_way",
        folder.path(),
    );
    killed.kill().unwrap();
    killed.wait().unwrap();

    assert_eq!(files(&options), Vec::<String>::new());
    assert!(!build_one(&model, &options, &mut Ignore).unwrap().cached);
    println!("1 process killed");
}

#[test]
fn a_build_that_is_stopped_leaves_no_plan() {
    let (_folder, options) = fresh();
    let quick = quick();

    let stops = [1, 2];
    each_case(stops, |stop| {
        let mut heard = Recorder {
            stop_after: Some(stop),
            ..Recorder::default()
        };
        let error = build_one(&quick, &options, &mut heard).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "after {stop}: {error}");
        assert_eq!(files(&options), Vec::<String>::new(), "after {stop}");
    });

    assert!(!build_one(&quick, &options, &mut Ignore).unwrap().cached);
    println!("{} stops tried", stops.len());
}

#[test]
fn a_cache_that_cannot_be_written_is_said_so() {
    let (folder, options) = fresh();
    let quick = quick();

    // Use a file in place of a folder: permissions would not stop the superuser.
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let below_a_file = in_cache(&file.join("engines"));

    // A folder is in the place of the plan.
    let built = build_one(&quick, &options, &mut Ignore).unwrap();
    fs::remove_file(&built.path).unwrap();
    fs::create_dir_all(built.path.join("in the way")).unwrap();
    let cases = [
        ("below a file", below_a_file, "file"),
        ("a folder in the way", options.clone(), ".plan"),
    ];

    each_case(&cases, |(name, options, named)| {
        let error = build_one(&quick, options, &mut Ignore).unwrap_err();
        assert!(
            matches!(cause(&error), TensorRtError::Cache { .. }),
            "{name}: {error}"
        );

        let text = error.to_string();
        assert!(text.contains(named), "{name}: {text}");
        assert_eq!(
            error.remedies(),
            [Remedy::MakeRoom, Remedy::ChooseFolder],
            "{name}"
        );
    });

    assert_eq!(
        files(&options).len(),
        1,
        "nothing half-written: {:?}",
        files(&options)
    );

    println!("{} caches that cannot be written tried", cases.len());
}

#[cfg(target_os = "linux")]
/// Compiles a shared library that returns `number` from its version function `symbol`.
fn that_says(symbol: &str, number: i32, path: &Path) {
    let source = path.with_extension("c");
    fs::write(
        &source,
        format!("int {symbol}(void) {{ return {number}; }}\n"),
    )
    .unwrap();

    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([path, &source])
        .status()
        .unwrap();

    assert!(status.success());
}

#[cfg(target_os = "linux")]
/// Returns a shared library that this process uses and that is not TensorRT's.
fn some_library() -> PathBuf {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut paths = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5));
    PathBuf::from(paths.find(|path| path.contains("libgcc_s.so")).unwrap())
}

/// Tests wrong libraries in a process that has not loaded TensorRT: once loaded, it stays loaded.
#[cfg(target_os = "linux")]
#[test]
fn a_library_that_is_not_the_right_one_is_refused_by_name() {
    const RUNTIME: &str = "libtensorrt_rtx.so.1";
    const PARSER: &str = "libtensorrt_onnxparser_rtx.so.1";

    if wanted().is_none() {
        let test = "a_library_that_is_not_the_right_one_is_refused_by_name";
        let output = child(test, "libraries").output().unwrap();

        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );

        let said = text
            .lines()
            .find(|line| line.ends_with("libraries refused"))
            .unwrap();
        return println!("{said}");
    }

    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };

    let (empty, junk, other) = (place("empty"), place("junk"), place("other"));
    fs::write(junk.join(RUNTIME), b"not a library").unwrap();
    fs::copy(some_library(), other.join(RUNTIME)).unwrap();
    let (newer, alone, unlike) = (place("newer"), place("alone"), place("unlike"));

    that_says("getInferLibVersion", 10_700, &newer.join(RUNTIME));
    that_says("getNvOnnxParserVersion", 10_700, &newer.join(PARSER));
    that_says("getInferLibVersion", 10_601, &alone.join(RUNTIME));
    that_says("getInferLibVersion", 10_601, &unlike.join(RUNTIME));
    that_says("getNvOnnxParserVersion", 1, &unlike.join(PARSER));

    let cases: [(&Path, &str, &[&str]); 6] = [
        (&empty, "NoLibrary", &[RUNTIME, "was not found"]),
        (
            &junk,
            "Unloadable",
            &["junk/libtensorrt_rtx.so.1", "cannot be loaded"],
        ),
        (
            &other,
            "NotTensorRt",
            &["other/libtensorrt_rtx.so.1", "getInferLibVersion"],
        ),
        (
            &newer,
            "WrongVersion",
            &["newer/libtensorrt_rtx.so.1", "1.7.0", "1.6.1"],
        ),
        (&alone, "NoLibrary", &[PARSER, "was not found"]),
        (
            &unlike,
            "WrongVersion",
            &["unlike/libtensorrt_onnxparser_rtx.so.1", "0.0.1"],
        ),
    ];

    each_case(&cases, |(place, variant, named)| {
        let options = in_cache(&folder.path().join("cache")).libraries(vec![place.to_path_buf()]);
        let error = build_one(&quick(), &options, &mut Ignore).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Engine, "{error}");

        let found = format!("{:?}", cause(&error));
        assert_eq!(found.split([' ', '{']).next(), Some(*variant), "{error}");

        let remedies = error.remedies();
        assert!(remedies.contains(&Remedy::InstallTensorRt), "{remedies:?}");
        for part in *named {
            assert!(
                error.to_string().contains(part),
                "'{error}' does not name '{part}'"
            );
        }
        assert_eq!(
            error.remedies().first(),
            Some(&Remedy::InstallTensorRt),
            "{error}"
        );
    });

    // None of the wrong libraries prevents the right one from being found, behind a folder without
    // a library.
    let library = Library::load(&[empty.clone(), library()]).unwrap();
    assert_eq!(library.version, REQUIRED_VERSION);
    assert!(!folder.path().join("cache").exists());

    // The loaded library stays, and is no other one's stand-in.
    assert_eq!(
        Library::load(std::slice::from_ref(&empty)).unwrap().path,
        library.path
    );
    let error = Library::load(std::slice::from_ref(&alone)).unwrap_err();
    assert!(
        matches!(&error, TensorRtError::AlreadyLoaded { path, .. } if *path == library.path),
        "{error}"
    );
    println!("\n{} libraries refused", cases.len());
}

#[test]
fn without_a_driver_the_gpu_is_refused_and_auto_takes_the_cpu() {
    let (_folder, options) = fresh();
    let engine = |engine| EngineOptions::new().engine(engine).gpu(options.clone());

    let full = |engine| {
        EngineOptions::new()
            .engine(engine)
            .gpu(options.clone().full_precision(true))
    };

    assert_eq!(
        engine_class(&engine(EngineChoice::Cpu)).unwrap(),
        EngineClass::CpuF32
    );
    assert_eq!(
        engine_class(&full(EngineChoice::Cpu)).unwrap(),
        EngineClass::CpuF32
    );
    assert_eq!(
        engine_class(&engine(EngineChoice::TensorRt)).unwrap(),
        EngineClass::TensorRtF16
    );

    assert_eq!(
        engine_class(&full(EngineChoice::TensorRt)).unwrap(),
        EngineClass::TensorRtF32
    );
    let Err(missing) = Gpu::open(0, &NEEDS) else {
        assert!(!engine_class(&engine(EngineChoice::Auto)).unwrap().is_cpu());
        return println!("5 choices of engine tried; there is a GPU here, so none was refused");
    };

    assert_eq!(
        engine_class(&engine(EngineChoice::Auto)).unwrap(),
        EngineClass::CpuF32
    );
    let Err(error) = Separator::new(quick(), engine(EngineChoice::TensorRt)) else {
        panic!("not refused")
    };

    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Engine, missing.to_string())
    );
    assert!(error.remedies().contains(&Remedy::UseCpu), "{error}");

    let separator = Separator::new(quick(), engine(EngineChoice::Auto)).unwrap();
    assert!(
        separator.engine_name().starts_with("CPU"),
        "{}",
        separator.engine_name()
    );

    let note = separator.engine_note().unwrap();
    assert_eq!(note, missing.to_string(), "each reason once");
    assert_eq!(
        files(&options),
        Vec::<String>::new(),
        "nothing is built for a GPU that is not there"
    );

    println!("7 choices of engine tried");
}
