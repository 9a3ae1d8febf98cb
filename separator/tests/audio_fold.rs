//! Tests of folding to stereo: the outputs and the gain of each channel.
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

mod audio_support;

use audio_support::{chirp, fixture, noise, read_stream};
use sextet_separator::audio::{Audio, AudioFile, AudioSource as _, Fold, Folded, Layout, Speaker};

const HALF_POWER: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Checks the gains of an impulse in each channel, for every usual layout of 1 to 8 channels.
#[test]
fn every_usual_channel_has_its_gains() {
    let (l, r, c, none) = ([1.0, 0.0], [0.0, 1.0], [HALF_POWER; 2], [0.0; 2]);
    let (ls, rs, s) = ([HALF_POWER, 0.0], [0.0, HALF_POWER], [0.5; 2]);
    let tables: [&[[f32; 2]]; 8] = [
        &[[1.0, 1.0]],
        &[l, r],
        &[l, r, c],
        &[l, r, ls, rs],
        &[l, r, c, ls, rs],
        &[l, r, c, none, ls, rs],
        &[l, r, c, none, s, ls, rs],
        &[l, r, c, none, ls, rs, ls, rs],
    ];

    for gains in tables {
        let channels = gains.len();
        let fold = Fold::new(&Speaker::usual(channels));
        for (number, expected) in gains.iter().enumerate() {
            let mut audio = Audio::silent(
                Layout {
                    channels,
                    rate_hz: 8_000,
                },
                3,
            );

            audio.channels_mut().nth(number).unwrap()[1] = 1.0;
            let stereo = fold.apply(audio.clone());
            assert_eq!(
                stereo.layout(),
                Layout {
                    channels: 2,
                    rate_hz: 8_000
                }
            );

            let found = stereo
                .channels()
                .iter()
                .map(|side| side[1])
                .collect::<Vec<_>>();

            assert_eq!(found, expected, "channel {number} of {channels}");
            assert!(
                stereo
                    .channels()
                    .iter()
                    .all(|side| side[0] == 0.0 && side[2] == 0.0)
            );
        }
    }
}

/// Checks that a sound in the middle stays in the middle, whatever the layout.
#[test]
fn equal_sides_stay_equal() {
    for channels in 1..=8 {
        let one = noise(
            Layout {
                channels: 1,
                rate_hz: 48_000,
            },
            100,
            3,
        )
        .into_channels();

        let audio = Audio::new(vec![one[0].clone(); channels], 48_000);
        let stereo = Fold::new(&Speaker::usual(channels)).apply(audio.clone());
        assert_eq!(
            stereo.channels()[0],
            stereo.channels()[1],
            "{channels} channels"
        );
    }
}

#[test]
fn mono_is_doubled_and_stereo_goes_through_bit_for_bit() {
    let mono = noise(
        Layout {
            channels: 1,
            rate_hz: 44_100,
        },
        500,
        1,
    );

    // A single channel is mono even where the file labels it front left.
    for speaker in [
        Speaker::FrontCenter,
        Speaker::FrontLeft,
        Speaker::Lfe,
        Speaker::Other,
    ] {
        let stereo = Fold::new(&[speaker]).apply(mono.clone());
        assert!(
            stereo
                .channels()
                .iter()
                .all(|side| *side == mono.channels()[0])
        );
    }

    let stereo = noise(
        Layout {
            channels: 2,
            rate_hz: 44_100,
        },
        500,
        2,
    );

    assert_eq!(
        Fold::new(&[Speaker::Other, Speaker::Other]).apply(stereo.clone()),
        stereo
    );
}

#[test]
fn a_surround_file_is_folded_by_its_speakers() {
    let file = AudioFile::open(fixture("surround.flac")).unwrap();
    let folded = read_stream(Box::new(Folded::new(file.open().unwrap())))
        .unwrap()
        .0;

    let signal = chirp(file.info().layout, 3_000);
    for frame in [0, 17, 1_500, 2_999] {
        let [l, r, c, _, ls, rs] = std::array::from_fn(|channel| signal.channels()[channel][frame]);
        let expected = [l + HALF_POWER * (c + ls), r + HALF_POWER * (c + rs)];
        for (side, expected) in folded.channels().iter().zip(expected) {
            assert!((side[frame] - expected).abs() < 1e-4, "frame {frame}");
        }
    }
}
