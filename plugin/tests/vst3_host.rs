//! Tests of the plugin in a VST3 host: buses on and off, the first block of a render, and instances
//! that are removed while they are automated.
#![cfg(not(target_os = "macos"))]

use std::path::Path;
use std::time::Duration;

use sextet_cases::each_case;
use sextet_plugin_testing::vst3_host::{BLOCK, load, process, process_block};
use sextet_plugin_testing::{bundle, project};
use vst3_host::ProcessMode;
use vst3_host::audio::{BusDirection, MediaType, SpeakerArrangement};

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

/// Mono tracks: every layout, changed between activations. What is refused leaves the nearest.
#[test]
fn mono_tracks_have_layouts_of_their_own() {
    const MONO: SpeakerArrangement = SpeakerArrangement::MONO;
    const STEREO: SpeakerArrangement = SpeakerArrangement::STEREO;
    let folder = tempfile::tempdir().unwrap();
    let mut plugin = load(&bundle(folder.path()), 48_000);

    // The arrangements of main input, main output and auxiliary outputs, and those that are kept.
    let cases = [
        ([MONO, STEREO, STEREO], [MONO, STEREO]),
        ([MONO, MONO, STEREO], [MONO, MONO]),
        ([STEREO, STEREO, STEREO], [STEREO, STEREO]),
        ([MONO, MONO, MONO], [MONO, MONO]),
        ([STEREO, MONO, STEREO], [MONO, MONO]),
        ([MONO, STEREO, MONO], [MONO, STEREO]),
        ([STEREO, STEREO, STEREO], [STEREO, STEREO]),
    ];
    each_case(cases, |([input, main, aux], kept)| {
        let outputs = [[main].as_slice(), &[aux; 6]].concat();
        let taken = plugin.set_bus_arrangements(&[input], &outputs).is_ok();
        let found = plugin.bus_arrangements().unwrap();
        assert_eq!([found.inputs[0], found.outputs[0]], kept);
        assert_eq!(found.outputs[1..], [STEREO; 6]);
        assert_eq!(taken, kept == [input, main] && aux == STEREO);

        // This host does not look again when it was refused, and would hand over other channels.
        if !taken {
            return;
        }
        plugin.start_processing().unwrap();
        let outputs = process_block(&mut plugin, [&[0.5; BLOCK], &[0.25; BLOCK]]);
        let expected: &[f32] = match kept {
            [MONO, STEREO] => &[0.5, 0.5],
            [MONO, _] => &[0.5],
            _ => &[0.5, 0.25],
        };
        assert_eq!(outputs[0].len(), expected.len());
        for (channel, &expected) in outputs[0].iter().zip(expected) {
            assert!(channel.iter().all(|&sample| sample == expected));
        }
        assert!(
            outputs[1..]
                .iter()
                .flatten()
                .flatten()
                .all(|&sample| sample == 0.0)
        );
        plugin.stop_processing().unwrap();
    });
}

/// More points of automation than nice-plug has room for. In tests `process()` aborts when it
/// allocates.
#[test]
fn thousands_of_points_in_a_block_are_thinned_to_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let mut plugin = load(&bundle(folder.path()), 48_000);
    let gains = ["Drums gain", "Bass gain", "Piano gain"]
        .map(|name| plugin.find_parameter(name).unwrap().id);

    plugin.start_processing().unwrap();
    for round in 0..3_u32 {
        // The host's own lists have room for 4096 points.
        for point in 0..1_300_u32 {
            let value = f64::from(point) / 1_300.0;
            for gain in gains {
                let offset = (point * BLOCK as u32 / 1_300) as i32;
                plugin.set_parameter_at(gain, value, offset).unwrap();
            }
        }
        let last = 0.25 * f64::from(round + 1);
        for gain in gains {
            plugin
                .set_parameter_at(gain, last, BLOCK as i32 - 1)
                .unwrap();
        }

        process(&mut plugin, 0.5);
        for gain in gains {
            let found = plugin.get_parameter(gain).unwrap();
            assert!((found - last).abs() < 1e-6, "{found}, expected {last}");
        }
    }
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
