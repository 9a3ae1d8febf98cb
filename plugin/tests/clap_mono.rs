//! Tests of the plugin in a CLAP host with mono tracks: one channel in and two out, one in and one
//! out, changed between activations.

use std::time::Duration;

use sextet_cases::each_case;
use sextet_plugin_testing::clap_host::{Buses, Call, Host};
use sextet_plugin_testing::{BUSES, entry, project};
use sextet_protocol::{Fingerprint, Stem};
use sextet_wav::FloatWav;

const RATE_HZ: u32 = 48_000;
const FRAMES: u64 = 50_000;
const BLOCK: usize = 512;
const PATIENCE: Duration = Duration::from_secs(60);

/// Layouts by their numbers: channels of the main input and the main output.
const LAYOUTS: [[u32; 2]; 3] = [[2, 2], [1, 2], [1, 1]];

fn value(stem: Stem, side: usize, frame: u64) -> f32 {
    ((frame * 37 + 11 * stem as u64 + 500 * side as u64) % 4096) as f32 / 8192.0 - 0.25
}

/// Returns the input's sample of a side.
fn dry(side: usize, frame: usize) -> f32 {
    [0.5, -0.25][side] * ((frame % 100) as f32 / 100.0)
}

fn input() -> [Vec<f32>; 2] {
    [0, 1].map(|side| (0..BLOCK).map(|frame| dry(side, frame)).collect())
}

/// Checks a main output of `channels`, of which each side should be `expected`. A mono output is
/// the mean of both; a channel that was not handed over is untouched.
fn check_main(heard: &[Vec<f32>; 2], channels: u32, expected: impl Fn(usize, usize) -> f32) {
    assert_eq!([heard[0].len(), heard[1].len()], [BLOCK; 2]);
    for (frame, (&left, &right)) in heard[0].iter().zip(&heard[1]).enumerate() {
        let both = [expected(0, frame), expected(1, frame)];
        if channels == 2 {
            assert_eq!([left, right], both, "frame {frame}");
        } else {
            let mean = 0.5 * (both[0] + both[1]);
            assert_eq!(left, mean, "frame {frame}");
            assert!(right.is_nan());
        }
    }
}

#[test]
fn every_layout_is_taken_while_inactive_and_none_while_active() {
    let mut host = Host::new();
    assert_eq!(host.layouts(), LAYOUTS);

    // Every layout after every other.
    let order = [0, 1, 2, 1, 0, 2, 0, 0];
    each_case(order, |id| {
        host.deactivate();
        assert!(host.select_layout(id) && !host.select_layout(3));
        let [inputs, outputs] = LAYOUTS[id as usize];
        assert_eq!(host.ports(true), [("Input".to_owned(), inputs)]);

        let channels = |bus: usize| if bus == 0 { outputs } else { 2 };
        let expected: Vec<_> = (0..7)
            .map(|bus| (BUSES[bus].to_owned(), channels(bus)))
            .collect();
        assert_eq!(host.ports(false), expected);

        host.activate(RATE_HZ, BLOCK as u32);
        assert!((0..3).all(|other| !host.select_layout(other)));
        let input = input();
        let heard = host.play([&input[0], &input[1]], Some(0));
        let side_of = |side| if inputs == 1 { 0 } else { side };
        check_main(&heard[0], outputs, |side, frame| dry(side_of(side), frame));
        assert!(
            heard[1..]
                .iter()
                .flatten()
                .flatten()
                .all(|&sample| sample == 0.0)
        );
    });
}

#[test]
fn stems_are_on_their_buses_and_the_main_output_has_its_channels() {
    let key = entry::make(project::folders(), RATE_HZ, FRAMES, value);
    let clip = project::with_clip(Fingerprint::of(b"x"), Some(key), RATE_HZ, FRAMES, 0);
    let mut host = Host::new();
    host.set_offline(true);
    host.activate(RATE_HZ, BLOCK as u32);
    assert!(host.load(&clip));
    host.wait_for("ready", PATIENCE);

    each_case([0, 2, 1, 2, 0], |id| {
        host.deactivate();
        assert!(host.select_layout(id));
        host.activate(RATE_HZ, BLOCK as u32);
        host.wait_for("ready", PATIENCE);
        let outputs = LAYOUTS[id as usize][1];

        for choice in [4_u32, 7] {
            host.set(&[("Stem", f64::from(choice))]);
            host.play([&[0.0; BLOCK]; 2], Some(1_000));
            host.play([&[0.0; BLOCK]; 2], Some(1_000));
            let heard = host.play([&[0.0; BLOCK]; 2], Some(2_000));

            check_main(&heard[0], outputs, |side, frame| {
                let at = 2_000 + frame as u64;
                match choice {
                    4 => value(Stem::Vocals, side, at),
                    _ => Stem::ALL.map(|stem| value(stem, side, at)).iter().sum(),
                }
            });
            for (bus, stem) in heard[1..].iter().zip(Stem::ALL) {
                for (side, channel) in bus.iter().enumerate() {
                    let is_so = |(frame, &sample): (usize, &f32)| {
                        sample == value(stem, side, 2_000 + frame as u64)
                    };
                    assert!(channel.iter().enumerate().all(is_so), "{stem}");
                }
            }
        }

        // Buses that the host leaves out cost the others nothing here either.
        let call = Call {
            input: [&[0.0; BLOCK]; 2],
            position: Some(2_000),
            buses: Buses::Holes,
            changes: &[],
            locates: &[],
        };
        let heard = host.process(&call);
        assert_eq!(heard[1][0][5], value(Stem::Drums, 0, 2_005));
    });
}

/// A mono track is on both sides of its clip.
#[test]
fn a_mono_track_is_captured_on_both_sides() {
    each_case([0, 1, 2], |id| {
        let mut host = Host::new();
        assert!(host.load(&project::framed(&serde_json::json!({
            "format": 1, "settings": { "automatic": false }
        }))));
        assert!(host.select_layout(id));
        host.activate(RATE_HZ, BLOCK as u32);

        host.set(&[("Capture", 1.0)]);
        // A different clip for each layout.
        let input = input().map(|side| {
            side.iter()
                .map(|&x| x * (1.0 + id as f32))
                .collect::<Vec<_>>()
        });
        for block in 0..8 {
            host.play([&input[0], &input[1]], Some(block * BLOCK as i64));
        }
        host.set(&[("Capture", 0.0)]);
        host.wait_for("captured", PATIENCE);

        let clip = project::saved(&host.save())["clip"].clone();
        let audio: Fingerprint = clip["audio"].as_str().unwrap().parse().unwrap();
        let file = std::fs::File::open(project::folders().capture(&audio)).unwrap();
        let mut wav = FloatWav::open(file).unwrap();
        assert_eq!(wav.frames(), 8 * BLOCK as u64);

        let mut samples = vec![0.0; 2 * BLOCK];
        wav.read_into(BLOCK as u64, &mut samples).unwrap();
        let right = if LAYOUTS[id as usize][0] == 1 { 0 } else { 1 };
        let left_heard = samples.iter().step_by(2);
        let right_heard = samples.iter().skip(1).step_by(2);
        assert!(left_heard.eq(&input[0]) && right_heard.eq(&input[right]));
    });
}
