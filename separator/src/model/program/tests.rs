//! Tests of programs: the CPU engine, which runs them, against their interpreter. That programs are
//! the networks that they ought to be is shown by `tests/parity.rs`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use safetensors::tensor::Dtype;
use serde_json::{Value as Json, json};
use sextet_cases::each_case;

use super::interpret::Interpreter;
use super::{Operation, write};
use crate::engine::{Backend, EngineChoice, EngineOptions, start};
use crate::model::config::Config;
use crate::model::weights::{Array, Weights};
use crate::model::{CHANNELS, ModelError, Network};
use crate::{Ignore, Stem};
use sextet_testing::checkpoint::Checkpoint;
use sextet_testing::draw::splitmix;

/// Largest relative L2 error of a stem. The largest that was seen is 2.6e-5: drawn weights amplify
/// the roundings of float32.
const BOUND: f64 = 1e-4;

/// Segments in seconds, of 5 and 16 frames of the spectrogram. The lengths of the time branch's
/// layers are no multiples of four.
const SHORT_S: f64 = 0.113;
const LONGER_S: f64 = 0.37;

/// Returns the configuration of a drawn network.
fn config(arguments: &Json) -> Result<Config, ModelError> {
    Config::from_arguments(arguments.as_object().unwrap().clone())
}

/// Returns the arguments of a six-stem network of `channels` with `changes`.
fn arguments(channels: usize, segment_s: f64, changes: Json) -> Json {
    let mut arguments = json!({
        "sources": ["drums", "bass", "other", "vocals", "guitar", "piano"],
        "channels": channels, "t_layers": 2, "t_heads": 4, "dconv_mode": 3, "segment": segment_s,
    });
    for (name, value) in changes.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    arguments
}

/// Returns a network with drawn weights. The program's writer names the tensors that it needs, and
/// the network checks them against the graph.
fn network(arguments: &Json, seed: u64) -> Network {
    let config = config(arguments).unwrap();
    let mut arrays = BTreeMap::new();
    let mut tensors = Vec::new();
    loop {
        match write(&config, Weights::new(arrays.clone())) {
            Ok(_) => break,
            Err(ModelError::MissingTensor { name, expected }) => {
                let zeros = vec![0.0; expected.iter().product()];
                arrays.insert(name.clone(), Array::new(&expected, zeros));
                tensors.push((name, expected));
            }
            Err(error) => panic!("{arguments}: {error}"),
        }
    }

    let checkpoint = Checkpoint::htdemucs(arguments, &tensors, Dtype::F32, seed);
    Network::read(&checkpoint.bytes(), &|| Ok(None)).unwrap()
}

/// Returns noise [2, frames] that is louder on the left.
fn noise(frames: usize, seed: u64) -> Vec<f32> {
    let noise = splitmix(seed).take(CHANNELS * frames).enumerate();
    let gain = |n| if n < frames { 0.5 } else { 0.3 };
    noise
        .map(|(n, u)| (gain(n) * (2.0 * u - 1.0) + 0.01) as f32)
        .collect()
}

/// Runs the CPU engine on `mix`.
fn on_cpu_engine(network: Network, mix: &[f32]) -> Vec<f32> {
    let options = EngineOptions {
        engine: EngineChoice::Cpu,
        ..EngineOptions::default()
    };
    let started = start(network, &mut Backend::from(options), &mut Ignore).unwrap();
    let mut engine = started.engine;
    engine.submit(&mut |to| to.copy_from_slice(mix)).unwrap();
    engine.take().unwrap().to_vec()
}

/// Returns the largest relative L2 error of a stem.
fn error(found: &[f32], expected: &[f32], stems: usize) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f64| x * x;
    let of_stem = |(found, expected): (&[f32], &[f32])| {
        let pairs = found.iter().zip(expected);
        let differences: f64 = pairs
            .map(|(&a, &b)| square(f64::from(a) - f64::from(b)))
            .sum();
        let energy: f64 = expected.iter().map(|&x| square(f64::from(x))).sum();
        (differences / energy).sqrt()
    };
    let length = found.len() / stems;
    let stems = found.chunks(length).zip(expected.chunks(length));
    stems.map(of_stem).fold(0.0, f64::max)
}

/// Compares the interpreter with the CPU engine and returns the error.
fn compare(name: &str, network: Network) -> f64 {
    let program = network.program().unwrap();
    let mix = noise(network.segment_frames(), 7);
    let begun = Instant::now();
    let interpreter = Interpreter::run(&program, &mix);
    let interpreted = begun.elapsed();

    let error = error(
        &interpreter.stems,
        &on_cpu_engine(network, &mix),
        program.stems,
    );
    println!("{name}: error {error:.2e}, interpreted in {interpreted:.2?}");
    error
}

#[test]
fn the_interpreter_gives_the_stems_of_the_cpu_engine() {
    let cases = [
        ("eight channels", arguments(8, LONGER_S, json!({}))),
        ("sixteen channels", arguments(16, SHORT_S, json!({}))),
        (
            "three layers, 24 channels",
            arguments(24, SHORT_S, json!({"t_layers": 3, "t_heads": 8})),
        ),
        (
            "four stems and bottom channels",
            arguments(
                8,
                SHORT_S,
                json!({
                    "sources": ["drums", "bass", "other", "vocals"],
                    "bottom_channels": 48, "t_heads": 8, "t_layers": 5,
                }),
            ),
        ),
        (
            "cross attention first",
            arguments(8, SHORT_S, json!({"t_cross_first": true, "t_layers": 3})),
        ),
        ("one layer", arguments(8, SHORT_S, json!({"t_layers": 1}))),
        (
            "no transformer",
            arguments(8, SHORT_S, json!({"t_layers": 0})),
        ),
        (
            "no transformer with bottom channels",
            arguments(8, SHORT_S, json!({"t_layers": 0, "bottom_channels": 32})),
        ),
        (
            "no norms around the transformer",
            arguments(8, SHORT_S, json!({"t_norm_in": false, "t_norm_out": false})),
        ),
        (
            "no norms, bottom channels",
            arguments(
                8,
                SHORT_S,
                json!({"t_norm_in": false, "t_norm_out": false, "bottom_channels": 16}),
            ),
        ),
        (
            "no embedding of frequencies, no layer scale, ReLU",
            arguments(
                8,
                SHORT_S,
                json!({"freq_emb": 0, "t_layer_scale": false, "t_gelu": false}),
            ),
        ),
        (
            "other numbers in the embeddings",
            arguments(
                8,
                SHORT_S,
                json!({"emb_scale": 3, "t_weight_pos_embed": 0.5, "t_max_period": 500, "t_hidden_scale": 1.5}),
            ),
        ),
        (
            "residual branches in the encoder, without dilation",
            arguments(8, SHORT_S, json!({"dconv_mode": 1, "dconv_depth": -3})),
        ),
        (
            "residual branches in the decoder",
            arguments(
                8,
                SHORT_S,
                json!({"dconv_mode": 2, "dconv_depth": 3, "dconv_comp": 3}),
            ),
        ),
        (
            "no residual branches",
            arguments(8, SHORT_S, json!({"dconv_mode": 0})),
        ),
        (
            "residual branches without layers",
            arguments(8, SHORT_S, json!({"dconv_depth": 0})),
        ),
        (
            "contexts",
            arguments(8, SHORT_S, json!({"context": 0, "context_enc": 1})),
        ),
        (
            "context in both",
            arguments(8, SHORT_S, json!({"context": 2, "context_enc": 2})),
        ),
        (
            "three layers of the encoder, three times as wide each",
            arguments(
                8,
                SHORT_S,
                json!({"depth": 3, "growth": 3, "norm_starts": 3}),
            ),
        ),
        (
            "norms in all layers",
            arguments(
                8,
                SHORT_S,
                json!({"norm_starts": 0, "norm_groups": 2, "context_enc": 1}),
            ),
        ),
        (
            "norms in the inner layers",
            arguments(8, SHORT_S, json!({"norm_starts": 2, "norm_groups": 4})),
        ),
        (
            "five layers of the encoder",
            arguments(8, SHORT_S, json!({"depth": 5, "t_layers": 1})),
        ),
        (
            "five layers without norms, with bottom channels",
            arguments(
                8,
                SHORT_S,
                json!({"depth": 5, "norm_starts": 5, "bottom_channels": 48}),
            ),
        ),
        (
            "five layers without a transformer",
            arguments(8, SHORT_S, json!({"depth": 5, "t_layers": 0})),
        ),
        (
            "one layer of the encoder",
            arguments(8, SHORT_S, json!({"depth": 1, "t_layers": 1})),
        ),
    ];

    each_case((1..).zip(&cases), |(seed, (name, arguments))| {
        let error = compare(name, network(arguments, seed));
        assert!(error < BOUND, "{name}: {error:.2e}");
    });
    println!("{} networks were compared", cases.len());
}

#[test]
fn sextet_mini_gives_the_stems_of_the_cpu_engine() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/sextet-mini.safetensors");
    let network = Network::open(&path, None).unwrap();

    // Its own segment of 7.8 s would take minutes where tests are built with few optimisations.
    let error = compare("sextet-mini", network.with_segment(10_007));
    assert!(error < BOUND, "{error:.2e}");
}

#[test]
fn every_step_reads_what_an_earlier_step_wrote() {
    let network = network(&arguments(8, SHORT_S, json!({"bottom_channels": 16})), 1);
    let program = network.program().unwrap();
    let mix = noise(network.segment_frames(), 7);

    // The interpreter refuses a tensor that is not there.
    let mut interpreter = Interpreter::new(&program);
    for step in &program.steps {
        interpreter.run_step(step, &mix);
    }

    let last = program.steps.last().unwrap();
    assert!(matches!(last.operation, Operation::Synthesis(_)));
    assert!(interpreter.tensors.iter().all(|tensor| !tensor.is_empty()));
    assert_eq!(interpreter.stems.len(), Stem::ALL.len() * mix.len());
}

#[test]
fn a_program_refuses_tensors_that_do_not_fit() {
    let config = config(&arguments(8, SHORT_S, json!({}))).unwrap();
    let error = write(&config, Weights::default()).unwrap_err();
    assert!(matches!(error, ModelError::MissingTensor { .. }), "{error}");

    let mut arrays = BTreeMap::new();
    let spare = loop {
        match write(&config, Weights::new(arrays.clone())) {
            Err(ModelError::MissingTensor { name, expected }) => {
                let zeros = vec![0.0; expected.iter().product()];
                arrays.insert(name, Array::new(&expected, zeros));
            }
            Err(error) => panic!("{error}"),
            Ok(_) => {
                arrays.insert("spare".to_owned(), Array::new(&[1], vec![0.0]));
                break write(&config, Weights::new(arrays)).unwrap_err();
            }
        }
    };
    assert!(
        matches!(spare, ModelError::ExtraTensors { count: 1, .. }),
        "{spare}"
    );
}
