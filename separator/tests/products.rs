//! Tests of the number of products in a model's segment, from which the time on a CPU is estimated
//! before anything is started.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use std::path::Path;

use safetensors::tensor::Dtype;
use serde_json::Value;
use sextet_cases::each_case;
use sextet_separator::Model;
use sextet_testing::checkpoint::Checkpoint;

/// Returns a model with the shape of a parity fixture.
fn of_shape(fixture: &str) -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/parity/{fixture}.json"));
    let fixture: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let tensors: Vec<(String, Vec<usize>)> =
        serde_json::from_value(fixture["tensors"].clone()).unwrap();
    Model::read(&Checkpoint::htdemucs(&fixture["kwargs"], &tensors, Dtype::F32, 3).bytes()).unwrap()
}

/// Checks the count of the official model. `engine/cpu.rs` holds the same figure beside the time
/// that was measured for it.
#[test]
fn products_are_counted_in_the_graph() {
    let official = of_shape("official-six-stems");
    let bag = Model::bag(
        vec![official.clone(), official.clone()],
        vec![vec![1.0; 6]; 2],
    )
    .unwrap();

    let cases = [
        ("the official six-stem shape", &official, 132_551_191_008),
        ("two of them in a bag", &bag, 265_102_382_016),
        (
            "the bundled model",
            &Model::bundled().unwrap(),
            34_882_178_988,
        ),
    ];

    each_case(cases, |(name, model, expected)| {
        println!("{name}: {} products", model.products());
        assert_eq!(model.products(), expected, "{name}");
    });
}
