//! Short-time Fourier transform and its inverse in float64, as `htdemucs/dft.rs` defines them.

use std::f64::consts::TAU;

use rayon::prelude::*;

use super::MeanDeviation;
use crate::model::config::{CHANNELS, FFT_SIZE, HOP};
use crate::model::htdemucs::{MARGIN, inverse_envelope, span, window};
use crate::model::program::Shape;

/// Number of bins: all but the Nyquist bin.
const BINS: usize = FFT_SIZE / 2;

/// Real and imaginary part.
type Complex = [f64; 2];

/// Computes the spectrum of `mix` [2, segment]: [2048, frames, 4].
pub(super) fn spectrum(mix: &[f32], frames: usize) -> Vec<f32> {
    let tables = Tables::new();
    let length = mix.len() / CHANNELS;
    let sample = |channel: usize, place: usize| {
        // The signal is reflected at both ends, without the sample at the end itself.
        let place = place.abs_diff(MARGIN);
        let place = if place < length {
            place
        } else {
            2 * (length - 1) - place
        };
        f64::from(mix[channel * length + place])
    };

    let transform = |frame: usize, channel: usize| {
        let windowed = |n: usize| [sample(channel, frame * HOP + n) * tables.window[n], 0.0];
        let mut points: Vec<Complex> = (0..FFT_SIZE).map(windowed).collect();
        tables.transform(&mut points);
        points
    };
    let by_frame: Vec<[Vec<Complex>; CHANNELS]> = (0..frames)
        .into_par_iter()
        .map(|frame| [transform(frame, 0), transform(frame, 1)])
        .collect();

    let mut spectrum = vec![0.0; BINS * frames * 2 * CHANNELS];
    let rows = spectrum.par_chunks_mut(frames * 2 * CHANNELS).enumerate();
    rows.for_each(|(bin, row)| {
        for (to, [left, right]) in row.chunks_exact_mut(2 * CHANNELS).zip(&by_frame) {
            let ([a, b], [c, d]) = (left[bin], right[bin]);
            to.copy_from_slice(&[a as f32, b as f32, c as f32, d as f32]);
        }
    });

    spectrum
}

/// Computes the signals of the spectra `x` of `shape` [2048, frames, planes x 2], which are
/// restored by their statistics first: [planes, segment].
pub(super) fn signals(
    x: &[f32],
    shape: Shape,
    statistics: MeanDeviation,
    segment_frames: usize,
) -> Vec<f32> {
    let tables = Tables::new();
    let frames = shape.positions;
    let envelope = inverse_envelope(frames);
    let (mean, deviation) = (f64::from(statistics.mean), f64::from(statistics.deviation));

    let mut signals = vec![0.0; shape.channels / 2 * segment_frames];
    let planes = signals.par_chunks_mut(segment_frames).enumerate();
    planes.for_each(|(plane, signal)| {
        let mut sum = vec![0.0; span(frames)];
        for frame in 0..frames {
            // The real part of the sum over positive frequencies is half of the signal, but for the
            // constant.
            let mut points = vec![[0.0; 2]; FFT_SIZE];
            for (bin, point) in points[..BINS].iter_mut().enumerate() {
                let at = (bin * frames + frame) * shape.channels + 2 * plane;
                let restored = |i: usize| f64::from(x[at + i]) * deviation + mean;
                *point = match bin {
                    0 => [restored(0), 0.0],
                    _ => [2.0 * restored(0), -2.0 * restored(1)],
                };
            }

            tables.transform(&mut points);
            let windowed = points.iter().zip(&tables.window).map(|([x, _], w)| x * w);
            let sum = &mut sum[frame * HOP..frame * HOP + FFT_SIZE];
            sum.iter_mut().zip(windowed).for_each(|(to, x)| *to += x);
        }

        let scaled = sum.iter().zip(envelope.data());
        let scaled = scaled.map(|(x, &factor)| (x * f64::from(factor)) as f32);
        let cut = scaled.skip(MARGIN);
        signal.iter_mut().zip(cut).for_each(|(to, x)| *to = x);
    });

    signals
}

/// Window and roots of unity.
struct Tables {
    window: Vec<f64>,
    /// e^(-2 pi i n / 4096)
    roots: Vec<Complex>,
}

impl Tables {
    fn new() -> Self {
        let root = |n: usize| {
            let angle = TAU * n as f64 / FFT_SIZE as f64;
            [angle.cos(), -angle.sin()]
        };
        Self {
            window: (0..FFT_SIZE).map(window).collect(),
            roots: (0..BINS).map(root).collect(),
        }
    }

    /// Transforms 4096 points in place (Cooley and Tukey, radix 2).
    fn transform(&self, points: &mut [Complex]) {
        let bits = FFT_SIZE.trailing_zeros();
        for n in 0..FFT_SIZE {
            let reversed = n.reverse_bits() >> (usize::BITS - bits);
            if n < reversed {
                points.swap(n, reversed);
            }
        }

        let mut half = 1;
        while half < FFT_SIZE {
            for block in points.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                let roots = self.roots.iter().step_by(BINS / half);
                for ((low, high), [cos, sin]) in low.iter_mut().zip(high).zip(roots) {
                    let turned = [high[0] * cos - high[1] * sin, high[0] * sin + high[1] * cos];
                    *high = [low[0] - turned[0], low[1] - turned[1]];
                    *low = [low[0] + turned[0], low[1] + turned[1]];
                }
            }
            half *= 2;
        }
    }
}
