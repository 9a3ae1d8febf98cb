//! Short-time Fourier transform of a mix, and its inverse for the stems.
//!
//! The transform of the mix is computed in float64: the network amplifies the error of its input.
//! Nothing follows the inverse, which is computed in float32.

use std::fmt;
use std::sync::Arc;

use rayon::prelude::*;
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::buffer::{Scratch, Shared};
use crate::norm::Statistics;

/// Channels of the mix.
const CHANNELS: usize = 2;
/// Frames of one thread's work.
const FRAMES: usize = 16;
/// Bins that are ordered at a time.
const BINS: usize = 8;

/// Windows of a transform, and where they lie.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    /// Number of frames.
    pub count: usize,
    /// Distance from frame to frame, a divisor of the window's length.
    pub hop: usize,
    /// Frames start as many samples before the segment, which is reflected there.
    pub margin: usize,
    /// Window, which is applied before the transform and after its inverse.
    pub window: &'a [f64],
    /// Factor of every sample of the sum of all frames: one over the sum of the squared windows.
    pub envelope: &'a [f32],
    /// Number of samples of a segment.
    pub segment: usize,
}

/// Transform of a segment, and its inverse.
#[derive(Clone)]
pub struct Fourier {
    count: usize,
    hop: usize,
    margin: usize,
    window: Vec<f64>,
    window_f32: Vec<f32>,
    envelope: Vec<f32>,
    segment: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl fmt::Debug for Fourier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fourier")
            .field("count", &self.count)
            .field("size", &self.window.len())
            .finish_non_exhaustive()
    }
}

/// Stems in the frequency domain and in the time domain, both standardised.
#[derive(Clone, Copy, Debug)]
pub struct Standardised<'a> {
    /// [bins, frames, planes, real and imaginary part]
    pub spectra: &'a [f32],
    /// Statistics by which the spectra are restored.
    pub spectra_statistics: Statistics,
    /// [segment, planes]
    pub waveforms: &'a [f32],
    /// Statistics by which the waveforms are restored.
    pub waveforms_statistics: Statistics,
}

impl Fourier {
    /// Plans the transforms of `frames`.
    pub fn new(frames: &Frames<'_>) -> Self {
        let size = frames.window.len();
        Self {
            count: frames.count,
            hop: frames.hop,
            margin: frames.margin,
            window: frames.window.to_vec(),
            window_f32: frames.window.iter().map(|&x| x as f32).collect(),
            envelope: frames.envelope.to_vec(),
            segment: frames.segment,
            forward: RealFftPlanner::new().plan_fft_forward(size),
            inverse: RealFftPlanner::new().plan_fft_inverse(size),
        }
    }

    /// Number of bins: all but the one at half of the rate.
    fn bins(&self) -> usize {
        self.window.len() / 2
    }

    /// Computes the spectrum of `mix` [2, segment]: [bins, frames, 2, real and imaginary part].
    pub fn spectrum(&self, mix: &[f32], spectrum: &mut [f32]) {
        let row = 2 * CHANNELS;
        assert_eq!(mix.len(), CHANNELS * self.segment);
        assert_eq!(spectrum.len(), self.bins() * self.count * row);

        let spectrum = Shared::new(spectrum);
        let blocks = (0..self.count.div_ceil(FRAMES)).into_par_iter();
        blocks.for_each(|block| {
            let first = block * FRAMES;
            let count = FRAMES.min(self.count - first);
            let mut input = self.forward.make_input_vec();
            let mut output = self.forward.make_output_vec();
            let mut scratch = self.forward.make_scratch_vec();

            let mut rows = Scratch::take(self.bins() * count * row);
            for (frame, channel) in pairs(count, CHANNELS) {
                let mix = &mix[channel * self.segment..][..self.segment];
                for (n, (x, window)) in input.iter_mut().zip(&self.window).enumerate() {
                    let place = (first + frame) * self.hop + n;
                    *x = f64::from(self.reflected(mix, place)) * window;
                }
                // The lengths are the plan's own.
                let _ = self
                    .forward
                    .process_with_scratch(&mut input, &mut output, &mut scratch);
                for (bin, x) in output[..self.bins()].iter().enumerate() {
                    let at = (bin * count + frame) * row + 2 * channel;
                    rows[at] = x.re as f32;
                    rows[at + 1] = x.im as f32;
                }
            }

            for (bin, rows) in rows.chunks_exact(count * row).enumerate() {
                let at = (bin * self.count + first) * row;
                // SAFETY: every block has its own frames.
                unsafe { spectrum.part(at, rows.len()) }.copy_from_slice(rows);
            }
        });
    }

    /// Returns a sample of `mix`, which is reflected at both ends, without the sample at the end
    /// itself.
    fn reflected(&self, mix: &[f32], place: usize) -> f32 {
        let place = place.abs_diff(self.margin);
        if place < mix.len() {
            mix[place]
        } else {
            mix[2 * (mix.len() - 1) - place]
        }
    }

    /// Computes the stems' planes [planes, segment]: the signals of the spectra plus the waveforms.
    pub fn synthesise(&self, of: Standardised<'_>, planes: usize, signals: &mut [f32]) {
        let bins = self.bins();
        let row = 2 * planes;
        assert_eq!(of.spectra.len(), bins * self.count * row);
        assert_eq!(of.waveforms.len(), self.segment * planes);
        assert_eq!(signals.len(), planes * self.segment);

        let overlap = self.window.len() / self.hop;
        let hops = (self.margin + self.segment).div_ceil(self.hop);
        let signals = Shared::new(signals);
        let blocks = (0..hops.div_ceil(FRAMES)).into_par_iter();
        blocks.for_each(|block| {
            let hops = block * FRAMES..hops.min((block + 1) * FRAMES);
            let frames = hops.start.saturating_sub(overlap - 1)..hops.end.min(self.count);
            let samples = hops.start * self.hop..hops.end * self.hop;
            let padded = 2 * (bins + 1);
            let size = planes * frames.len() * padded;
            let mut scratch = Scratch::take(size + samples.len());
            let (ordered, sum) = scratch.split_at_mut(size);
            self.order(of, planes, frames.clone(), ordered);
            let mut points = self.inverse.make_input_vec();
            let mut signal = self.inverse.make_output_vec();
            let mut scratch = self.inverse.make_scratch_vec();
            for plane in 0..planes {
                sum.fill(0.0);
                for (index, frame) in frames.clone().enumerate() {
                    let from = &ordered[(plane * frames.len() + index) * padded..][..2 * bins];
                    for (point, x) in points.iter_mut().zip(from.chunks_exact(2)) {
                        *point = Complex::new(x[0], x[1]);
                    }
                    points[0].im = 0.0;
                    points[bins] = Complex::default();
                    // The lengths are the plan's own, and the first and last number are real.
                    let _ =
                        self.inverse
                            .process_with_scratch(&mut points, &mut signal, &mut scratch);
                    self.overlap(frame * self.hop, &signal, samples.start, sum);
                }
                self.write(of, planes, plane, samples.start, sum, signals);
            }
        });
    }

    /// Restores the spectra of some frames and orders them: [planes, frames, bins and one more].
    fn order(
        &self,
        of: Standardised<'_>,
        planes: usize,
        frames: std::ops::Range<usize>,
        ordered: &mut [f32],
    ) {
        let (bins, row) = (self.bins(), 2 * planes);
        let Statistics { mean, deviation } = of.spectra_statistics;
        let (mean, deviation) = (mean as f32, deviation as f32);
        let padded = 2 * (bins + 1);
        for first in (0..bins).step_by(BINS) {
            for (frame, plane) in pairs(frames.len(), planes) {
                let to = &mut ordered[(plane * frames.len() + frame) * padded + 2 * first..];
                for bin in 0..BINS.min(bins - first) {
                    let at = ((first + bin) * self.count + frames.start + frame) * row + 2 * plane;
                    to[2 * bin] = of.spectra[at] * deviation + mean;
                    to[2 * bin + 1] = of.spectra[at + 1] * deviation + mean;
                }
            }
        }
    }

    /// Adds the windowed `signal` at `place` to `sum`, which begins at `start`.
    fn overlap(&self, place: usize, signal: &[f32], start: usize, sum: &mut [f32]) {
        let skip = start.saturating_sub(place).min(signal.len());
        let sum = &mut sum[place.saturating_sub(start)..];
        let windowed = signal.iter().zip(&self.window_f32).skip(skip);
        for (sum, (x, window)) in sum.iter_mut().zip(windowed) {
            *sum += x * window;
        }
    }

    /// Writes the samples of a plane from `start` on, with the waveform's.
    fn write(
        &self,
        of: Standardised<'_>,
        planes: usize,
        plane: usize,
        start: usize,
        sum: &[f32],
        signals: Shared,
    ) {
        let Statistics { mean, deviation } = of.waveforms_statistics;
        let (mean, deviation) = (mean as f32, deviation as f32);
        let cut = self.margin.saturating_sub(start).min(sum.len());
        let first = start + cut - self.margin.min(start + cut);
        let count = (sum.len() - cut).min(self.segment.saturating_sub(first));
        // SAFETY: every block has its own samples.
        let to = unsafe { signals.part(plane * self.segment + first, count) };
        let envelope = &self.envelope[start + cut..];
        for (n, to) in to.iter_mut().enumerate() {
            let waveform = of.waveforms[(first + n) * planes + plane] * deviation + mean;
            *to = sum[cut + n] * envelope[n] + waveform;
        }
    }
}

/// Returns all pairs of numbers below `a` and `b`.
fn pairs(a: usize, b: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..a).flat_map(move |i| (0..b).map(move |j| (i, j)))
}
