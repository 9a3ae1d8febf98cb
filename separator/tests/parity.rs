//! Tests of parity with the PyTorch reference: every fixture of `parity/` is separated and
//! compared, stem by stem.
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
use sextet_separator::{EngineChoice, EngineOptions, Ignore, InMemory, Model, Options, Separator};
use sextet_testing::checkpoint::Checkpoint;
use sextet_testing::draw::song;
use sextet_testing::in_halves;

/// Largest relative L2 error of every stem in every case.
const BOUND: f64 = 1e-4;

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
}

#[test]
fn stems_are_those_of_the_reference() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });

    names.sort();

    // To run a single case: SEXTET_PARITY=official cargo test --test parity
    let only = std::env::var("SEXTET_PARITY").unwrap_or_default();
    let all = names.len();
    names.retain(|path| path.to_string_lossy().contains(&only));
    let mut compared = in_halves(&names, |paths| {
        paths.iter().map(|path| compare(path)).collect()
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

    println!("{} parity cases compared", names.len());
    assert!(all >= 25, "fixtures are missing: {names:?}");
    assert!(
        failures.is_empty(),
        "stems differ by more than {BOUND}: {failures:?}"
    );
}

/// Runs the case of a fixture. Returns its name, its number of frames, and the relative L2 error of
/// every stem.
fn compare(path: &Path) -> (String, usize, Vec<f64>) {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let case: Case = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let errors = errors(&case, &fs::read(path.with_extension("f32")).unwrap());
    (name, case.frames, errors)
}

fn errors(case: &Case, expected: &[u8]) -> Vec<f64> {
    let count = case.bag.as_ref().map_or(1, Vec::len);
    let mut models: Vec<Model> = (0..count)
        .map(|i| Model::read(&checkpoint(case, case.seed + 100 * i as u64)).unwrap())
        .collect();
    let model = match &case.bag {
        Some(weights) => Model::bag(models, weights.clone()).unwrap(),
        None => models.remove(0),
    };

    let mut separator =
        Separator::new(model, EngineOptions::new().engine(EngineChoice::Cpu)).unwrap();

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

    let expected: Vec<f32> = expected
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| f32::from_le_bytes(bytes))
        .collect();

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
