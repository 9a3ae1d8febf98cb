//! Tests of faults around an instance: in each case the host survives and the instance reports the
//! fault. Faults of the command are tested with the session, `session/tests/faults.rs`.

#![cfg(unix)]

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sextet_plugin_testing::clap_host::Host;
use sextet_plugin_testing::{command, entry, project, song};

const PATIENCE: Duration = Duration::from_secs(90);
/// Time limit of a removal: a host that removes a plugin must not wait longer.
const REMOVAL: Duration = Duration::from_secs(5);

/// Held by the test that is running: they share folders, and make them unusable.
static ALONE: Mutex<()> = Mutex::new(());

/// Prepares a test, which runs alone until the value is dropped.
fn alone() -> MutexGuard<'static, ()> {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    project::use_command(command());
    song(1.0);
    alone
}

/// Returns an instance that has just captured a little and therefore separates.
fn captured(seconds: f64) -> (Host, Vec<u8>) {
    let (rate_hz, song) = song(seconds);
    let mut host = Host::new();
    host.activate(rate_hz, 1024);
    host.set(&[("Capture", 1.0)]);

    for first in (0..song[0].len()).step_by(1024) {
        let end = (first + 1024).min(song[0].len());
        host.play(
            [&song[0][first..end], &song[1][first..end]],
            Some(first as i64),
        );
    }

    host.play([&[0.0; 64]; 2], None);
    project::until("a clip", PATIENCE, || {
        let clip = project::saved(&host.save())["clip"].clone();
        if clip.is_null() {
            Err(host.status())
        } else {
            Ok(())
        }
    });

    let state = host.save();
    (host, state)
}

/// Checks that the instance plays dry.
fn check_dry(host: &mut Host) {
    let input = [0.25; 256];
    let heard = host.play([&input; 2], Some(0));
    assert!(heard[0].iter().flatten().all(|&sample| sample == 0.25));
}

fn remove(host: Host) {
    let begun = Instant::now();
    drop(host);
    assert!(
        begun.elapsed() < REMOVAL,
        "removing it took {:?}",
        begun.elapsed()
    );
}

/// Returns the process number of this process' child whose command line ends with `worker`.
fn worker_pid() -> u32 {
    let mut found = 0;
    project::until("a worker", PATIENCE, || {
        let list = Command::new("ps")
            .args([
                "-o",
                "pid=,args=",
                "--ppid",
                &std::process::id().to_string(),
            ])
            .output()
            .unwrap();

        let text = String::from_utf8_lossy(&list.stdout).into_owned();
        let line = text
            .lines()
            .find(|line| line.trim_end().ends_with("sextet worker"));

        match line.and_then(|line| line.split_whitespace().next()?.parse().ok()) {
            Some(pid) => {
                found = pid;
                Ok(())
            }
            None => Err(text),
        }
    });

    found
}

fn signal(pid: u32, name: &str) {
    assert!(
        Command::new("kill")
            .args([&format!("-{name}"), &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_worker_that_is_killed() {
    let _alone = alone();
    let (mut host, _) = captured(6.0);
    host.wait_for("separating", PATIENCE);
    signal(worker_pid(), "KILL");
    host.wait_for(
        "failed: The engine process ended unexpectedly (signal: 9 (SIGKILL))",
        PATIENCE,
    );

    println!("killed: {}", host.status());
    check_dry(&mut host);
    remove(host);
}

/// The worker is stopped, so its job waits; and ends with the instance.
#[test]
fn a_worker_that_is_stopped_goes_with_its_instance() {
    let _alone = alone();
    let (mut host, _) = captured(6.5);
    host.wait_for("separating", PATIENCE);

    let pid = worker_pid();
    signal(pid, "STOP");
    std::thread::sleep(Duration::from_millis(300));
    check_dry(&mut host);
    remove(host);
    assert!(!is_there(pid));
}

#[test]
fn a_worker_in_the_middle_of_a_job_goes_with_its_instance() {
    let _alone = alone();
    let (host, state) = captured(7.0);
    host.wait_for("separating", PATIENCE);
    let pid = worker_pid();
    remove(host);
    assert!(!is_there(pid));

    // Loading the same project again starts the job anew.
    let host = Host::new();
    assert!(host.load(&state));
    host.wait_for("separating", PATIENCE);
    let pid = worker_pid();
    remove(host);
    assert!(!is_there(pid));
}

fn is_there(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_cache_that_cannot_be_written() {
    let _alone = alone();
    let folders = project::folders();
    let stems = folders.stems();
    if stems.exists() {
        std::fs::remove_dir_all(&stems).unwrap();
    }

    std::fs::create_dir_all(folders.cache()).unwrap();

    // A file in the folder's place has the effect that a read-only disk has for a superuser.
    std::fs::write(&stems, "").unwrap();
    let (mut host, _) = captured(0.7);
    host.wait_for("failed", PATIENCE);
    println!("cache not writable: {}", host.status());
    check_dry(&mut host);

    remove(host);
    std::fs::remove_file(&stems).unwrap();
}

#[test]
fn captures_that_cannot_be_written() {
    let _alone = alone();
    let captures = project::folders().captures();
    let aside = captures.with_extension("aside");
    std::fs::rename(&captures, &aside).unwrap();
    std::fs::write(&captures, "").unwrap();
    let (rate_hz, song) = song(0.5);

    let mut host = Host::new();
    host.activate(rate_hz, 8192);
    host.set(&[("Capture", 1.0)]);
    host.play([&song[0][..8192], &song[1][..8192]], Some(0));
    host.play([&[0.0; 64]; 2], None);

    check_dry(&mut host);
    host.wait_for("empty", PATIENCE);
    remove(host);
    std::fs::remove_file(&captures).unwrap();
    std::fs::rename(&aside, &captures).unwrap();
}

#[test]
fn an_entry_that_is_corrupted() {
    let _alone = alone();
    let (host, _) = captured(0.6);
    host.wait_for("ready", PATIENCE);
    let state = host.save();
    let key = project::saved(&state)["clip"]["key"]
        .as_str()
        .unwrap()
        .to_owned();

    remove(host);
    let bass = project::folders().stems().join(&key).join("bass.wav");
    let mut bytes = std::fs::read(&bass).unwrap();
    let good = bytes.clone();

    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(&bass, &bytes).unwrap();

    let host = Host::new();
    assert!(host.load(&state));
    project::until("the entry is made again", PATIENCE, || {
        let same = std::fs::read(&bass).is_ok_and(|found| found == good);
        if same && host.status().starts_with("ready") {
            Ok(())
        } else {
            Err(host.status())
        }
    });

    remove(host);
    let (_, channels) = entry::read_wav(&bass);
    println!("an entry of {} frames was made again", channels[0].len());
}
