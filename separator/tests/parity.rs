//! Parity with the PyTorch reference: every fixture of `parity/` is separated and compared, stem by stem.
//!
//! `parity/make.py` made the fixtures with demucs 4.1.0 and says how weights and songs are drawn.
#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView, serialize};
use serde::Deserialize;
use sextet_separator::audio::Audio;
use sextet_separator::{EngineChoice, EngineOptions, Ignore, InMemory, Model, Options, Separator};

/// Relative L2 error that every stem of every case has to keep to.
const BOUND: f64 = 1e-4;

/// A fixture as `make.py` writes it.
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
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    names.sort();
    // For work on one case: SEXTET_PARITY=official cargo test --test parity
    let only = std::env::var("SEXTET_PARITY").unwrap_or_default();
    let all = names.len();
    names.retain(|path| path.to_string_lossy().contains(&only));
    let mut failures = Vec::new();
    println!("{:<28} {:>8} {:>7}  relative L2 error of the stems", "case", "frames", "stems");
    for path in &names {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let case: Case = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let errors = errors(&case, &fs::read(path.with_extension("f32")).unwrap());
        let list: Vec<String> = errors.iter().map(|error| format!("{error:.1e}")).collect();
        println!("{name:<28} {:>8} {:>7}  {}", case.frames, errors.len(), list.join(" "));
        if errors.iter().any(|error| error.is_nan() || *error > BOUND) {
            failures.push(name);
        }
    }
    println!("{} parity cases compared", names.len());
    assert!(all >= 25, "fixtures are missing: {names:?}");
    assert!(failures.is_empty(), "stems differ by more than {BOUND}: {failures:?}");
}

/// Relative L2 error of every stem.
fn errors(case: &Case, expected: &[u8]) -> Vec<f64> {
    let count = case.bag.as_ref().map_or(1, Vec::len);
    let mut models: Vec<Model> =
        (0..count).map(|i| Model::read(&checkpoint(case, case.seed + 100 * i as u64)).unwrap()).collect();
    let model = match &case.bag {
        Some(weights) => Model::bag(models, weights.clone()).unwrap(),
        None => models.remove(0),
    };
    let mut separator = Separator::new(model, EngineOptions { engine: EngineChoice::Cpu, threads: None }).unwrap();
    let options = Options { overlap: case.overlap, shifts: case.shifts, ..Options::default() };
    let mut sink = InMemory::default();
    separator.separate(&song(case.frames, case.seed), &options, &mut sink, &mut Ignore).unwrap();
    let expected: Vec<f32> = expected.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    let parts = sink.into_parts();
    let per_stem = expected.len() / parts.len();
    let compare = |(part, expected): (&(_, Audio), &[f32])| {
        let part: &Audio = &part.1;
        assert_eq!(part.frames(), case.frames);
        let found = part.channels().iter().flat_map(|channel| channel.iter().step_by(case.keep_every));
        let (mut distance, mut energy, mut compared) = (0.0, 0.0, 0);
        for (found, expected) in found.zip(expected) {
            distance += (f64::from(*found) - f64::from(*expected)).powi(2);
            energy += f64::from(*expected).powi(2);
            compared += 1;
        }
        assert_eq!(compared, expected.len());
        (distance / energy).sqrt()
    };
    parts.iter().zip(expected.chunks(per_stem)).map(compare).collect()
}

/// A checkpoint in demucs' own layout with weights drawn from `seed`.
fn checkpoint(case: &Case, seed: u64) -> Vec<u8> {
    let dtype = match case.store.as_str() {
        "F16" => Dtype::F16,
        "BF16" => Dtype::BF16,
        _ => Dtype::F32,
    };
    let bytes: Vec<Vec<u8>> = (case.tensors.iter().enumerate())
        .map(|(index, (name, shape))| {
            let values = draw(name, shape, seed * 1_000_003 + index as u64);
            match dtype {
                Dtype::F16 => values.iter().flat_map(|&x| half::f16::from_f32(x).to_le_bytes()).collect(),
                Dtype::BF16 => values.iter().flat_map(|&x| half::bf16::from_f32(x).to_le_bytes()).collect(),
                _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            }
        })
        .collect();
    let views = case.tensors.iter().zip(&bytes);
    let views = views.map(|((name, shape), bytes)| (name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
    let metadata = [
        ("klass", "demucs.htdemucs.HTDemucs".to_owned()),
        ("args", "[]".to_owned()),
        ("kwargs", case.kwargs.to_string()),
    ];
    let metadata: HashMap<String, String> = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    serialize(views, Some(metadata)).unwrap()
}

/// `draw` of `make.py`.
fn draw(name: &str, shape: &[usize], seed: u64) -> Vec<f32> {
    let fan_in: usize = shape[1..].iter().product();
    let value = |u: f64| match shape.len() {
        1 if name.ends_with("scale") => 0.3 + 0.4 * u,
        1 if name.ends_with("weight") => 0.7 + 0.6 * u,
        1 => 0.4 * u - 0.2,
        _ => (2.0 * u - 1.0) * (3.0 / (fan_in as f64).sqrt()),
    };
    splitmix(seed).take(shape.iter().product()).map(|u| value(u) as f32).collect()
}

/// `song` of `make.py`.
fn song(frames: usize, seed: u64) -> Audio {
    let noise: Vec<f64> = splitmix(seed).take(2 * frames).collect();
    let side = |side: usize, gain: f64| {
        let sample = |n: usize| {
            let swell = (n % 7001) as f64 / 7001.0;
            let loud = if n % 30_011 < 21_000 { 1.0 } else { 0.0 };
            let saw = (n % 211) as f64 / 211.0 - 0.5;
            (0.5 * (2.0 * noise[side * frames + n] - 1.0) * swell * loud + gain * saw + 0.02) as f32
        };
        (0..frames).map(sample).collect()
    };
    Audio::new(vec![side(0, 0.3), side(1, -0.1)], 44_100)
}

/// SplitMix64, its upper 53 bits as numbers from 0 up to 1.
fn splitmix(seed: u64) -> impl Iterator<Item = f64> {
    (1_u64..).map(move |n| {
        let mut z = seed.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 / (1_u64 << 53) as f64
    })
}
