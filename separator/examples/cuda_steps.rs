//! Compares the CUDA engine with the interpreter, step by step, and times its start and its
//! kernels: `cuda_steps [--times | --each] MODEL [BATCH [TARGET [MULTIPROCESSORS]]]`.
//!
//! MODEL is a checkpoint's path or `sextet-mini`. TARGET names the compiled kernels, such as
//! `compute_80` for those that the driver compiles, or is `best`. With MULTIPROCESSORS the GPU
//! plays one that has no more, on which kernels whose blocks wait for one another may not fit. With
//! `--times` nothing is compared; with `--each` every step runs by itself on random inputs of its
//! own, three times, into outputs full of NaN, and nothing is timed.

use std::collections::BTreeMap;
use std::path::Path;

use sextet_separator::{Model, cuda};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flags, words): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|word| word.starts_with("--"));
    let mut words = words.iter().map(String::as_str);
    let name = words.next().unwrap_or("sextet-mini");
    let batch = words.next().map_or(Ok(1), str::parse)?;
    let restrictions = cuda::Restrictions {
        target: words.next().filter(|target| *target != "best"),
        multiprocessors: words.next().map(str::parse).transpose()?,
    };
    let model = match name {
        "sextet-mini" => Model::bundled()?,
        path => Model::open(Path::new(path))?,
    };

    if flags.iter().any(|flag| flag == "--each") {
        return each(&model, batch, restrictions);
    }

    // Before anything else, so that the start is the first one of this process.
    let profile =
        cuda::profile(&model, 0, batch, restrictions)?.ok_or("a model without networks")?;
    if flags.is_empty() {
        let (errors, _) =
            cuda::compare(&model, 0, batch, restrictions, &mix(model.segment_frames()))?;
        for error in &errors {
            let finite = if error.finite { "" } else { "  NOT FINITE" };
            println!("{:50} {:.2e}{finite}", error.name, error.relative);
        }
    }

    println!(
        "{name}, batch {batch}: {:.3} ms a chunk, {} MB, start {:.3} s",
        profile.segment_ms,
        profile.bytes / 1_000_000,
        profile.start.as_secs_f64()
    );
    let mut kinds: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    let mut sum = 0.0;
    for time in &profile.launches {
        let kernel = time.name.rsplit(' ').next().unwrap_or_default().to_owned();
        let kind = kinds.entry(kernel).or_default();
        kind.0 += 1;
        kind.1 += time.microseconds;
        sum += time.microseconds;
        println!("  {:60} {:8.2} us", time.name, time.microseconds);
    }
    for (kernel, (launches, time)) in kinds {
        println!("{kernel:24} {launches:4} {time:8.1} us");
    }
    println!("sum {sum:.1} us a chunk");
    Ok(())
}

/// Compares every step by itself, and fails where one is not as it should be.
fn each(
    model: &Model,
    batch: usize,
    restrictions: cuda::Restrictions<'_>,
) -> Result<(), Box<dyn std::error::Error>> {
    // A result is rounded to float16, which costs 2.1e-4 on average, and so are the tensors between
    // the kernels of a step.
    const MOST: f64 = 1.2e-3;

    let errors = cuda::compare_each(model, 0, batch, restrictions, &mix(model.segment_frames()))?;
    let mut worst: BTreeMap<&str, f64> = BTreeMap::new();
    for error in &errors {
        if !error.finite || error.relative > MOST {
            return Err(format!("{}: relative error {:.2e}", error.name, error.relative).into());
        }
        let kind = error.name.rsplit('.').next().unwrap_or_default();
        let most = worst.entry(kind).or_default();
        *most = most.max(error.relative);
    }
    for (kind, error) in worst {
        println!("  {kind:24} {error:.1e}");
    }
    println!("{} outputs of steps, all as they should be", errors.len());
    Ok(())
}

/// Returns a segment of noise and tones.
fn mix(frames: usize) -> Vec<f32> {
    let mut state = 1u32;
    (0..2 * frames)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let tone = (n as f32 * 0.031).sin() * (n as f32 * 0.0003).sin();
            1.2 * noise * (n as f32 * 0.000_11).sin().abs() + tone
        })
        .collect()
}
