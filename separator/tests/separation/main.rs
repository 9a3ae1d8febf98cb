//! Tests of separations through the facade, with a small model of drawn weights: lengths, rates,
//! channels, unusual songs, and every option. The parity tests check the values of the samples;
//! these tests check the properties that hold for all values.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails is the test")]

mod ends;
mod outputs;
mod shapes;
mod songs;

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::OnceLock;

use sextet_cases::Cases;
use sextet_separator::audio::{Audio, AudioSource, AudioStream, Folded, Layout};
use sextet_separator::cpu::CpuOptions;
use sextet_separator::{
    DecodeOptions, Decoded, EngineChoice, EngineOptions, Error, ErrorKind, Ignore, InMemory,
    Listener, Model, Mono, Options, Outputs, Part, Progress, Result, SeparateError, Separator,
    Stem, StemSink, Sum, Summary,
};
use sextet_testing::draw::splitmix;
use sextet_testing::small::{small, tiny};

const RATES_HZ: [u32; 6] = [8_000, 22_050, 44_100, 48_000, 96_000, 192_000];

/// Returns the small model, whose segment is half a second.
fn model() -> Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL
        .get_or_init(|| sextet_testing::small::model(&small(), 7))
        .clone()
}

fn separator() -> Separator {
    Separator::new(model(), EngineOptions::default()).unwrap()
}

/// Returns noise over a tone, different in every channel.
fn song(layout: Layout, frames: usize) -> Audio {
    let channel = |channel: usize| {
        let tone = |n: usize| (n as f64 * 0.031 * (channel + 1) as f64).sin() * 0.3;
        let noise = splitmix(channel as u64 + 1).take(frames);
        noise
            .enumerate()
            .map(|(n, u)| (tone(n) + 0.4 * (u - 0.5)) as f32)
            .collect()
    };
    Audio::new((0..layout.channels).map(channel).collect(), layout.rate_hz)
}

fn stereo(frames: usize) -> Audio {
    song(
        Layout {
            channels: 2,
            rate_hz: 44_100,
        },
        frames,
    )
}

/// Separates `song`. Returns every part and the summary.
fn separate(
    separator: &mut Separator,
    song: &dyn AudioSource,
    options: &Options,
) -> (Vec<Audio>, Summary) {
    let mut sink = InMemory::default();
    let summary = separator
        .separate(song, options, &mut sink, &mut Ignore)
        .unwrap();
    (
        sink.into_parts()
            .into_iter()
            .map(|(_, audio)| audio)
            .collect(),
        summary,
    )
}

/// Returns the bits of every sample, for exact comparisons.
fn bits(parts: &[Audio]) -> Vec<Vec<u32>> {
    let channels = parts.iter().flat_map(Audio::channels);
    channels
        .map(|channel| channel.iter().map(|sample| sample.to_bits()).collect())
        .collect()
}

fn all_finite(parts: &[Audio]) -> bool {
    parts
        .iter()
        .flat_map(Audio::channels)
        .flatten()
        .all(|sample| sample.is_finite())
}

fn peak(parts: &[Audio]) -> f32 {
    parts
        .iter()
        .flat_map(Audio::channels)
        .flatten()
        .fold(0.0, |peak, sample| peak.max(sample.abs()))
}

/// Returns the song that stems have to add up to: `song` in stereo, or in mono if it is mono.
fn target(song: &Audio) -> Audio {
    let mut stream = Folded::new(song.open().unwrap());
    let mut channels = vec![Vec::new(); song.channels().len().min(2)];
    while let Some(block) = stream.next_block().unwrap() {
        channels
            .iter_mut()
            .zip(block.channels())
            .for_each(|(all, new)| all.extend_from_slice(new));
    }
    Audio::new(channels, song.rate_hz())
}

/// Returns the largest sample of the difference between `target` and the sum of `parts`.
fn residual(parts: &[Audio], target: &Audio) -> f64 {
    let mut largest = 0.0_f64;
    for (channel, target) in target.channels().iter().enumerate() {
        for (frame, &sample) in target.iter().enumerate() {
            let sum: f64 = parts
                .iter()
                .map(|part| f64::from(part.channels()[channel][frame]))
                .sum();
            largest = largest.max((sum - f64::from(sample)).abs());
        }
    }

    largest
}
