//! Test of samples that are no audio, in a CLAP host: they do not cost the take.

use std::time::Duration;

use sextet_cases::each_case;
use sextet_plugin_testing::clap_host::Host;
use sextet_plugin_testing::{entry, project};
use sextet_protocol::Fingerprint;

const RATE_HZ: u32 = 48_000;
const BLOCK: usize = 480;
const BLOCKS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn bad_samples_are_silent_in_the_capture_and_the_project_says_where() {
    // The bad samples: block, frame, side, value. The number of frames, and the first places.
    type Case = (
        &'static [(usize, usize, usize, f32)],
        u64,
        &'static [[u64; 2]],
    );
    let cases: [Case; 3] = [
        (&[], 0, &[]),
        (&[(3, 5, 0, f32::NAN)], 1, &[[3 * 480 + 5, 1]]),
        (
            &[
                (1, 479, 1, f32::INFINITY),
                (2, 0, 0, 1e30),
                (2, 0, 1, f32::NAN),
                (99, 479, 0, f32::NEG_INFINITY),
            ],
            3,
            &[[2 * 480 - 1, 2], [100 * 480 - 1, 1]],
        ),
    ];

    each_case(cases, |(bad, frames, places)| {
        let mut host = Host::new();
        assert!(host.load(&project::framed(&serde_json::json!({
            "format": 1, "settings": { "automatic": false }
        }))));
        host.activate(RATE_HZ, BLOCK as u32);
        host.set(&[("Capture", 1.0)]);

        let mut clean: [Vec<f32>; 2] = Default::default();
        for block in 0..BLOCKS {
            let mut input = [0, 1].map(|side| {
                let sample = |frame| ((block * BLOCK + frame) % 997 + side) as f32 / 1_000.0;
                (0..BLOCK).map(sample).collect::<Vec<f32>>()
            });
            let here = || bad.iter().filter(move |(at, ..)| *at == block);
            here().for_each(|&(_, frame, side, _)| input[side][frame] = 0.0);
            clean
                .iter_mut()
                .zip(&input)
                .for_each(|(all, new)| all.extend(new));

            here().for_each(|&(_, frame, side, value)| input[side][frame] = value);
            let heard = host.play([&input[0], &input[1]], Some((1_000 + block * BLOCK) as i64));
            // The track plays on as it is.
            let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
            assert!(heard[0][0].iter().zip(&input[0]).all(same));
        }
        host.set(&[("Capture", 0.0)]);
        host.wait_for("captured", PATIENCE);

        let clip = project::saved(&host.save())["clip"].clone();
        let audio: Fingerprint = clip["audio"].as_str().unwrap().parse().unwrap();
        let (_, kept) = entry::read_wav(&project::folders().capture(&audio));
        assert!(kept == clean);

        assert_eq!(clip["silenced"]["frames"].as_u64().unwrap_or(0), frames);
        let stretches = clip["silenced"]["stretches"].clone();
        let stretches = if stretches.is_null() {
            serde_json::json!([])
        } else {
            stretches
        };
        assert_eq!(stretches, serde_json::json!(places));
    });
}
