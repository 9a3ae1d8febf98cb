//! `sextet engine check`: compares the stems of an engine on the GPU with those of another engine,
//! on any song.

use std::path::Path;

use anyhow::Result;
use sextet_separator::audio::Audio;
use sextet_separator::{EngineChoice, EngineOptions, InMemory, Model, Options, Separator, Stem};

use crate::args::{AgainstArg, CheckArgs};
use crate::engine::Waiting;
use crate::{decoding, models, stdio};

/// The difference between two engines in one stem.
#[derive(Debug, serde::Serialize)]
struct Difference {
    stem: Stem,
    /// Norm of the difference over the norm of the reference.
    relative_error: f64,
    /// Largest difference of a sample.
    peak: f64,
    /// Whether every sample is finite.
    finite: bool,
}

pub(super) fn run(args: &CheckArgs) -> Result<()> {
    let engine = super::engine(&args.engine, args.batch)?;
    let reference = match args.against {
        AgainstArg::Cpu => EngineOptions::new().engine(EngineChoice::Cpu),
        AgainstArg::Fp32 => EngineOptions::new()
            .engine(EngineChoice::TensorRt)
            .gpu(engine.gpu.clone().full_precision(true)),
    };

    // Separate the song on both engines and compare the stems.
    let model = models::open(&args.engine.model)?;
    let (stems, name) = separate(&model, engine, &args.song, args)?;
    let (expected, other) = separate(&model, reference, &args.song, args)?;

    let differences: Vec<Difference> = model
        .sources()
        .iter()
        .zip(stems.iter().zip(&expected))
        .map(|(&stem, (found, expected))| compare(stem, found, expected))
        .collect();

    if args.json {
        let report = serde_json::json!({ "engine": name, "against": other, "stems": differences });
        stdio::out(&report.to_string());
        return Ok(());
    }

    stdio::out(&format!("{name}\nagainst {other}\n"));
    stdio::out("stem      relative error   largest difference");

    for d in &differences {
        let bad = if d.finite { "" } else { "   NOT FINITE" };
        stdio::out(&format!(
            "{:<8}  {:>14.2e}   {:>18.2e}{bad}",
            d.stem.name(),
            d.relative_error,
            d.peak
        ));
    }

    Ok(())
}

fn separate(
    model: &Model,
    engine: EngineOptions,
    song: &Path,
    args: &CheckArgs,
) -> Result<(Vec<Audio>, String)> {
    let mut listener = Waiting::new(args.json);
    let mut separator = Separator::builder(model.clone())
        .backend(engine)
        .listener(&mut listener)
        .build()?;
    let song = decoding::open(song)?;
    let mut stems = InMemory::default();
    let options = Options::new().single_chunk(args.single_chunk);

    separator.separate(&song, &options, &mut stems, &mut listener)?;
    let stems = stems
        .into_parts()
        .into_iter()
        .map(|(_, stem)| stem)
        .collect();

    Ok((stems, separator.engine_name()))
}

fn compare(stem: Stem, found: &Audio, expected: &Audio) -> Difference {
    let (mut error, mut power, mut peak, mut finite) = (0.0, 0.0, 0.0_f64, true);
    for (found, expected) in found.channels().iter().zip(expected.channels()) {
        for (found, expected) in found.iter().zip(expected) {
            let difference = f64::from(*found) - f64::from(*expected);
            error += difference * difference;
            power += f64::from(*expected).powi(2);
            peak = peak.max(difference.abs());
            finite &= found.is_finite();
        }
    }

    Difference {
        stem,
        relative_error: (error / power.max(f64::MIN_POSITIVE)).sqrt(),
        peak,
        finite,
    }
}
