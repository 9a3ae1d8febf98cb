//! The reference for the plugin's stems: those that the command writes for the same song.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sextet_protocol::Stem;

use crate::{command, db, entry};

/// Environment variable that names the engine which has to make the stems, as `sextet separate
/// --engine` takes it. Any engine may make them where it is not set.
const ENGINE_VARIABLE: &str = "SEXTET_TEST_ENGINE";
/// Environment variable that names the engine to choose in the settings, where that is another:
/// `auto` with a GPU that fails, so that the CPU has to make the stems.
const CHOICE_VARIABLE: &str = "SEXTET_TEST_CHOICE";

fn named(variable: &str) -> Option<String> {
    let name = std::env::var(variable).ok();
    name.filter(|engine| !engine.is_empty())
}

/// Returns the engine that has to make the stems, if one is named.
pub fn engine() -> Option<String> {
    named(ENGINE_VARIABLE)
}

/// Returns the engine to choose in the settings, if one is named.
pub fn choice() -> Option<String> {
    named(CHOICE_VARIABLE).or_else(engine)
}

/// Returns the contents of a project without a clip in which that engine is chosen, if one is
/// named.
pub fn chosen() -> Option<Value> {
    let engine = choice()?;
    Some(json!({ "settings": { "engine": engine } }))
}

/// Fails unless stems that were made by `class`, as in a recipe of the cache (`tensorrt-f16`), come
/// from the engine that has to make them.
pub fn assert_engine(class: &str) {
    println!("the stems were made by {class}");
    if let Some(engine) = engine() {
        assert!(
            class.starts_with(&engine),
            "{engine} was asked for, the stems were made by {class}"
        );
    }
}

/// Returns the stems that `sextet separate` writes for `song`, two channels at `rate_hz`, below
/// `folder`.
pub fn stems_of_the_command(
    rate_hz: u32,
    song: &[Vec<f32>; 2],
    folder: &Path,
) -> Vec<[Vec<f32>; 2]> {
    let path = folder.join("song.wav");
    let interleaved: Vec<f32> = song[0]
        .iter()
        .zip(&song[1])
        .flat_map(|(&left, &right)| [left, right])
        .collect();

    entry::write_wav(&path, rate_hz, &interleaved);

    let mut separate = Command::new(command());
    separate
        .arg("separate")
        .arg(&path)
        .args(["--sum", "exact", "-o"])
        .arg(folder.join("out"));

    separate.args(engine().iter().flat_map(|engine| ["--engine", engine]));
    let output = separate.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let file = |stem: Stem| folder.join("out").join("song").join(format!("{stem}.wav"));
    Stem::ALL
        .map(|stem| entry::read_wav(&file(stem)).1)
        .to_vec()
}

/// Fails unless each of `buses` carries the command's stem.
pub fn assert_same_stems(buses: &[[Vec<f32>; 2]], stems: &[[Vec<f32>; 2]]) {
    assert_eq!(buses.len(), stems.len());
    for (bus, stem) in buses.iter().zip(stems) {
        for (a, b) in bus.iter().zip(stem) {
            let (error_db, correlation) = compare(a, b);
            println!(
                "stem against the command's: error {error_db:.1} dBFS, correlation {correlation:.9}"
            );
            assert!(error_db < -140.0 && correlation > 0.999_999);
        }
    }
}

/// Returns the largest difference of two channels, in dB of full scale, and their correlation.
pub fn compare(a: &[f32], b: &[f32]) -> (f64, f64) {
    assert_eq!(a.len(), b.len());
    let (mut worst, mut ab, mut aa, mut bb) = (0.0_f64, 0.0, 1e-30, 1e-30);
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (f64::from(a), f64::from(b));
        worst = worst.max((a - b).abs());
        (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
    }
    (db(worst), ab / (aa * bb).sqrt())
}
