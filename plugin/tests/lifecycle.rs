//! Tests of instances that are created and removed, in numbers and in the middle of work.

use std::time::{Duration, Instant};

use sextet_plugin_testing::clap_host::{Buses, Call, Host};
use sextet_plugin_testing::{
    assert_same_samples, command, entry, in_a_process_of_its_own, project,
};
use sextet_protocol::Fingerprint;

const PATIENCE: Duration = Duration::from_secs(120);
/// Time limit of a removal: a host that removes a plugin must not wait longer.
const REMOVAL: Duration = Duration::from_secs(5);

fn remove(host: Host) {
    let begun = Instant::now();
    drop(host);
    assert!(
        begun.elapsed() < REMOVAL,
        "removing it took {:?}",
        begun.elapsed()
    );
}

#[test]
fn a_hundred_instances_are_open_at_once() {
    let mut hosts: Vec<Host> = (0..100).map(|_| Host::new()).collect();
    for host in &mut hosts {
        host.activate(48_000, 256);
        host.play([&[0.5; 256]; 2], Some(0));
    }
    for host in hosts {
        remove(host);
    }
}

#[test]
fn a_thousand_instances_are_created_automated_and_destroyed() {
    for round in 0..1_000_u32 {
        let mut host = Host::new();
        host.activate(44_100, 64);
        let (stem, gain) = (host.param("Stem"), host.param("Bass gain"));

        let changes = [
            (stem, 0, f64::from(round % 8)),
            (gain, 5, 0.3),
            (gain, 40, 0.7),
        ];

        let input = [0.5; 64];
        let input = [input.as_slice(); 2];
        host.process(&Call {
            input,
            position: Some(0),
            buses: Buses::All,
            changes: &changes,
            locates: &[],
        });
    }
}

#[test]
fn an_instance_is_removed_in_the_middle_of_a_capture() {
    let folders = project::folders();
    let mut host = Host::new();
    host.activate(48_000, 512);
    host.set(&[("Capture", 1.0)]);

    for block in 0..200 {
        host.play([&[0.5; 512]; 2], Some(block * 512));
    }

    host.wait_for("capturing", PATIENCE);
    remove(host);
    let left = std::fs::read_dir(folders.captures()).map_or(0, |entries| {
        entries
            .filter(|entry| {
                entry
                    .as_ref()
                    .unwrap()
                    .file_name()
                    .to_string_lossy()
                    .starts_with('.')
            })
            .count()
    });

    assert_eq!(left, 0, "nothing half-written stays behind");
}

#[test]
fn instances_are_removed_in_the_middle_of_a_load() {
    let frames = 48_000 * 20;
    let key = entry::make(project::folders(), 48_000, frames, |_, _, frame| {
        (frame % 100) as f32 / 200.0
    });

    let state = project::with_clip(Fingerprint::of(b"x"), Some(key), 48_000, frames, 0);
    for round in 0..40 {
        let mut host = Host::new();
        assert!(host.load(&state));
        host.activate([44_100, 48_000][round % 2], 512);

        if round % 3 > 0 {
            host.play([&[0.0; 512]; 2], Some(round as i64 * 10_000));
        }

        if round % 5 == 4 {
            host.wait_for("ready", PATIENCE);
        }

        remove(host);
    }
}

/// A capture in two passes, the second laid over the first, and the state that a project saves of
/// it.
#[test]
fn passes_of_a_capture_land_where_they_belong() {
    project::use_command(command());
    let mut host = Host::new();
    host.activate(48_000, 1_000);

    // The state is loaded into an active instance, as hosts do: captures extend the clip, and
    // nothing is separated.
    let settings = serde_json::json!({ "automatic": false, "extend": true });
    assert!(host.load(&project::framed(
        &serde_json::json!({ "settings": settings })
    )));
    let mut pass = |from: i64, blocks: i64, value: f32, expected: u64| {
        host.set(&[("Capture", 1.0)]);
        for block in 0..blocks {
            host.play([&[value; 1_000]; 2], Some(from + block * 1_000));
        }

        host.play([&[0.0; 10]; 2], None);
        host.set(&[("Capture", 0.0)]);
        project::until("the capture", PATIENCE, || {
            let frames = project::saved(&host.save())["clip"]["frames"].as_u64();
            if frames == Some(expected) {
                Ok(())
            } else {
                Err(format!("{frames:?}"))
            }
        });
    };

    pass(10_000, 20, 0.25, 20_000);
    pass(25_000, 10, 0.5, 25_000);

    let clip = project::saved(&host.save())["clip"].clone();
    assert_eq!(
        (clip["start_frame"].as_i64(), clip["frames"].as_u64()),
        (Some(10_000), Some(25_000))
    );
    let audio: Fingerprint = clip["audio"].as_str().unwrap().parse().unwrap();
    let (rate_hz, [left, _]) = entry::read_wav(&project::folders().capture(&audio));
    let expected: Vec<f32> = (0..25_000)
        .map(|frame| if frame < 15_000 { 0.25 } else { 0.5 })
        .collect();

    assert_eq!(rate_hz, 48_000);
    assert_same_samples(&left, &expected, "the second pass over the first");
}

/// A project that is saved in any phase of an instance loads, also in another process, and never
/// arms the capture.
#[test]
fn a_project_is_saved_in_every_phase() {
    project::use_command(command());
    let frames = 48_000;
    let key = entry::make(project::folders(), 48_000, frames, |_, _, frame| {
        (frame % 50) as f32 / 100.0
    });

    let clip = project::with_clip(Fingerprint::of(b"y"), Some(key), 48_000, frames, 77);
    let mut host = Host::new();
    let mut states = vec![("new", host.save())];

    host.activate(48_000, 512);
    states.push(("active", host.save()));

    assert!(host.load(&clip));
    states.push(("loading", host.save()));
    host.wait_for("ready", PATIENCE);
    states.push(("ready", host.save()));
    host.set(&[("Capture", 1.0), ("Stem", 3.0)]);

    states.push(("armed", host.save()));
    for block in 0..50 {
        host.play([&[0.5; 512]; 2], Some(block * 512));
    }

    host.wait_for("capturing", PATIENCE);
    states.push(("capturing", host.save()));
    host.play([&[0.0; 10]; 2], None);
    host.wait_for("separating", PATIENCE);
    states.push(("separating", host.save()));

    let lost = project::with_clip(
        Fingerprint::of(b"lost"),
        Some(Fingerprint::of(b"too")),
        48_000,
        frames,
        77,
    );

    let host = Host::new();
    assert!(host.load(&lost));
    host.wait_for("failed", PATIENCE);
    states.push(("failed", host.save()));

    let projects = tempfile::tempdir().unwrap();
    for (phase, state) in &states {
        check_restored(phase, state);
        std::fs::write(projects.path().join(phase), state).unwrap();
    }

    let (cache, data) = (project::folders().cache(), project::folders().data());
    in_a_process_of_its_own(
        "restored_in_a_process_of_their_own",
        &[
            ("SEXTET_TEST_PROJECTS", projects.path().as_os_str()),
            ("SEXTET_TEST_CACHE", cache.as_os_str()),
            ("SEXTET_TEST_DATA", data.as_os_str()),
        ],
    );

    // Data that is no project is refused or changes nothing, and never ends the host.
    for rubbish in [
        b"".to_vec(),
        vec![0; 8],
        vec![255; 64],
        project::framed(&serde_json::json!("rubbish")),
    ] {
        let mut host = Host::new();
        host.activate(48_000, 512);
        host.load(&rubbish);
        host.play([&[0.5; 512]; 2], Some(0));
    }
}

/// Loads a project that was saved in a phase, and checks the instance.
fn check_restored(phase: &str, state: &[u8]) {
    let host = Host::new();
    assert!(host.load(state), "{phase}");
    let expected = match phase {
        "new" | "active" => "empty",
        "failed" => "failed: The stems of this clip are no longer in the cache, and its capture",
        _ => "ready",
    };

    host.wait_for(expected, PATIENCE);
    assert_eq!(host.value("Capture"), 0.0, "{phase}");
    let place = |state: &[u8]| {
        let clip = &project::saved(state)["clip"];
        ["audio", "start_frame", "frames"].map(|name| clip[name].clone())
    };

    assert_eq!(place(&host.save()), place(state), "{phase}");
    let chosen = ["armed", "capturing", "separating"].contains(&phase);
    assert_eq!((host.value("Stem") - 3.0).abs() < 1e-6, chosen, "{phase}");
}

/// Run by the test above.
#[test]
#[ignore = "the other test runs it, with projects"]
fn restored_in_a_process_of_their_own() {
    project::use_command(command());
    for file in std::fs::read_dir(std::env::var_os("SEXTET_TEST_PROJECTS").unwrap()).unwrap() {
        let path = file.unwrap().path();
        check_restored(
            path.file_name().unwrap().to_str().unwrap(),
            &std::fs::read(&path).unwrap(),
        );
    }
}
