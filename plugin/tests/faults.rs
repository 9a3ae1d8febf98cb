//! Tests of faults around an instance: in each case the host survives and the instance reports the
//! fault.

#![cfg(unix)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sextet_protocol::worker::PROTOCOL;
use support::clap_host::Host;
use support::{command, entry, project, song};

const PATIENCE: Duration = Duration::from_secs(90);
/// Time limit of a removal: a host that removes a plugin must not wait longer.
const REMOVAL: Duration = Duration::from_secs(5);

/// Writes a command that runs a shell script.
fn script(folder: &Path, name: &str, lines: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
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

/// A single test, because all of it changes the environment that workers are started in.
#[test]
fn whatever_happens_the_host_lives_and_the_instance_says_what() {
    project::use_command(command());
    song(1.0);
    let folder = tempfile::tempdir().unwrap();
    strange_commands(folder.path());
    project::use_command(command());
    a_worker_that_is_killed_or_stopped();
    a_cache_that_cannot_be_used(folder.path());
    an_entry_that_is_corrupted();
}

fn strange_commands(folder: &Path) {
    let not_executable = folder.join("text");
    std::fs::write(&not_executable, "hello").unwrap();
    let hello = r#"{"type":"hello","protocol":99,"version":"9.9.9","engines":[],"models":[]}"#;
    let refused =
        r#"{"type":"refused","protocol":99,"version":"8.8.8","message":"m","remedy":"r"}"#;

    let fine = format!(
        r#"{{"type":"hello","protocol":{PROTOCOL},"version":"0.1.0","engines":[],"models":[]}}"#
    );
    let cases = [
        (folder.join("nowhere"), "there is no such file"),
        (not_executable, "it may not be executed"),
        (script(folder, "ends", "echo oh no >&2; exit 3"), "oh no"),
        (
            script(folder, "rubbish", "echo rubbish; exec sleep 600"),
            "rubbish",
        ),
        (
            script(
                folder,
                "binary",
                "head -c 3000000 /dev/zero; echo; exec sleep 600",
            ),
            "does not answer as a sextet command does",
        ),
        (
            script(folder, "newer", &format!("echo '{hello}'; exec sleep 600")),
            "of another version (9.9.9)",
        ),
        (
            script(
                folder,
                "refuses",
                &format!("read line; echo '{refused}'; exec sleep 600"),
            ),
            "of another version (8.8.8)",
        ),
        (
            script(
                folder,
                "dies",
                &format!("echo '{fine}'; read line; read line; exit 7"),
            ),
            "ended unexpectedly (exit status: 7)",
        ),
        (
            script(folder, "babbles", &format!("echo '{fine}'; yes")),
            "does not answer as a sextet command does",
        ),
    ];

    for (path, expected) in cases {
        project::use_command(&path);
        let (mut host, _) = captured(0.5);
        project::until(expected, PATIENCE, || {
            let status = host.status();
            if status.starts_with("failed") && status.contains(expected) {
                Ok(())
            } else {
                Err(status)
            }
        });

        println!(
            "{}: {}",
            path.file_name().unwrap().to_string_lossy(),
            host.status()
        );

        check_dry(&mut host);
        remove(host);
    }

    // A command that never answers is waited for, but delays nothing else.
    project::use_command(&script(folder, "silent", "exec sleep 600"));
    let (mut host, _) = captured(0.5);
    host.wait_for("starting", PATIENCE);
    check_dry(&mut host);
    remove(host);
}

fn a_worker_that_is_killed_or_stopped() {
    let (mut host, state) = captured(6.0);
    host.wait_for("separating", PATIENCE);
    signal(worker_pid(), "KILL");
    host.wait_for(
        "failed: The engine process ended unexpectedly (signal: 9 (SIGKILL))",
        PATIENCE,
    );

    println!("killed: {}", host.status());
    check_dry(&mut host);

    // Loading the same project again starts the job anew. The worker is stopped, so the job waits;
    // and ends with the instance.
    let other = Host::new();
    assert!(other.load(&state));
    other.wait_for("separating", PATIENCE);

    let pid = worker_pid();
    signal(pid, "STOP");
    std::thread::sleep(Duration::from_millis(300));
    check_dry(&mut host);
    remove(other);

    let is_gone = || !Path::new(&format!("/proc/{pid}")).exists();
    assert!(is_gone(), "a stopped worker goes with its instance");

    // The worker ends, too, when the instance is removed in the middle of a job.
    let third = Host::new();
    assert!(third.load(&state));
    third.wait_for("separating", PATIENCE);
    let pid = worker_pid();

    remove(third);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

fn a_cache_that_cannot_be_used(folder: &Path) {
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

    // The same holds for captures.
    let captures = folders.captures();
    let aside = folder.join("captures");
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

fn an_entry_that_is_corrupted() {
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
