//! Shared parts of the audio tests: synthetic signals, reading whole streams, measuring
//! differences.
#![allow(dead_code, unreachable_pub, reason = "every test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

use std::path::PathBuf;

use sextet_separator::audio::{Audio, AudioFile, AudioSource, AudioStream, Layout, Warning};

/// Returns the path of a committed fixture. `audio_fixtures/make.sh` records how it was made.
pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/audio_fixtures")
        .join(name)
}

/// Returns the signal of the fixtures: channel `c` sweeps upwards from `300 + 200 c` Hz at half of
/// full scale.
pub fn chirp(layout: Layout, frames: usize) -> Audio {
    let (rate, total) = (f64::from(layout.rate_hz), frames as f64);
    let sample = |channel: usize, n: usize| {
        let (start_hz, n) = (300.0 + 200.0 * channel as f64, n as f64);
        let turns = start_hz * n / rate + 3000.0 * n * n / (2.0 * total * rate);
        (0.5 * (std::f64::consts::TAU * turns).sin()) as f32
    };
    let channels =
        (0..layout.channels).map(|channel| (0..frames).map(|n| sample(channel, n)).collect());
    Audio::new(channels.collect(), layout.rate_hz)
}

/// Returns noise of full scale, the same for every call with a seed.
pub fn noise(layout: Layout, frames: usize, seed: u64) -> Audio {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / f32::from(1_u16 << 12) / 2048.0 - 1.0
    };

    let channels = (0..layout.channels)
        .map(|_| (0..frames).map(|_| next()).collect())
        .collect();
    Audio::new(channels, layout.rate_hz)
}

/// Reads a whole stream into memory. Returns it with its warnings.
pub fn read_stream(
    mut stream: Box<dyn AudioStream + '_>,
) -> sextet_separator::Result<(Audio, Vec<Warning>)> {
    let layout = stream.layout();
    let mut channels = vec![Vec::new(); layout.channels];
    while let Some(block) = stream.next_block()? {
        assert!(block.frames() > 0, "a block has at least one frame");
        assert_eq!(
            block.layout(),
            layout,
            "every block has the stream's layout"
        );
        for (all, samples) in channels.iter_mut().zip(block.channels()) {
            all.extend_from_slice(samples);
        }
    }

    Ok((Audio::new(channels, layout.rate_hz), stream.warnings()))
}

/// Reads a whole file into memory. Returns it with its warnings.
pub fn read_file(
    path: impl AsRef<std::path::Path>,
) -> sextet_separator::Result<(Audio, Vec<Warning>)> {
    let file = AudioFile::open(path)?;
    read_stream(file.open()?)
}

/// Returns the relative L2 error of `found` against `reference`: the root of the difference's
/// energy over the reference's. No shift is applied.
pub fn relative_error(found: &[f32], reference: &[f32]) -> f64 {
    assert_eq!(
        found.len(),
        reference.len(),
        "compare runs of the same length"
    );
    let energy =
        |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let difference = energy(&mut found.iter().zip(reference).map(|(a, b)| f64::from(a - b)));
    (difference / energy(&mut reference.iter().map(|&sample| f64::from(sample)))).sqrt()
}

/// Returns the shift of `found` against `reference` at which they differ least.
pub fn best_lag(found: &[f32], reference: &[f32], reach: usize) -> i64 {
    let middle = reach..reference.len().min(found.len()) - reach;
    let error = |lag: i64| {
        let shifted = middle
            .clone()
            .map(|n| found[(n as i64 + lag) as usize] - reference[n]);
        shifted
            .map(|difference| f64::from(difference * difference))
            .sum::<f64>()
    };

    let lags = -(reach as i64)..=reach as i64;
    lags.min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap()
}

/// Returns a checksum of FLAC of `width` bits with `polynomial`, bit by bit (RFC 9639, sections
/// 9.1.8 and 9.3).
pub fn crc(width: u32, polynomial: u32, bytes: &[u8]) -> u32 {
    let (top, mask) = (1 << (width - 1), (1 << width) - 1);
    bytes.iter().fold(0, |crc: u32, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << (width - 8), |crc: u32, _| {
            let carried = if crc & top != 0 { polynomial } else { 0 };
            (crc << 1 ^ carried) & mask
        })
    })
}
