//! Tests of resampling: purity, length, and that neither depends on the division into blocks.
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

mod audio_support;

use audio_support::{chirp, noise, read_stream, relative_error};
use proptest::prelude::*;
use rayon::prelude::*;
use sextet_separator::ErrorKind;
use sextet_separator::audio::{Audio, AudioSource, AudioStream, Layout, Resampled, Resampler};

const RATES_HZ: [u32; 11] = [
    8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000,
];
/// Pairs of rates that share few factors, or none, with each other or with the usual rates.
const ODD_PAIRS_HZ: [(u32, u32); 8] = [
    (44_100, 44_099),
    (44_099, 44_100),
    (37_800, 44_100),
    (44_056, 44_100),
    (47_952, 44_100),
    (191_999, 44_100),
    (44_100, 8_001),
    (8_001, 44_100),
];

fn resample(audio: &Audio, to_hz: u32, total: u64) -> Audio {
    let mut resampler = Resampler::new(audio.layout(), to_hz).unwrap();
    let first = resampler.push(audio.clone()).unwrap();
    let rest = resampler.finish(total).unwrap();
    let joined = first
        .channels()
        .iter()
        .zip(rest.channels())
        .map(|(a, b)| [a.as_slice(), b].concat());
    Audio::new(joined.collect(), to_hz)
}

fn sine(rate_hz: u32, hz: f64, frames: usize) -> Audio {
    let step = std::f64::consts::TAU * hz / f64::from(rate_hz);
    Audio::new(
        vec![
            (0..frames)
                .map(|n| (step * n as f64).sin() as f32)
                .collect(),
        ],
        rate_hz,
    )
}

fn db(ratio: f64) -> f64 {
    20.0 * ratio.max(1e-12).log10()
}

fn rms(samples: &[f32]) -> f64 {
    (samples
        .iter()
        .map(|&sample| f64::from(sample).powi(2))
        .sum::<f64>()
        / samples.len() as f64)
        .sqrt()
}

fn all_pairs() -> impl Iterator<Item = (u32, u32)> {
    let usual = RATES_HZ
        .into_iter()
        .flat_map(|from| RATES_HZ.into_iter().map(move |to| (from, to)));
    usual.filter(|(from, to)| from != to).chain(ODD_PAIRS_HZ)
}

/// Returns a number of input frames for which the middle third is clear of both ends of the filter.
fn enough_frames(from: u32, to: u32) -> usize {
    let gcd = (1..=from.min(to))
        .rev()
        .find(|d| from.is_multiple_of(*d) && to.is_multiple_of(*d))
        .unwrap();
    let chunk = (from / gcd) as usize
        * 4096_usize
            .div_ceil((from.min(to) / gcd) as usize)
            .next_multiple_of(2);
    3 * chunk
}

/// Checks that a sine in the pass band is unchanged, neither delayed nor quieter, with no other
/// component, and that a sine between the two Nyquist frequencies is removed.
#[test]
fn the_pass_band_is_flat_and_nothing_folds_back() {
    let pairs: Vec<_> = all_pairs().collect();
    let (errors, aliases): (Vec<_>, Vec<_>) = pairs
        .into_par_iter()
        .map(|(from, to)| (errors(from, to), aliases(from, to)))
        .unzip();
    let (errors, aliases) = (errors.concat(), aliases.concat());
    let worst = |levels: &[f64]| levels.iter().copied().fold(f64::MIN, f64::max);

    let cases = errors.len() + aliases.len();
    assert!(cases > 500);
    println!(
        "{cases} sines: worst pass-band error {:.1} dB, worst alias {:.1} dB",
        worst(&errors),
        worst(&aliases)
    );
}

/// Returns the errors of sines below both Nyquist frequencies after resampling, in decibels.
fn errors(from: u32, to: u32) -> Vec<f64> {
    let frames = enough_frames(from, to);
    let error_at = |part: f64| {
        let hz = part * f64::from(from.min(to)) / 2.0;
        let total = Resampler::output_frames(frames as u64, from, to);
        let found = resample(&sine(from, hz, frames), to, total);
        let expected = sine(to, hz, total as usize);

        let middle = total as usize / 3..2 * total as usize / 3;
        let error = db(relative_error(
            &found.channels()[0][middle.clone()],
            &expected.channels()[0][middle],
        ));

        assert!(
            error < -120.0,
            "{from} to {to} Hz, {hz} Hz: error {error:.1} dB"
        );
        error
    };

    [0.01, 0.5, 0.9, 0.98].map(error_at).to_vec()
}

/// Returns the levels of sines between the two Nyquist frequencies after resampling, in decibels.
fn aliases(from: u32, to: u32) -> Vec<f64> {
    let (frames, nyquist) = (enough_frames(from, to), f64::from(to) / 2.0);
    let parts =
        [1.001, 1.02, 1.3, 0.99 * f64::from(from) / f64::from(to)].map(|part| part * nyquist);
    let between = parts
        .into_iter()
        .filter(|&hz| hz > nyquist && hz < f64::from(from) / 2.0);

    let level_at = |hz: f64| {
        let total = Resampler::output_frames(frames as u64, from, to);
        let found = resample(&sine(from, hz, frames), to, total);
        let level = db(rms(
            &found.channels()[0][total as usize / 3..2 * total as usize / 3]
        ));

        assert!(
            level < -120.0,
            "{from} to {to} Hz: {hz} Hz folds back at {level:.1} dB"
        );
        level
    };

    between.map(level_at).collect()
}

/// Checks that resampling to 44.1 kHz and back restores the number of frames, and the samples where
/// the band allows.
#[test]
fn there_and_back_gives_the_same_length_and_the_same_sound() {
    let (mut worst, mut cases) = (f64::MIN, 0);
    for rate in RATES_HZ {
        for frames in [1, 2, 3, 100, 4_097, 30_011] {
            for channels in [1, 2] {
                let audio = chirp(
                    Layout {
                        channels,
                        rate_hz: rate,
                    },
                    frames,
                );

                let total = Resampler::output_frames(frames as u64, rate, 44_100);
                let there = resample(&audio, 44_100, total);
                assert_eq!(there.frames() as u64, total);

                let back = resample(&there, rate, frames as u64);
                assert_eq!(back.layout(), audio.layout());
                assert_eq!(back.frames(), frames, "{rate} Hz, {frames} frames");

                // The sweep ends at 3.3 kHz, and the silence around the audio affects the outermost
                // frames.
                if frames > 20_000 && rate > 8_000 {
                    let inside = 8_000..22_000;
                    let pairs = back.channels().iter().zip(audio.channels());
                    for (found, original) in pairs {
                        let error = db(relative_error(
                            &found[inside.clone()],
                            &original[inside.clone()],
                        ));
                        assert!(error < -110.0, "{rate} Hz there and back: {error:.1} dB");
                        worst = worst.max(error);
                    }
                }

                cases += 1;
            }
        }
    }

    assert_eq!(cases, 132);
    println!("{cases} round trips: worst error {worst:.1} dB");
}

#[test]
fn the_same_rate_goes_through_bit_for_bit() {
    for frames in [0, 1, 5_000] {
        let audio = noise(
            Layout {
                channels: 3,
                rate_hz: 44_100,
            },
            frames,
            7,
        );
        assert_eq!(resample(&audio, 44_100, frames as u64), audio);
    }
}

#[test]
fn lengths_are_rounded_to_the_nearest_and_up_at_a_half() {
    let cases = [
        (0, 48_000, 44_100, 0),
        (1, 48_000, 44_100, 1),
        (1, 96_000, 44_100, 1),
        (2, 192_000, 8_000, 1),
        (1, 88_200, 44_100, 1),
        (3, 88_200, 44_100, 2),
        (160, 48_000, 44_100, 147),
        (44_100, 44_100, 48_000, 48_000),
        (u64::MAX, 192_000, 8_000, u64::MAX / 24 + 1),
        (u64::MAX, 8_000, 192_000, u64::MAX),
    ];
    for (frames, from, to, expected) in cases {
        assert_eq!(
            Resampler::output_frames(frames, from, to),
            expected,
            "{frames} frames, {from} to {to} Hz"
        );
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let stereo = Layout {
        channels: 2,
        rate_hz: 48_000,
    };
    for (layout, to_hz) in [
        (
            Layout {
                channels: 0,
                ..stereo
            },
            44_100,
        ),
        (
            Layout {
                rate_hz: 0,
                ..stereo
            },
            44_100,
        ),
        (stereo, 0),
    ] {
        assert_eq!(
            Resampler::new(layout, to_hz).err().unwrap().kind(),
            ErrorKind::Options
        );
    }

    let mut resampler = Resampler::new(stereo, 44_100).unwrap();
    let mono = Audio::silent(
        Layout {
            channels: 1,
            ..stereo
        },
        10,
    );

    assert!(
        resampler
            .push(mono)
            .unwrap_err()
            .to_string()
            .contains("channels: 1")
    );

    let mut resampler = Resampler::new(stereo, 48_000).unwrap();
    resampler.push(Audio::silent(stereo, 10)).unwrap();

    assert!(
        resampler
            .finish(9)
            .unwrap_err()
            .to_string()
            .contains("expected 9")
    );
}

/// Checks that asking for more frames than the input gives adds silence, and that asking for fewer
/// cuts the end.
#[test]
fn the_exact_number_of_frames_comes_out() {
    let audio = chirp(
        Layout {
            channels: 2,
            rate_hz: 48_000,
        },
        10_000,
    );

    let usual = resample(&audio, 44_100, 9_188);
    for total in [6_500, 9_000, 9_187, 9_189, 30_000] {
        let found = resample(&audio, 44_100, total);
        assert_eq!(found.frames() as u64, total);
        let same = found.frames().min(usual.frames());
        assert_eq!(found.channels()[1][..same], usual.channels()[1][..same]);
    }
}

/// Stream that gives blocks of the given lengths.
struct Cut {
    audio: Audio,
    lengths: Vec<usize>,
    at: usize,
}

impl AudioStream for Cut {
    fn layout(&self) -> Layout {
        self.audio.layout()
    }

    fn next_block(&mut self) -> sextet_separator::Result<Option<Audio>> {
        let left = self.audio.frames() - self.at;
        let frames = self.lengths.pop().unwrap_or(left).min(left);
        let block = self
            .audio
            .channels()
            .iter()
            .map(|c| c[self.at..self.at + frames].to_vec())
            .collect();

        self.at += frames;
        Ok((frames > 0).then(|| Audio::new(block, self.audio.rate_hz())))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Checks that the output is the same, bit for bit, and has the promised length, however the
    /// input is divided.
    #[test]
    fn the_cut_into_blocks_does_not_matter(
        from in prop::sample::select(RATES_HZ.to_vec()),
        to in prop::sample::select(vec![44_100_u32, 48_000, 37_800, 96_000]),
        channels in 1..4_usize,
        frames in 1..40_000_usize,
        lengths in prop::collection::vec(1..9_000_usize, 0..20),
        seed: u64,
    ) {
        let audio = noise(Layout { channels, rate_hz: from }, frames, seed);
        let whole = read_stream(Box::new(Resampled::new(audio.open().unwrap(), to).unwrap())).unwrap().0;
        let cut = Cut { audio: audio.clone(), lengths, at: 0 };
        let pieces = read_stream(Box::new(Resampled::new(Box::new(cut), to).unwrap())).unwrap().0;
        prop_assert_eq!(whole.frames() as u64, Resampler::output_frames(frames as u64, from, to));
        prop_assert!(whole == pieces);
    }
}
