//! Measures the cost of a block: `process()` of an instance that plays seven buses, called as a
//! CLAP host calls it.
//!
//! `cargo build --release -p sextet-plugin && cargo run --release -p sextet-plugin --example
//! process_cost`

use std::time::{Duration, Instant};

use sextet_plugin_testing::clap_host::Host;
use sextet_plugin_testing::{entry, project};
use sextet_protocol::Fingerprint;

const RATE_HZ: u32 = 48_000;
const BLOCKS: usize = 4_000;

fn main() {
    let frames = u64::from(RATE_HZ) * 60;
    let key = entry::make(project::folders(), RATE_HZ, frames, |stem, side, frame| {
        ((frame * 37 + 11 * stem as u64 + side as u64) % 4096) as f32 / 8192.0
    });
    println!("a minute of stems at {RATE_HZ} Hz, seven buses, the mix with two gains moved");

    for size in [64, 128, 256, 512, 1024, 2048] {
        let mut host = Host::new();
        host.activate(RATE_HZ, size as u32);

        assert!(host.load(&project::with_clip(
            Fingerprint::of(b"x"),
            Some(key),
            RATE_HZ,
            frames,
            0
        )));

        host.wait_for("ready", Duration::from_secs(60));
        let gains = [
            ("Drums gain", host.normalized("Drums gain", -3.0)),
            ("Piano gain", host.normalized("Piano gain", 2.0)),
        ];
        host.set(&gains);
        std::thread::sleep(Duration::from_secs(1));
        report(&mut host, size);
    }
}

/// Times blocks one by one, including the host's own copying, which is the same for all plugins.
fn report(host: &mut Host, size: usize) {
    let input = vec![0.25; size];
    let mut took: Vec<Duration> = (0..BLOCKS)
        .map(|block| {
            let at = (block * size % (58 * RATE_HZ as usize)) as i64;
            let begun = Instant::now();
            host.play([&input, &input], Some(at));
            begun.elapsed()
        })
        .collect();

    took.sort();
    let share =
        |duration: Duration| 100.0 * duration.as_secs_f64() * f64::from(RATE_HZ) / size as f64;
    let (median, worst) = (took[BLOCKS / 2], took[BLOCKS * 999 / 1000]);

    println!(
        "{size:5} frames: median {:6.1} us ({:.2} % of real time), 99.9th percentile {:6.1} us",
        median.as_secs_f64() * 1e6,
        share(median),
        worst.as_secs_f64() * 1e6,
    );
}
