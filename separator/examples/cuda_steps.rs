//! Compares the CUDA engine with the interpreter, step by step, and times its kernels:
//! `cuda_steps MODEL [BATCH [TARGET]]`, where MODEL is a checkpoint's path or `sextet-mini`, and
//! TARGET names the compiled kernels, such as `compute_80` for those that the driver compiles.

use std::collections::BTreeMap;
use std::path::Path;

use sextet_separator::{Model, cuda};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "sextet-mini".to_owned());
    let batch = arguments.next().map_or(Ok(1), |batch| batch.parse())?;
    let target = arguments.next();
    let target = target.as_deref();
    let model = match name.as_str() {
        "sextet-mini" => Model::bundled()?,
        path => Model::open(Path::new(path))?,
    };

    let frames = 343_980;
    let mut state = 1u32;
    let mix: Vec<f32> = (0..2 * frames)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let tone = (n as f32 * 0.031).sin() * (n as f32 * 0.0003).sin();
            1.2 * noise * (n as f32 * 0.000_11).sin().abs() + tone
        })
        .collect();
    let (errors, _) = cuda::compare(&model, 0, batch, target, &mix)?;
    for error in &errors {
        let finite = if error.finite { "" } else { "  NOT FINITE" };
        println!("{:50} {:.2e}{finite}", error.name, error.relative);
    }

    let (whole, bytes, times) = cuda::profile(&model, 0, batch, target)?;
    println!(
        "{name}, batch {batch}: {whole:.3} ms a chunk, {} MB",
        bytes / 1_000_000
    );
    let mut kinds: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    let mut sum = 0.0;
    for time in &times {
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
