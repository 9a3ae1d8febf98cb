//! Short-time Fourier transform and its inverse as real matrix products (`torch.stft` and
//! `torch.istft`, centred, with a periodic Hann window).
//!
//! A transform of N = R S points falls into two stages of R and S points (Cooley and Tukey 1965),
//! with n = S n1 + n2 and k = k1 + R k2:
//!
//! X\[k\] = sum over n2 of e^(-2 pi i n2 k / N) . sum over n1 of e^(-2 pi i n1 k1 / R) x\[n\]
//!
//! The second stage is one matrix for each k1. The highest frequency, N / 2, is a sum of samples
//! with alternating signs, computed by itself. Time is the last axis throughout. Frames are
//! neighbouring blocks of one hop, as many as a window reaches.

use std::f64::consts::TAU;

use super::config::Config;
use crate::model::config::CHANNELS;
use crate::model::onnx::{Graph, Value};
use crate::model::weights::Array;

/// Sizes of a transform.
struct Sizes {
    /// N, the number of points.
    points: usize,
    /// R, the number of points of the first stage.
    first: usize,
    /// S, the number of points of the second stage.
    second: usize,
    hop: usize,
    /// Number of hops that a window reaches, in part or whole.
    blocks: usize,
    /// T, the number of frames.
    frames: usize,
}

impl Sizes {
    fn of(config: &Config) -> Self {
        let points = config.fft_size;
        let first = 1 << (points.ilog2() / 2);
        Self {
            points,
            first,
            second: points / first,
            hop: config.hop,
            blocks: points.div_ceil(config.hop),
            frames: config.spectrogram_frames(),
        }
    }

    /// Returns the number of frequencies that both stages give: all but the highest.
    fn bins(&self) -> usize {
        self.points / 2
    }
}

/// Returns the number of products that both transforms take.
pub(super) fn products(config: &Config) -> u64 {
    let sizes = Sizes::of(config);
    let (points, second) = (sizes.points as u64, sizes.second as u64);
    let frame = points * (2 * sizes.first as u64 + 2 * second) + points;
    let inverse = points * (2 * second + 2 * sizes.first as u64);
    let channels = (sizes.frames * CHANNELS) as u64;
    channels * (frame + config.sources.len() as u64 * inverse)
}

/// Returns the window at sample `n` of a frame: a Hann window in the middle of it.
fn window(config: &Config, n: usize) -> f64 {
    let margin = (config.fft_size - config.window_size) / 2;
    match n.checked_sub(margin).filter(|&n| n < config.window_size) {
        None => 0.0,
        Some(n) => 0.5 - 0.5 * (TAU * n as f64 / config.window_size as f64).cos(),
    }
}

fn windows(g: &mut Graph, config: &Config) -> Value {
    let windows = Array::from_fn(&[config.fft_size, 1], |i| window(config, i[0]) as f32);
    g.constant_f32(&windows)
}

/// Returns the cosine and the sine of 2 pi times `product` over `points`.
fn twiddle(product: usize, points: usize) -> (f64, f64) {
    let angle = TAU * (product % points) as f64 / points as f64;
    (angle.cos(), angle.sin())
}

/// Adds the spectrum of `mix` [B, 2, L]: [B, 2, 2 (real, imaginary), bins, T].
pub(super) fn stft(g: &mut Graph, config: &Config, mix: &Value) -> Value {
    let sizes = &Sizes::of(config);
    let rows = mix.size(0) * CHANNELS;
    let x = cut(g, sizes, mix);
    let windows = windows(g, config);
    let x = g.mul(&x, &windows);

    // Both stages.
    let (first, second, frames) = (sizes.first, sizes.second, sizes.frames);
    let y = g.reshape(&x, &[rows, first, second * frames]);
    let stage = g.constant_f32(&analysis_first(sizes));
    let y = g.matmul(&stage, &y);
    let y = g.reshape(&y, &[rows, first, 2 * second, frames]);
    let stage = g.constant_f32(&analysis_second(sizes));
    let y = g.matmul(&stage, &y);

    // The bins by frequency, and the highest.
    let y = g.reshape(&y, &[rows, first, 2, second / 2, frames]);
    let y = g.transpose(&y, &[0, 2, 3, 1, 4]);
    let y = g.reshape(&y, &[rows, 2, sizes.bins(), frames]);
    let alternating = g.constant_f32(&Array::from_fn(&[1, sizes.points], |i| sign(i[1])));
    let highest = g.matmul(&alternating, &x);
    let highest = g.reshape(&highest, &[rows, 1, 1, frames]);
    let highest = g.pad_zeros(&highest, 1, 0, 1);

    let y = g.concat(&[&y, &highest], 2);
    g.reshape(&y, &[mix.size(0), CHANNELS, 2, sizes.bins() + 1, frames])
}

fn sign(n: usize) -> f32 {
    if n.is_multiple_of(2) { 1.0 } else { -1.0 }
}

/// Cuts `mix` [B, 2, L], mirrored at its ends, into frames [B 2, N, T].
fn cut(g: &mut Graph, sizes: &Sizes, mix: &Value) -> Value {
    let (rows, hop, frames) = (mix.size(0) * CHANNELS, sizes.hop, sizes.frames);
    let x = g.pad_reflect(mix, sizes.points / 2, sizes.points / 2);
    let blocks = frames - 1 + sizes.blocks;
    let x = g.pad_zeros(&x, 2, 0, blocks * hop - x.size(2));

    let x = g.reshape(&x, &[rows, blocks, hop]);
    let x = g.transpose(&x, &[0, 2, 1]);
    let shifted: Vec<Value> = (0..sizes.blocks)
        .map(|shift| g.slice(&x, 2, shift, shift + frames))
        .collect();
    let x = g.concat(&shifted.iter().collect::<Vec<_>>(), 1);
    g.slice(&x, 1, 0, sizes.points)
}

/// Returns the first stage: [k1 (real, imaginary), n1].
fn analysis_first(sizes: &Sizes) -> Array {
    Array::from_fn(&[2 * sizes.first, sizes.first], |i| {
        let (cos, sin) = twiddle(i[1] * (i[0] / 2), sizes.first);
        (if i[0] % 2 == 0 { cos } else { -sin }) as f32
    })
}

/// Returns the second stage: [k1, (real, imaginary) k2, (real, imaginary) n2].
fn analysis_second(sizes: &Sizes) -> Array {
    let (second, upper) = (sizes.second, sizes.second / 2);
    Array::from_fn(&[sizes.first, 2 * upper, 2 * second], |i| {
        let bin = i[0] + sizes.first * (i[1] % upper);
        let (cos, sin) = twiddle(i[2] % second * bin, sizes.points);
        let part = match (i[1] < upper, i[2] < second) {
            (true, true) | (false, false) => cos,
            (true, false) => sin,
            (false, true) => -sin,
        };
        part as f32
    })
}

/// Adds the waveforms [B, stems, 2, L] of spectra [B, stems, 2, 2, bins, T].
pub(super) fn istft(g: &mut Graph, config: &Config, z: &Value) -> Value {
    let sizes = &Sizes::of(config);
    let (batch, stems) = (z.size(0), z.size(1));
    let (rows, frames, bins) = (batch * stems * CHANNELS, sizes.frames, sizes.bins());
    let z = g.reshape(z, &[rows, 2, bins + 1, frames]);

    // Both stages, and the highest frequency, of which only the real part counts.
    let (first, second) = (sizes.first, sizes.second);
    let y = g.slice(&z, 2, 0, bins);
    let y = g.reshape(&y, &[rows, 2, second / 2, first, frames]);
    let y = g.transpose(&y, &[0, 3, 1, 2, 4]);
    let y = g.reshape(&y, &[rows, first, second, frames]);
    let stage = g.constant_f32(&synthesis_first(sizes));
    let y = g.matmul(&stage, &y);
    let y = g.reshape(&y, &[rows, 2 * first, second * frames]);
    let stage = g.constant_f32(&synthesis_second(sizes));
    let y = g.matmul(&stage, &y);
    let y = g.reshape(&y, &[rows, sizes.points, frames]);

    let highest = g.slice(&z, 2, bins, bins + 1);
    let highest = g.slice(&highest, 1, 0, 1);
    let highest = g.reshape(&highest, &[rows, 1, frames]);
    let points = sizes.points as f32;
    let alternating = Array::from_fn(&[sizes.points, 1], |i| sign(i[0]) / points);
    let alternating = g.constant_f32(&alternating);
    let highest = g.mul(&alternating, &highest);
    let y = g.add(&y, &highest);

    // The windows, the sum of the frames, and its share that the windows take.
    let windows = windows(g, config);
    let y = g.mul(&y, &windows);
    let y = join(g, sizes, &y);
    let y = g.slice(
        &y,
        1,
        sizes.points / 2,
        sizes.points / 2 + config.chunk_frames,
    );
    let envelope = g.constant_f32(&inverse_envelope(config, sizes));
    let y = g.mul(&y, &envelope);
    g.reshape(&y, &[batch, stems, CHANNELS, config.chunk_frames])
}

/// Returns the inverse of the second stage: [k1, (real, imaginary) n2, (real, imaginary) k2]. All
/// frequencies but 0 stand for their mirrors too.
fn synthesis_first(sizes: &Sizes) -> Array {
    let (second, upper) = (sizes.second, sizes.second / 2);
    Array::from_fn(&[sizes.first, 2 * second, 2 * upper], |i| {
        let bin = i[0] + sizes.first * (i[2] % upper);
        let (cos, sin) = twiddle(i[1] % second * bin, sizes.points);
        let share = if bin == 0 { 1.0 } else { 2.0 } / sizes.points as f64;
        let part = match (i[1] < second, i[2] < upper) {
            (true, true) | (false, false) => cos,
            (true, false) => -sin,
            (false, true) => sin,
        };
        (share * part) as f32
    })
}

/// Returns the inverse of the first stage: [n1, k1 (real, imaginary)], of which only real parts are
/// needed.
fn synthesis_second(sizes: &Sizes) -> Array {
    Array::from_fn(&[sizes.first, 2 * sizes.first], |i| {
        let (cos, sin) = twiddle(i[0] * (i[1] / 2), sizes.first);
        (if i[1] % 2 == 0 { cos } else { -sin }) as f32
    })
}

/// Adds up frames [n, N, T] at their places: [n, samples].
fn join(g: &mut Graph, sizes: &Sizes, x: &Value) -> Value {
    let (rows, hop) = (x.size(0), sizes.hop);
    let x = g.pad_zeros(x, 1, 0, sizes.blocks * hop - sizes.points);
    let block = |g: &mut Graph, index: usize| {
        let part = g.slice(&x, 1, index * hop, (index + 1) * hop);
        g.pad_zeros(&part, 2, index, sizes.blocks - 1 - index)
    };

    let mut sum = block(g, 0);
    for index in 1..sizes.blocks {
        let next = block(g, index);
        sum = g.add(&sum, &next);
    }
    let sum = g.transpose(&sum, &[0, 2, 1]);
    g.reshape(&sum, &[rows, (sizes.frames - 1 + sizes.blocks) * hop])
}

/// Returns the reciprocal of the sum of the squared windows at every sample of the chunk.
fn inverse_envelope(config: &Config, sizes: &Sizes) -> Array {
    let squared: Vec<f64> = (0..sizes.points)
        .map(|n| window(config, n).powi(2))
        .collect();
    let at = |sample: usize| {
        let place = sample + sizes.points / 2;
        let frames = (0..sizes.blocks).filter_map(|back| (place / sizes.hop).checked_sub(back));
        let heard = frames.filter(|&frame| frame < sizes.frames);
        let sum = heard.filter_map(|frame| squared.get(place - frame * sizes.hop));
        1.0 / sum.sum::<f64>()
    };
    Array::from_fn(&[config.chunk_frames], |i| at(i[0]) as f32)
}
