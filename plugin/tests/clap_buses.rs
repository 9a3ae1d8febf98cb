//! Tests of the plugin in a CLAP host: buses, positions and parameters, with stems of which every
//! sample is known.

#![allow(
    clippy::needless_range_loop,
    reason = "a frame is a place in all channels"
)]

use std::sync::OnceLock;
use std::time::Duration;

use sextet_cases::each_case;
use sextet_plugin_testing::clap_host::{Buses, Call, Host};
use sextet_plugin_testing::{BUSES, BusAudio, entry, project};
use sextet_protocol::{Fingerprint, Stem};

const RATE_HZ: u32 = 48_000;
const FRAMES: u64 = 100_000;
const START: i64 = 1_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn value(stem: Stem, side: usize, frame: u64) -> f32 {
    ((frame * 37 + 11 * stem as u64 + 5 * side as u64) % 4096) as f32 / 8192.0 - 0.25
}

/// Returns a host that has loaded a project with stems. It renders offline, so that it waits for
/// reads.
fn host_with_stems() -> Host {
    static KEY: OnceLock<Fingerprint> = OnceLock::new();
    let key = *KEY.get_or_init(|| entry::make(project::folders(), RATE_HZ, FRAMES, value));

    let mut host = Host::new();
    host.set_offline(true);
    host.activate(RATE_HZ, 8192);

    assert!(host.load(&project::with_clip(
        Fingerprint::of(b"x"),
        Some(key),
        RATE_HZ,
        FRAMES,
        START
    )));

    host.wait_for("ready", PATIENCE);
    host
}

/// Returns the expected sample of a bus at a frame of the timeline while the mix is at 0 dB.
fn expected(bus: usize, side: usize, position: i64, dry: f32) -> f32 {
    let frame = position - START;
    let inside = (0..FRAMES as i64).contains(&frame);
    let stem = |stem: Stem| {
        if inside {
            value(stem, side, frame as u64)
        } else {
            0.0
        }
    };

    match bus {
        0 if inside => Stem::ALL
            .map(stem)
            .into_iter()
            .fold(0.0, |sum, sample| sum + sample),
        0 => dry,
        _ => stem(Stem::ALL[bus - 1]),
    }
}

fn check(heard: &BusAudio, bus: usize, position: i64, dry: f32) {
    for side in 0..2 {
        for (frame, &sample) in heard[bus][side].iter().enumerate() {
            let at = position + frame as i64;
            assert_eq!(
                sample,
                expected(bus, side, at, dry),
                "{} at {at}",
                BUSES[bus]
            );
        }
    }
}

#[test]
fn ports_and_parameters_are_as_announced() {
    let host = Host::new();
    assert_eq!(host.port_names(false), BUSES);
    assert_eq!(host.port_names(true), ["Input"]);
    assert_eq!(host.layouts(), [[2, 2], [1, 2], [1, 1]]);
    assert_eq!(host.params().len(), 3 + 3 * 6);
    assert_eq!(host.latency(), 0);
}

#[test]
fn without_a_clip_the_track_plays_dry() {
    let mut host = Host::new();
    host.activate(44_100, 512);

    let input: Vec<f32> = (0..512).map(|n| n as f32 / 512.0).collect();
    each_case([None, Some(0), Some(-5_000)], |position| {
        let heard = host.play([&input, &input], position);
        assert_eq!(heard[0], [input.clone(), input.clone()]);
        assert!(
            heard[1..]
                .iter()
                .flatten()
                .flatten()
                .all(|&sample| sample == 0.0)
        );
    });

    host.wait_for("empty", PATIENCE);
}

/// The buses that a host hands over are correct, however few they are.
#[test]
fn absent_inactive_and_null_buses_cost_the_others_nothing() {
    let mut host = host_with_stems();
    let dry = [0.5; 700];

    let mut checked = 0;
    let cases = [
        Buses::All,
        Buses::MainOnly,
        Buses::NoAuxChannels,
        Buses::NullAuxTables,
        Buses::NullAuxChannels,
        Buses::Holes,
        Buses::NoInput,
        Buses::NullMain,
        Buses::All,
    ];
    each_case(cases, |buses| {
        let positions = [START - 300, START + 5_000, START + FRAMES as i64 - 100];
        each_case(positions, |position| {
            let input = [dry.as_slice(); 2];
            let heard = host.process(&Call {
                input,
                position: Some(position),
                buses,
                changes: &[],
                locates: &[],
            });

            let dry = if buses == Buses::NoInput { 0.0 } else { 0.5 };
            for bus in 0..7 {
                let there = match buses {
                    Buses::All | Buses::NoInput => true,
                    Buses::Holes => bus % 2 == 1 || bus == 0,
                    Buses::NullMain => bus > 0,
                    _ => bus == 0,
                };
                if there {
                    check(&heard, bus, position, dry);
                    checked += 1;
                }
            }
        });
    });

    println!("{checked} buses");
}

#[test]
fn every_block_size_and_jump_is_exact_to_the_sample() {
    let mut host = host_with_stems();
    let mut position = START - 1_000;
    let dry = vec![0.25; 8192];

    for (round, size) in [1, 2, 3, 17, 64, 100, 441, 512, 1023, 1024, 4096, 8191, 8192]
        .repeat(3)
        .into_iter()
        .enumerate()
    {
        let heard = host.play([&dry[..size]; 2], Some(position));
        (0..7).for_each(|bus| check(&heard, bus, position, 0.25));
        position += size as i64;
        if round % 5 == 4 {
            position = START + (round as i64 * 7_919) % FRAMES as i64;
        }
    }
}

/// A host that loops in the middle of a block sends the new position as an event.
#[test]
fn a_locate_within_a_block_is_heard_where_it_is() {
    let mut host = host_with_stems();
    let dry = [0.0; 1_000];

    let gain = host.param("Drums gain");
    each_case([false, true], |with_automation| {
        // A change to the current value splits the block all the same.
        let same = host.normalized("Drums gain", 0.0);
        let changes = [(gain, 100, same), (gain, 650, same)];
        let changes = if with_automation {
            changes.as_slice()
        } else {
            &[]
        };

        let locates = [(400, START + 50_000), (800, START + 10)];
        let input = [dry.as_slice(); 2];

        let position = Some(START + 2_000);
        let heard = host.process(&Call {
            input,
            position,
            buses: Buses::All,
            changes,
            locates: &locates,
        });

        for bus in 0..7 {
            for frame in 0..1_000_i64 {
                let at = match frame {
                    0..400 => START + 2_000 + frame,
                    400..800 => START + 50_000 + frame - 400,
                    _ => START + 10 + frame - 800,
                };
                assert_eq!(
                    heard[bus][1][frame as usize],
                    expected(bus, 1, at, 0.0),
                    "{} at frame {frame}",
                    BUSES[bus]
                );
            }
        }
    });
}

#[test]
fn the_stem_parameter_chooses_and_switches_without_a_click() {
    let mut host = host_with_stems();
    let settle = vec![0.0; 2_000];
    let choices = [
        "Dry", "Drums", "Bass", "Other", "Vocals", "Guitar", "Piano", "Mix",
    ];

    let stem = host.param("Stem");
    for (number, name) in choices.into_iter().enumerate() {
        host.set(&[("Stem", number as f64)]);
        host.play([&settle, &settle], Some(START));
        let input = [0.125; 256];
        let heard = host.play([&input; 2], Some(START + 2_000));

        let bus = BUSES.iter().position(|bus| *bus == name);
        for (frame, &sample) in heard[0][0].iter().enumerate() {
            let at = START + 2_000 + frame as i64;
            let wanted = if name == "Dry" {
                0.125
            } else {
                expected(bus.unwrap_or(0), 0, at, 0.0)
            };
            assert_eq!(sample, wanted, "{name} at {at}");
        }

        assert!((host.value("Stem") - number as f64).abs() < 1e-6);
    }

    // Automated in the middle of a block: from the mix to dry, of constant signals.
    let changes = [(stem, 500, 0.0)];
    let input = [0.75; 2_000];

    let input = [input.as_slice(); 2];
    let call = Call {
        input,
        position: Some(START + 3_000),
        buses: Buses::All,
        changes: &changes,
        locates: &[],
    };

    let heard = host.process(&call);
    for (frame, &sample) in heard[0][0].iter().enumerate() {
        let mix = expected(0, 0, START + 3_000 + frame as i64, 0.0);
        let part = ((frame as f32 - 499.0) / 480.0).clamp(0.0, 1.0);
        let wanted = mix * (1.0 - part) + 0.75 * part;
        assert!(
            (sample - wanted).abs() < 1e-4,
            "frame {frame}: {sample}, expected {wanted}"
        );
    }
}

#[test]
fn gains_mutes_and_solos_make_the_mix() {
    let mut host = host_with_stems();
    let settle = vec![0.0; 2_000];
    type Case = (&'static [(&'static str, f64)], [f32; 6]);

    // 10 to the power of -6 / 20, and of 12 / 20.
    let (softer, louder) = (0.501_187_2, 3.981_071_7);
    let cases: [Case; 4] = [
        (
            &[("Drums gain", -6.0), ("Piano gain", 12.0)],
            [softer, 1.0, 1.0, 1.0, 1.0, louder],
        ),
        (
            &[
                ("Drums gain", -60.0),
                ("Piano gain", 0.0),
                ("Bass mute", 1.0),
            ],
            [0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
        ),
        (
            &[("Vocals solo", 1.0), ("Bass solo", 1.0)],
            [0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
        ),
        (
            &[
                ("Vocals solo", 0.0),
                ("Bass solo", 0.0),
                ("Bass mute", 0.0),
                ("Drums gain", 0.0),
            ],
            [1.0; 6],
        ),
    ];

    each_case(cases, |(changes, levels)| {
        // The host normalizes plain values of gains.
        let changes: Vec<(&str, f64)> = changes
            .iter()
            .map(|&(name, value)| (name, host.normalized(name, value)))
            .collect();
        host.set(&changes);
        host.play([&settle, &settle], Some(START));

        let heard = host.play([&[0.0; 500]; 2], Some(START + 2_000));
        for (frame, &sample) in heard[0][0].iter().enumerate() {
            let at = START + 2_000 + frame as i64;
            let wanted: f32 = (0..6)
                .map(|stem| levels[stem] * expected(1 + stem, 0, at, 0.0))
                .sum();
            assert!(
                (sample - wanted).abs() < 2e-6,
                "{changes:?}: {sample}, expected {wanted}"
            );
        }

        // The auxiliary buses carry the unchanged stems.
        (1..7).for_each(|bus| check(&heard, bus, START + 2_000, 0.0));
    });
}

#[test]
fn outside_of_the_clip_it_is_dry_or_silent() {
    let mut host = host_with_stems();
    each_case([(1.0, 0.0), (0.0, 1.0)], |(choice, level)| {
        host.set(&[("Outside the clip", choice)]);
        let input = [0.5; 1_000];
        host.play([&input; 2], Some(START - 50_000));

        let heard = host.play([&input; 2], Some(START - 500));
        for frame in 0..1_000 {
            let wanted = if frame < 500 {
                0.5 * level
            } else {
                expected(0, 0, START - 500 + frame as i64, 0.0)
            };
            assert_eq!(heard[0][0][frame], wanted, "frame {frame}");
        }
    });
}

/// A host may send any number of changes in a block. In tests `process()` aborts when it allocates.
#[test]
fn thousands_of_points_in_a_block_end_with_the_last() {
    let mut host = host_with_stems();
    let gain = host.param("Drums gain");
    let same = host.normalized("Drums gain", 0.0);
    let mut changes: Vec<_> = (0..20_000_u32)
        .map(|point| (gain, point / 10, f64::from(point % 997) / 997.0))
        .collect();
    changes.push((gain, 1_999, same));
    let locates: Vec<_> = (0..200)
        .map(|n| (10 * n, START + 100 * i64::from(n)))
        .collect();

    host.process(&Call {
        input: [&[0.0; 2_000]; 2],
        position: Some(START),
        buses: Buses::All,
        changes: &changes,
        locates: &locates,
    });
    assert!((host.value("Drums gain") - same).abs() < 1e-6);
}

/// The dry signal is not computed with and passes bit for bit: denormals, whose exponent is 0, and
/// numbers that are none.
#[test]
fn the_dry_signal_passes_bit_for_bit() {
    let mut host = host_with_stems();
    host.set(&[("Stem", 0.0)]);
    let settle = [0.0; 2_000];
    host.play([&settle; 2], Some(START));

    let bits = [
        1,
        0x8000_0001,
        0x007f_ffff,
        0x8000_0000,
        0x7fc0_0001,
        0x7f80_0000,
        0x3f80_0000,
    ];
    let input: Vec<f32> = bits.repeat(100).into_iter().map(f32::from_bits).collect();
    each_case(
        [
            None,
            Some(START - 100_000),
            Some(START - 300),
            Some(START + 2_000),
        ],
        |position| {
            let heard = host.play([&input, &input], position);
            for channel in &heard[0] {
                let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
                assert!(channel.iter().zip(&input).all(same), "{position:?}");
            }
        },
    );
}

/// A host switches to offline rendering between two blocks of one activation: the next block waits
/// for the stems that are being opened.
#[test]
fn the_mode_of_rendering_changes_between_blocks() {
    let mut host = host_with_stems();
    let with_stems = host.save();
    let without_clip = project::framed(&serde_json::json!({ "format": 1 }));
    host.set_offline(false);
    host.activate(RATE_HZ, 512);

    let position = START + 2_000;
    for _ in 0..10 {
        assert!(host.load(&without_clip));
        host.wait_for("empty", PATIENCE);
        host.play([&[0.25; 512]; 2], Some(position));

        assert!(host.load(&with_stems));
        host.set_offline(true);
        let heard = host.play([&[0.25; 512]; 2], Some(position));
        (1..7).for_each(|bus| check(&heard, bus, position, 0.25));
        host.set_offline(false);
    }
}

/// Sample rates change between activations; stems keep their place in time.
#[test]
fn a_session_may_change_its_rate() {
    let mut host = host_with_stems();
    each_case([44_100, 96_000, RATE_HZ], |rate_hz| {
        host.activate(rate_hz, 1024);
        host.wait_for("ready", PATIENCE);
        let start = (START * i64::from(rate_hz) + 24_000) / 48_000;

        let heard = host.play([&[0.5; 600]; 2], Some(start - 300));
        assert!(heard[0][0][..300].iter().all(|&sample| sample == 0.5));
        assert!(
            heard[1..]
                .iter()
                .flatten()
                .all(|channel| channel[..300].iter().all(|&sample| sample == 0.0))
        );

        assert!(heard[1][0][300..].iter().any(|&sample| sample.abs() > 0.1));
    });

    let heard = host.play([&[0.5; 600]; 2], Some(START + 77));
    (0..7).for_each(|bus| check(&heard, bus, START + 77, 0.5));
}
