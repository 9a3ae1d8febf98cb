//! Tests of exported graphs with the ONNX project's checker and with ONNX Runtime, which has to
//! agree with the CPU engine.
//!
//! `onnx/check.py` runs the checks in the Python that `SEXTET_PYTHON` names.
//! `onnx/requirements.txt` lists its dependencies.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails is the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use safetensors::tensor::SafeTensors;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use sextet_cases::each_case;
use sextet_separator::audio::Audio;
use sextet_separator::model::{ExportOptions, Precision};
use sextet_separator::{EngineOptions, Ignore, InMemory, Model, Options, Separator};
use sextet_testing::draw::song;
use sextet_testing::in_halves;
use sextet_testing::small::{checkpoint, small, with};

/// Largest relative L2 error of any stem in float32. ONNX Runtime computes each mean in one sum, so
/// it is less exact than the CPU engine.
const BOUND_F32: f64 = 1e-3;
/// Largest error for float16 graphs: about twice the error measured with drawn weights.
const BOUND_F16: f64 = 3.2e-2;
/// Largest error for deep float16 graphs. Drawn weights are hard on a deep model: its error was
/// 5.3e-2.
const BOUND_F16_DEEP: f64 = 1e-1;
/// Largest difference of a segment between its places in a batch.
const BOUND_PLACE: f64 = 2e-5;
/// Operator set of exported graphs.
const OPERATOR_SET: i64 = 20;

/// Output of check.py.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    name: String,
    operator_sets: Vec<(String, i64)>,
    inputs: Vec<(String, String, Vec<usize>)>,
    outputs: Vec<(String, String, Vec<usize>)>,
    inferred: Vec<(String, String, Vec<usize>)>,
    metadata: std::collections::BTreeMap<String, String>,
    bytes: u64,
    largest: Vec<(usize, Vec<usize>)>,
    operators: Vec<String>,
    /// Products of two numbers in all matrix products, as counted in the graph, and as the model
    /// says, for those that have no other products.
    products: [Option<u64>; 2],
    finite: bool,
    error: f64,
    error_turned: f64,
}

/// Graph to check.
struct Case {
    name: String,
    model: Model,
    options: ExportOptions,
    /// Number of elements in the largest tensor of the checkpoint.
    largest: usize,
}

fn cases() -> Vec<Case> {
    let four = json!(["drums", "bass", "other", "vocals"]);
    let norms = with(
        with(small(), "norm_starts", json!(0)),
        "norm_groups",
        json!(2),
    );

    let other = with(
        with(
            with(small(), "t_gelu", json!(false)),
            "t_norm_out",
            json!(false),
        ),
        "t_cross_first",
        json!(true),
    );

    let configurations: Vec<(&str, Json)> = vec![
        ("small", small()),
        (
            "deep",
            with(with(small(), "depth", json!(5)), "t_layers", json!(1)),
        ),
        (
            "four-stems",
            with(with(small(), "sources", four), "bottom_channels", json!(0)),
        ),
        (
            "no-transformer",
            with(with(small(), "t_layers", json!(0)), "dconv_mode", json!(1)),
        ),
        ("norms-everywhere", norms),
        ("other-transformer", other),
    ];

    let mut models: Vec<(String, Vec<u8>)> = (configurations.into_iter())
        .map(|(name, arguments)| (name.to_owned(), checkpoint(&arguments, 11).bytes()))
        .collect();
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/sextet-mini.safetensors");
    models.push(("bundled".to_owned(), fs::read(bundled).unwrap()));

    let mut cases = Vec::new();
    for (name, bytes) in models {
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let largest = tensors
            .iter()
            .map(|(_, view)| view.shape().iter().product())
            .max()
            .unwrap_or(0);

        let all = [
            (Precision::F32, 1),
            (Precision::F32, 3),
            (Precision::F16, 1),
            (Precision::F16, 3),
        ];

        // Check every precision and batch for one graph. The other graphs test operators and need
        // only some.
        let wanted = if name == "small" {
            &all[..]
        } else {
            &all[1..3]
        };

        for &(precision, batch) in wanted {
            let options = ExportOptions::new().batch(batch).precision(precision);
            let name = format!("{name}-{precision:?}-{batch}").to_lowercase();
            cases.push(Case {
                name,
                model: Model::read(&bytes).unwrap(),
                options,
                largest,
            });
        }
    }

    cases
}

/// Returns a segment as a network hears it, and the CPU engine's stems of it, both normalised by
/// the song's mean and deviation.
fn segment(separator: &mut Separator, seed: u64) -> (Vec<f32>, Vec<f32>) {
    let song = song(separator.segment_frames(), seed);
    let (left, right) = (&song.channels()[0], &song.channels()[1]);
    let mono: Vec<f64> = left
        .iter()
        .zip(right)
        .map(|(l, r)| (f64::from(*l) + f64::from(*r)) / 2.0)
        .collect();

    let mean = mono.iter().sum::<f64>() / mono.len() as f64;
    let variance = mono.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (mono.len() - 1) as f64;

    let deviation = variance.sqrt() + 1e-8;
    let normalised = |audio: &Audio| -> Vec<f32> {
        audio
            .channels()
            .iter()
            .flatten()
            .map(|x| ((f64::from(*x) - mean) / deviation) as f32)
            .collect()
    };

    let mut sink = InMemory::default();

    // Use one chunk, so that the stems are the network's own output.
    let options = Options::new().overlap(0.0);
    let summary = separator
        .separate(&song, &options, &mut sink, &mut Ignore)
        .unwrap();

    assert_eq!(summary.chunks, 1);
    (
        normalised(&song),
        sink.into_parts()
            .iter()
            .flat_map(|(_, part)| normalised(part))
            .collect(),
    )
}

/// Writes the graph of `case` and its data into `folder`. Returns the description for check.py.
fn write(case: &Case, folder: &Path) -> Json {
    let path = |extension: &str| folder.join(format!("{}.{extension}", case.name));
    let onnx = case.model.export_onnx(0, case.options).unwrap();
    std::fs::write(path("onnx"), onnx).unwrap();
    let mut separator = Separator::new(case.model.clone(), EngineOptions::default()).unwrap();
    let (mut mix, mut stems) = (Vec::new(), Vec::new());

    for index in 0..case.options.batch {
        let (segment, separated) = segment(&mut separator, 21 + index as u64);
        mix.extend(segment.iter().flat_map(|x| x.to_le_bytes()));
        stems.extend(separated.iter().flat_map(|x| x.to_le_bytes()));
    }

    fs::write(path("mix"), mix).unwrap();
    fs::write(path("stems"), stems).unwrap();
    json!({
        "name": case.name, "batch": case.options.batch, "stems": case.model.sources().len(),
        "frames": case.model.segment_frames(),
    })
}

/// Exports `cases` and runs check.py on them.
fn check(python: &Path, cases: &[&Case]) -> Vec<Report> {
    check_written(python, cases, write)
}

/// Runs check.py on the cases that `write` writes into a folder and describes.
fn check_written<T>(python: &Path, cases: &[&T], write: impl Fn(&T, &Path) -> Json) -> Vec<Report> {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();

    let list: Vec<Json> = cases.iter().map(|case| write(case, folder)).collect();
    fs::write(
        folder.join("cases.json"),
        serde_json::to_vec(&list).unwrap(),
    )
    .unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/check.py");
    let output = Command::new(python).arg(script).arg(folder).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {}: {error}", python.display()));

    let errors = String::from_utf8_lossy(&output.stderr);
    print!("{errors}");

    assert!(output.status.success(), "check.py failed: {errors}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn python() -> PathBuf {
    let Some(python) = std::env::var_os("SEXTET_PYTHON") else {
        panic!(
            "SEXTET_PYTHON is not set: run `cargo xtask check`, or set it to a Python with separator/tests/onnx/requirements.txt"
        );
    };
    python.into()
}

#[test]
fn onnx_runtime_agrees_with_the_cpu_engine() {
    let python = python();
    let mut cases = cases();

    let mut reports = in_halves(&cases, |cases| check(&python, cases));
    assert_eq!(reports.len(), cases.len());
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    reports.sort_by(|a, b| a.name.cmp(&b.name));
    println!(
        "{:<28} {:>10}  largest initialiser  error    by place",
        "graph", "bytes"
    );

    for (report, case) in reports.iter().zip(&cases) {
        let (largest, shape) = &report.largest[0];
        let shape = format!("{shape:?}");
        println!(
            "{:<28} {:>10}  {shape:<19}  {:.1e}  {:.1e}",
            report.name, report.bytes, report.error, report.error_turned
        );

        assert_eq!(report.name, case.name);
        assert!(
            *largest < 1_000_000.max(case.largest + 1),
            "{}: {largest} elements, as a DFT basis has",
            case.name
        );

        judge(report, case);
    }

    println!("{} graphs checked", reports.len());
}

fn judge(report: &Report, case: &Case) {
    let (name, batch, frames) = (&case.name, case.options.batch, case.model.segment_frames());
    let stems = case.model.sources().len();

    assert_eq!(
        report.operator_sets,
        [(String::new(), OPERATOR_SET)],
        "{name}"
    );

    let value =
        |name: &str, shape: &[usize]| vec![(name.to_owned(), "FLOAT".to_owned(), shape.to_vec())];
    assert_eq!(report.inputs, value("mix", &[batch, 2, frames]), "{name}");
    assert_eq!(
        report.outputs,
        value("stems", &[batch, stems, 2, frames]),
        "{name}"
    );

    assert_eq!(report.inferred, report.outputs, "{name}");
    assert_eq!(
        report.metadata["checkpoint_sha256"],
        case.model.hash(),
        "{name}"
    );

    assert_eq!(
        report.metadata["sources"].split(',').count(),
        stems,
        "{name}"
    );

    let cases = ["STFT", "DFT", "ComplexAbs", "If", "Loop", "Scan"];
    each_case(cases, |operator| {
        assert!(
            !report.operators.iter().any(|found| found == operator),
            "{name} uses {operator}"
        );
    });

    // The file holds the weights and the matrices of the transforms, but no matrix of the size of a
    // dense DFT.
    let element = if case.options.precision == Precision::F16 {
        2
    } else {
        4
    };

    let expected = (case.model.parameters() * element) as u64;
    assert!(
        report.bytes < expected * 2 + 12_000_000,
        "{name}: {} bytes for {expected} of weights",
        report.bytes
    );

    assert!(report.finite, "{name}");
    let bound = match case.options.precision {
        Precision::F32 => BOUND_F32,
        Precision::F16 if name.starts_with("deep") => BOUND_F16_DEEP,
        _ => BOUND_F16,
    };

    assert!(report.error < bound, "{name}: {:e}", report.error);
    let bound = if case.options.precision == Precision::F16 {
        BOUND_F16
    } else {
        BOUND_PLACE
    };

    assert!(
        report.error_turned < bound,
        "{name}: {:e} by place in the batch",
        report.error_turned
    );
}

/// Fixture as `roformer/make.py` writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Roformer {
    config: String,
    tensors: Vec<(String, Vec<usize>)>,
    seed: u64,
    frames: usize,
    keep_every: usize,
    /// Relative L2 error of every stem of the reference in float32, for a chunk by itself.
    float32_errors: Vec<f64>,
    /// The same for the whole song.
    float32_errors_of_song: Vec<f64>,
}

/// Largest relative L2 error of a RoFormer's stem, and for float16 graphs.
const BOUND_ROFORMER: f64 = 1e-4;
const BOUND_ROFORMER_F16: f64 = 1e-2;

/// Writes the graph of the fixture at `path` and its data into `folder`. Returns the description
/// for check.py.
fn write_roformer((path, precision): &(PathBuf, Precision), folder: &Path) -> Json {
    let case: Roformer = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let bytes = sextet_testing::roformer::checkpoint(&case.tensors, case.seed).bytes();
    let model = Model::read_with_config(&bytes, &case.config).unwrap();
    let name = path.file_stem().unwrap().to_string_lossy();
    let name = format!("{name}-{precision:?}").to_lowercase();

    let options = ExportOptions::new().precision(*precision);
    let file = |extension: &str| folder.join(format!("{name}.{extension}"));
    fs::write(file("onnx"), model.export_onnx(0, options).unwrap()).unwrap();

    // The first chunk, with silence behind a shorter song.
    let (chunk, song) = (model.segment_frames(), song(case.frames, case.seed));
    let channel = |channel: &Vec<f32>| {
        let heard = channel.iter().copied().chain(std::iter::repeat(0.0));
        heard.take(chunk).collect::<Vec<_>>()
    };
    let mix = song.channels().iter().flat_map(channel);
    fs::write(
        file("mix"),
        mix.flat_map(f32::to_le_bytes).collect::<Vec<_>>(),
    )
    .unwrap();

    // The reference's samples, its stems in our order; those of the whole song follow.
    let samples = fs::read(path.with_extension("f32")).unwrap();
    let stems = names(&case.config);
    let of_stem = 2 * chunk.div_ceil(case.keep_every) * size_of::<f32>();
    let places = model.sources().iter().map(|stem| {
        let place = stems.iter().position(|name| name == stem.name()).unwrap();
        &samples[place * of_stem..(place + 1) * of_stem]
    });
    fs::write(file("stems"), places.collect::<Vec<_>>().concat()).unwrap();
    assert_eq!(case.float32_errors.len(), stems.len());
    assert_eq!(case.float32_errors_of_song.len(), stems.len());
    assert!(
        case.float32_errors
            .iter()
            .all(|error| *error < BOUND_ROFORMER)
    );

    json!({
        "name": name, "batch": 1, "stems": stems.len(), "frames": chunk, "keep_every": case.keep_every,
        "products": model.products(),
    })
}

/// Returns the names of the stems in the reference's order.
fn names(config: &str) -> Vec<String> {
    let after = |key: &str| config.split_once(key).unwrap().1;
    let target = after("target_instrument:").lines().next().unwrap().trim();
    if target != "null" {
        return vec![target.to_owned()];
    }
    let listed = after("instruments:\n").lines();
    let names = listed.map_while(|line| line.trim().strip_prefix("- "));
    names.map(str::to_owned).collect()
}

#[test]
fn roformers_give_what_the_reference_gives() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/roformer");
    let files = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let fixtures = files.filter(|path| path.extension().is_some_and(|kind| kind == "json"));
    let mut cases: Vec<_> = fixtures.map(|path| (path, Precision::F32)).collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(cases.len() >= 11, "only {} fixtures", cases.len());
    cases.extend(
        cases
            .clone()
            .into_iter()
            .filter(|(path, _)| path.ends_with("six-stems.json"))
            .map(|(path, _)| (path, Precision::F16)),
    );

    let python = python();
    let mut reports = in_halves(&cases, |cases| {
        check_written(&python, cases, write_roformer)
    });
    reports.sort_by(|a, b| a.name.cmp(&b.name));
    println!("{:<28} {:>10}  error", "graph", "bytes");
    for report in &reports {
        println!(
            "{:<28} {:>10}  {:.1e}",
            report.name, report.bytes, report.error
        );
    }

    each_case(&reports, |report| {
        let half = report.name.ends_with("-f16");
        let bound = if half {
            BOUND_ROFORMER_F16
        } else {
            BOUND_ROFORMER
        };
        assert!(
            report.finite && report.error <= bound,
            "{}: {:e}",
            report.name,
            report.error
        );
        assert_eq!(report.inferred, report.outputs, "{}", report.name);
        let [counted, said] = report.products;
        assert!(
            counted.is_some() && counted == said,
            "{}: {counted:?}, {said:?}",
            report.name
        );
    });
    println!("{} graphs compared with the reference", reports.len());
}
