//! How much memory a process has held.
#![allow(
    unreachable_pub,
    reason = "used inside of the library and by its tests"
)]

use std::process::Command;
use std::time::Instant;

/// What a child says its peak after.
const SAYS: &str = "peak_mb=";

/// Tells the process that started this one, by [`of_child`], how much memory was held.
pub fn say() {
    println!("{SAYS}{}", peak_mb().unwrap_or(0.0));
}

/// Runs `test` of this executable in a process of its own, with `seconds` in `variable`; the most
/// memory that it held, in megabytes. The test ends with [`say`].
#[allow(dead_code, reason = "not every test has a child")]
pub fn of_child(test: &str, variable: &str, seconds: u64) -> f64 {
    of_child_with(test, variable, seconds, None)
}

/// The same with another variable set, if need be.
#[allow(dead_code, reason = "not every test has a child")]
pub fn of_child_with(
    test: &str,
    variable: &str,
    seconds: u64,
    setting: Option<(&str, &str)>,
) -> f64 {
    let start = Instant::now();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command
        .args([test, "--exact", "--nocapture"])
        .env(variable, seconds.to_string())
        .envs(setting)
        .output()
        .unwrap();

    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let peak: f64 = text
        .split_once(SAYS)
        .unwrap()
        .1
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();

    println!(
        "{seconds} s of song: {peak:.0} MB at most, {:.1} s",
        start.elapsed().as_secs_f64()
    );
    peak
}

/// The most memory that this process has held, in megabytes; `None` where the system does not say.
pub fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? * 1024.0 / 1e6)
}
