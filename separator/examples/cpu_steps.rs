//! Times the steps of the CPU engine: `cpu_steps MODEL [THREADS [RUNS]]`, where MODEL is a
//! checkpoint's path or `sextet-mini`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use sextet_separator::{Model, cpu};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "sextet-mini".to_owned());
    let threads = arguments.next().map(|n| n.parse::<NonZeroUsize>());
    let runs = arguments.next().map_or(Ok(3), |runs| runs.parse())?;
    let model = match name.as_str() {
        "sextet-mini" => Model::bundled()?,
        path => Model::open(Path::new(path))?,
    };

    let line = |name: &str, products: u64, time: Duration| {
        let rate = 2.0 * products as f64 / time.as_secs_f64() / 1e9;
        let ms = time.as_secs_f64() * 1e3;
        println!("{name:44} {ms:9.2} ms {rate:8.1} GFLOP/s");
    };
    let mut kinds: BTreeMap<&str, (u64, Duration)> = BTreeMap::new();
    let mut all = (0, Duration::ZERO);
    for step in cpu::profile(&model, threads.transpose()?, runs)? {
        line(&step.name, step.products, step.time);
        for sum in [kinds.entry(step.kind).or_default(), &mut all] {
            sum.0 += step.products;
            sum.1 += step.time;
        }
    }

    println!();
    for (kind, (products, time)) in kinds {
        line(kind, products, time);
    }
    line("all", all.0, all.1);
    Ok(())
}
