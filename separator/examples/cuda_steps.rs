//! Compares the CUDA engine with the interpreter, step by step, and times its start and its
//! kernels: `cuda_steps [--times] MODEL [BATCH [TARGET [MULTIPROCESSORS]]]`.
//!
//! MODEL is a checkpoint's path or `sextet-mini`. TARGET names the compiled kernels, such as
//! `compute_80` for those that the driver compiles, or is `best`. With MULTIPROCESSORS the GPU
//! plays one that has no more, on which kernels whose blocks wait for one another may not fit. With
//! `--times` nothing is compared.

use std::collections::BTreeMap;
use std::path::Path;

use sextet_separator::{Model, cuda};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flags, words): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word == "--times");
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

    // Before anything else, so that the start is the first one of this process.
    let profile =
        cuda::profile(&model, 0, batch, restrictions)?.ok_or("a model without networks")?;
    if flags.is_empty() {
        let (errors, _) = cuda::compare(&model, 0, batch, restrictions, &mix())?;
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

/// Returns a segment of noise and tones.
fn mix() -> Vec<f32> {
    let frames = 343_980;
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
