//! Tests of parity with the PyTorch reference: every fixture of `parity/` is separated and
//! compared, stem by stem; those of accuracy with every set of instructions that the processor has.
//!
//! `parity/make.py` made the fixtures with demucs 4.1.0 and defines how weights and songs are
//! drawn.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use std::fs;
use std::path::Path;

use safetensors::tensor::Dtype;
use serde::Deserialize;
use sextet_separator::audio::Audio;
use sextet_separator::cpu::{CpuOptions, Instructions};
use sextet_separator::{EngineChoice, EngineOptions, Ignore, InMemory, Model, Options, Separator};
use sextet_testing::checkpoint::Checkpoint;
use sextet_testing::draw::song;
use sextet_testing::in_halves;

/// Largest relative L2 error of every stem in every case.
const BOUND: f64 = 1e-4;

/// Largest error of the worst stem in a case of accuracy, times that of the reference in float32;
/// and the largest error of a set of instructions over all these cases, times that of another.
const MOST_TIMES: f64 = 1.5;

/// Fixture as `make.py` writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    kwargs: serde_json::Value,
    tensors: Vec<(String, Vec<usize>)>,
    seed: u64,
    frames: usize,
    keep_every: usize,
    store: String,
    overlap: f64,
    shifts: u32,
    bag: Option<Vec<Vec<f32>>>,
    /// Relative L2 error of every stem of the reference in float32, in a case of accuracy, whose
    /// samples are those of the reference in float64.
    float32_errors: Option<Vec<f64>>,
}

#[test]
fn stems_are_those_of_the_reference() {
    let (cases, all) = cases(false);
    let mut compared = in_halves(&cases, |cases| {
        let errors = |case: &&Fixture| errors(case, CpuOptions::new());
        cases
            .iter()
            .map(|case| (case.name.clone(), case.case.frames, errors(case)))
            .collect()
    });

    compared.sort_by(|a, b| a.0.cmp(&b.0));
    let mut failures = Vec::new();
    println!(
        "{:<28} {:>8} {:>7}  relative L2 error of the stems",
        "case", "frames", "stems"
    );

    for (name, frames, errors) in compared {
        let list: Vec<String> = errors.iter().map(|error| format!("{error:.1e}")).collect();
        println!(
            "{name:<28} {frames:>8} {:>7}  {}",
            errors.len(),
            list.join(" ")
        );
        if errors.iter().any(|error| error.is_nan() || *error > BOUND) {
            failures.push(name);
        }
    }

    println!("{} parity cases compared", cases.len());
    assert!(all >= 25, "only {all} fixtures");
    assert!(
        failures.is_empty(),
        "stems differ by more than {BOUND}: {failures:?}"
    );
}

/// Random networks amplify rounding some thousand times, so an error says something only beside
/// that of another float32 implementation.
#[test]
fn every_set_of_instructions_rounds_as_little_as_the_reference() {
    let (cases, all) = cases(true);
    assert!(all >= 6, "only {all} fixtures");
    let sets = Instructions::available();
    println!(
        "{:<28} {:<9} {:>8} {:>8} {:>6}  error of the worst stem against float64",
        "case", "set", "PyTorch", "Sextet", "ratio"
    );

    let mut failures = Vec::new();
    let mut of_sets = Vec::new();
    for &set in &sets {
        let mut compared = in_halves(&cases, |cases| {
            let worst = |case: &&Fixture| {
                let reference = case.case.float32_errors.as_deref().unwrap();
                let found = errors(case, CpuOptions::new().instructions(set));
                (case.name.clone(), worst(reference), worst(&found))
            };
            cases.iter().map(worst).collect()
        });

        compared.sort_by(|a, b| a.0.cmp(&b.0));
        let mut squares = 0.0;
        for (name, reference, found) in &compared {
            let ratio = found / reference;
            println!("{name:<28} {set:<9} {reference:>8.1e} {found:>8.1e} {ratio:>6.2}");
            squares += ratio * ratio / compared.len() as f64;
            if ratio.is_nan() || ratio > MOST_TIMES {
                failures.push(format!("{name}, {set}: {ratio:.2}"));
            }
        }
        of_sets.push((set, squares.sqrt()));
    }

    for (set, ratio) in &of_sets {
        println!("{set}: {ratio:.2} times the reference's error over all cases");
        for (other, than) in &of_sets {
            if *ratio > MOST_TIMES * than {
                failures.push(format!("{set} beside {other}: {ratio:.2} and {than:.2}"));
            }
        }
    }

    println!(
        "{} cases on {} sets of instructions",
        cases.len(),
        sets.len()
    );
    assert!(
        failures.is_empty(),
        "more than {MOST_TIMES} times: {failures:?}"
    );
}

fn worst(errors: &[f64]) -> f64 {
    errors
        .iter()
        .fold(0.0, |a, &b| if b > a || b.is_nan() { b } else { a })
}

/// Case with the samples of its stems.
struct Fixture {
    name: String,
    case: Case,
    expected: Vec<f32>,
}

/// Returns the cases of accuracy, or the others, and how many there are without the selection.
///
/// SEXTET_PARITY=official,shifts takes those with one of these in their names,
/// SEXTET_PARITY=-official leaves them out.
fn cases(of_accuracy: bool) -> (Vec<Fixture>, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity");
    let paths = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut cases: Vec<Fixture> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| read(&path))
        .filter(|fixture| fixture.case.float32_errors.is_some() == of_accuracy)
        .collect();

    cases.sort_by(|a, b| a.name.cmp(&b.name));
    let chosen = std::env::var("SEXTET_PARITY").unwrap_or_default();
    let all = cases.len();
    cases.retain(|fixture| is_chosen(&fixture.name, &chosen));
    (cases, all)
}

/// Whether the list `chosen` has the case called `name`.
fn is_chosen(name: &str, chosen: &str) -> bool {
    let parts = chosen.split(',').filter(|part| !part.is_empty());
    let (out, only): (Vec<&str>, Vec<&str>) = parts.partition(|part| part.starts_with('-'));
    let is_of = |part: &&str| name.contains(part.trim_start_matches('-'));
    (only.is_empty() || only.iter().any(is_of)) && !out.iter().any(is_of)
}

fn read(path: &Path) -> Fixture {
    let samples = fs::read(path.with_extension("f32")).unwrap();
    let (samples, _) = samples.as_chunks();
    Fixture {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        case: serde_json::from_slice(&fs::read(path).unwrap()).unwrap(),
        expected: samples
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect(),
    }
}

/// Separates the song of a fixture, and returns the relative L2 error of every stem.
fn errors(Fixture { case, expected, .. }: &Fixture, cpu: CpuOptions) -> Vec<f64> {
    let count = case.bag.as_ref().map_or(1, Vec::len);
    let mut models: Vec<Model> = (0..count)
        .map(|i| Model::read(&checkpoint(case, case.seed + 100 * i as u64)).unwrap())
        .collect();
    let model = match &case.bag {
        Some(weights) => Model::bag(models, weights.clone()).unwrap(),
        None => models.remove(0),
    };

    let engine = EngineOptions::new().engine(EngineChoice::Cpu).cpu(cpu);
    let mut separator = Separator::new(model, engine).unwrap();

    let options = Options::new().overlap(case.overlap).shifts(case.shifts);

    let mut sink = InMemory::default();
    separator
        .separate(
            &song(case.frames, case.seed),
            &options,
            &mut sink,
            &mut Ignore,
        )
        .unwrap();

    let parts = sink.into_parts();
    let per_stem = expected.len() / parts.len();
    let compare = |(part, expected): (&(_, Audio), &[f32])| {
        let part: &Audio = &part.1;
        assert_eq!(part.frames(), case.frames);
        let found = part
            .channels()
            .iter()
            .flat_map(|channel| channel.iter().step_by(case.keep_every));

        let (mut distance, mut energy, mut compared) = (0.0, 0.0, 0);
        for (found, expected) in found.zip(expected) {
            distance += (f64::from(*found) - f64::from(*expected)).powi(2);
            energy += f64::from(*expected).powi(2);
            compared += 1;
        }

        assert_eq!(compared, expected.len());
        (distance / energy).sqrt()
    };

    parts
        .iter()
        .zip(expected.chunks(per_stem))
        .map(compare)
        .collect()
}

/// Returns a checkpoint in demucs' own layout with weights drawn from `seed`.
fn checkpoint(case: &Case, seed: u64) -> Vec<u8> {
    let dtype = match case.store.as_str() {
        "F16" => Dtype::F16,
        "BF16" => Dtype::BF16,
        _ => Dtype::F32,
    };
    Checkpoint::htdemucs(&case.kwargs, &case.tensors, dtype, seed).bytes()
}

#[test]
fn cases_are_chosen_by_parts_of_their_names() {
    let cases = [
        ("", true),
        ("shifts", true),
        ("official,shifts", true),
        ("official", false),
        ("-official", true),
        ("-official,-shifts", false),
        ("shifts,-shifts-1", false),
    ];
    sextet_cases::each_case(cases, |(chosen, expected)| {
        assert_eq!(is_chosen("shifts-1", chosen), expected);
    });
}
