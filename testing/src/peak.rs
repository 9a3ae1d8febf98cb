//! Peak memory of a process.

use std::process::Command;
use std::time::Instant;

/// Text that precedes the peak in a child's output.
const SAYS: &str = "peak_mb=";

/// Reports the peak memory to the process that started this one with [`of_child`].
pub fn print() {
    println!("{SAYS}{}", peak_mb().unwrap_or(0.0));
}

/// Runs `test` of this executable in a process of its own, with `seconds` in `variable`. Returns
/// its peak memory in megabytes. The test must end with [`print()`].
pub fn of_child(test: &str, variable: &str, seconds: u64) -> f64 {
    of_child_with(test, variable, seconds, None)
}

/// Does the same as [`of_child`], with another environment variable set if needed.
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

/// Returns the peak memory of this process in megabytes, or `None` where the system does not report
/// it.
pub fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? * 1024.0 / 1e6)
}
