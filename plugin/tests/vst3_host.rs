//! Tests of the plugin in a VST3 host: buses on and off, the first block of a render, and instances
//! that are removed while they are automated.
#![cfg(not(target_os = "macos"))]

use std::path::Path;
use std::time::Duration;

use sextet_plugin_testing::vst3_host::{load, process};
use sextet_plugin_testing::{bundle, project};
use vst3_host::ProcessMode;
use vst3_host::audio::{BusDirection, MediaType};

#[test]
fn buses_may_be_switched_off_one_by_one_and_all_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut plugin = load(&bundle(folder.path()), 48_000);
    assert_eq!(plugin.audio_bus_layout().unwrap().outputs.len(), 7);
    assert_eq!(plugin.latency_samples(), 0);
    let mut cases = 0;

    // One bit for each auxiliary bus.
    for off in [0_u32, 1, 2, 32, 21, 42, 63, 0] {
        for bus in 0..6 {
            plugin
                .set_bus_active(
                    MediaType::Audio,
                    BusDirection::Output,
                    1 + bus,
                    off & 1 << bus == 0,
                )
                .unwrap();
        }

        plugin.start_processing().unwrap();
        for _ in 0..3 {
            let outputs = process(&mut plugin, 0.25);
            assert!(
                outputs[0].iter().flatten().all(|&sample| sample == 0.25),
                "{off:b}"
            );

            for (bus, outputs) in outputs[1..].iter().enumerate() {
                if off & 1 << bus == 0 {
                    assert!(
                        outputs.iter().flatten().all(|&sample| sample == 0.0),
                        "{off:b}"
                    );
                }
            }
        }

        plugin.stop_processing().unwrap();
        cases += 1;
    }

    println!("{cases} sets of buses");
}

#[test]
fn a_thousand_instances_are_created_automated_and_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = bundle(folder.path());
    for round in 0..1_000_u32 {
        let mut plugin = load(&bundle, 48_000);
        let gain = plugin.find_parameter("Bass gain").unwrap().id;
        plugin.start_processing().unwrap();
        for offset in [0, 100, 300] {
            plugin
                .set_parameter_at(gain, f64::from(round % 10) / 10.0, offset)
                .unwrap();
        }
        process(&mut plugin, 0.5);
    }
}

/// A render waits for stems from its first block on, so the mode has to arrive in time.
#[test]
fn the_first_block_of_a_render_already_waits() {
    let folder = tempfile::tempdir().unwrap();
    let mut plugin = load(&bundle(folder.path()), 48_000);
    let capture = plugin.find_parameter("Capture").unwrap().id;

    // The command does not exist, so the job fails once it is started. A render waits for that;
    // real time does not.
    project::use_command(Path::new("/nowhere/sextet"));
    plugin.set_process_mode(ProcessMode::Offline).unwrap();
    plugin.start_processing().unwrap();
    plugin.set_parameter_at(capture, 1.0, 0).unwrap();
    plugin.set_playing(true).unwrap();

    for _ in 0..20 {
        process(&mut plugin, 0.5);
    }

    plugin.set_playing(false).unwrap();
    process(&mut plugin, 0.0);
    plugin.set_playing(true).unwrap();

    // The job fails at once: the render goes on, dry.
    let outputs = process(&mut plugin, 0.25);
    assert!(outputs[0].iter().flatten().all(|&sample| sample == 0.25));
    std::thread::sleep(Duration::from_millis(10));
}
