//! Short-time Fourier transform and its inverse as real matrix products.
//!
//! A dense 4096-point DFT would be a 4096 x 4096 matrix. With n = 64 n1 + n2 and k = k1 + 64 k2 it
//! falls into two stages of 64-point DFTs with a twiddle factor between them (Cooley and Tukey
//! 1965):
//!
//! X[k] = sum over n2 of e^(-2 pi i n2 k2 / 64) . e^(-2 pi i n2 k1 / 4096) . sum over n1 of e^(-2
//! pi i n1 k1 / 64) x[n]
//!
//! The twiddle depends on k1 besides the second stage's own indices, so it is folded into that
//! stage, as one 64 x 128 matrix for each k1. Time is the last axis throughout, as in the network:
//! every product has long contiguous rows, and only whole rows are moved. Framing needs no gather:
//! with a hop of a quarter of the window, a frame is four neighbouring blocks. The Nyquist bin,
//! which the model drops (`demucs.htdemucs.HTDemucs._spec`), is never computed.
//!
//! Definitions: `demucs/spec.py` (periodic Hann window, normalised by 1/sqrt(4096), centred) and
//! `HTDemucs._spec` and `_ispec`, whose paddings together amount to frames 0, 1, ... of the signal
//! reflected by 1536 samples.

use std::f64::consts::TAU;
use std::sync::LazyLock;

use crate::model::config::{FFT_SIZE, HOP};
use crate::model::onnx::{Graph, Value};
use crate::model::weights::Array;

/// Number of points in each of the two stages.
const STAGE: usize = 64;
/// Number of bins: all but the Nyquist bin.
pub(super) const BINS: usize = FFT_SIZE / 2;
/// Number of second-stage outputs that are bins.
const UPPER: usize = BINS / STAGE;
/// Number of k1 values that are independent in a real signal's transform, with 0 and 32 counted as
/// one.
const PAIRS: usize = STAGE / 2;
/// Number of hop-sized blocks that a window spans.
const OVERLAP: usize = FFT_SIZE / HOP;
/// Number of reflected samples before a segment. The same number follows it, and then the samples
/// that fill the last hop.
pub(crate) const MARGIN: usize = HOP / 2 * 3;

/// Returns the number of samples that `frames` frames span.
pub(in crate::model) fn span(frames: usize) -> usize {
    (frames + OVERLAP - 1) * HOP
}

/// Returns the periodic Hann window divided by sqrt(4096), at sample `n`.
pub(crate) fn window(n: usize) -> f64 {
    (0.5 - 0.5 * (TAU * n as f64 / FFT_SIZE as f64).cos()) / (FFT_SIZE as f64).sqrt()
}

/// Returns the cosine and the sine of 2 pi times `product` over `points`.
fn twiddle(product: usize, points: usize) -> (f64, f64) {
    let angle = TAU * (product % points) as f64 / points as f64;
    (angle.cos(), angle.sin())
}

/// Computes the spectrum of `x` [N, span(T)]: [N, 2 (real, imaginary), 2048, T].
pub(super) fn stft(g: &mut Graph, x: &Value) -> Value {
    let (n, blocks) = (x.size(0), x.size(1) / HOP);
    let frames = blocks + 1 - OVERLAP;

    // Cut the signal into frames and apply the window.
    let x = g.reshape(x, &[n, blocks, HOP]);
    let x = g.transpose(&x, &[0, 2, 1]);
    let shifted: Vec<Value> = (0..OVERLAP)
        .map(|i| g.slice(&x, 2, i, i + frames))
        .collect();

    let x = g.concat(&shifted.iter().collect::<Vec<_>>(), 1);
    let window = window_constant(g);
    let x = g.mul(&x, &window);

    // Apply both stages.
    let x = g.reshape(&x, &[n, STAGE, STAGE * frames]);

    let first = g.constant_from(&[2 * STAGE, STAGE], analysis_first);
    let y = g.matmul(&first, &x);
    let y = g.reshape(&y, &[n, STAGE, 2 * STAGE, frames]);
    let shape = [STAGE, 2 * UPPER, 2 * STAGE];
    let second = g.constant_from(&shape, || ANALYSIS_SECOND.clone());

    let z = g.matmul(&second, &y);

    // Order the bins by frequency.
    let z = g.reshape(&z, &[n, STAGE, 2, UPPER, frames]);

    let z = g.transpose(&z, &[0, 2, 3, 1, 4]);
    g.reshape(&z, &[n, 2, BINS, frames])
}

/// Adds the window, [1, 4096, 1].
fn window_constant(g: &mut Graph) -> Value {
    let shape = [1, FFT_SIZE, 1];
    g.constant_from(&shape, || Array::from_fn(&shape, |i| window(i[1]) as f32))
}

/// Returns the first stage: [k1 (real, imaginary), n1].
fn analysis_first() -> Array {
    Array::from_fn(&[2 * STAGE, STAGE], |i| {
        let (cos, sin) = twiddle(i[1] * (i[0] / 2), STAGE);
        (if i[0] % 2 == 0 { cos } else { -sin }) as f32
    })
}

/// Cached result of [`analysis_second`], which takes longer to compute than most graphs take to
/// write.
static ANALYSIS_SECOND: LazyLock<Array> = LazyLock::new(analysis_second);
/// Cached result of [`synthesis_first`], for the same reason.
static SYNTHESIS_FIRST: LazyLock<Array> = LazyLock::new(synthesis_first);

/// Returns the twiddle and the second stage for the bins that are kept: [k1, (real, imaginary) k2,
/// (real, imaginary) n2].
fn analysis_second() -> Array {
    Array::from_fn(&[STAGE, 2 * UPPER, 2 * STAGE], |i| {
        let (k1, k2, n2) = (i[0], i[1] % UPPER, i[2] % STAGE);
        let (cos, sin) = twiddle(n2 * k1 + STAGE * n2 * k2, FFT_SIZE);
        let part = match (i[1] < UPPER, i[2] < STAGE) {
            (true, true) | (false, false) => cos,
            (true, false) => sin,
            (false, true) => -sin,
        };
        part as f32
    })
}

/// Computes the signal of the spectrum `z` [N, 2, 2048, T]: [N, span(T)].
///
/// The missing half of the spectrum mirrors this one, so the first stage's results for k1 and for
/// 64 - k1 mirror each other too. Only k1 = 0 to 32 are computed, each from its own bins and those
/// of 64 - k1. 0 and 32, which are real, share one place.
pub(super) fn istft(g: &mut Graph, z: &Value) -> Value {
    let (n, frames) = (z.size(0), z.size(3));

    // Put the bins of each k1 and of its mirror side by side.
    let z = g.reshape(z, &[n, 2, UPPER, STAGE, frames]);
    let z = g.transpose(&z, &[0, 3, 1, 2, 4]);
    let pairs: Vec<usize> = (0..PAIRS).flat_map(|k1| [k1, mirror(k1)]).collect();

    let z = g.gather(&z, 1, &pairs);
    let z = g.reshape(&z, &[n, PAIRS, 4 * UPPER, frames]);

    // Apply both inverse stages.
    let shape = [PAIRS, 2 * STAGE, 4 * UPPER];
    let first = g.constant_from(&shape, || SYNTHESIS_FIRST.clone());
    let y = g.matmul(&first, &z);
    let y = g.reshape(&y, &[n, 2 * PAIRS, STAGE * frames]);

    let second = g.constant_from(&[STAGE, 2 * PAIRS], synthesis_second);
    let x = g.matmul(&second, &y);
    let x = g.reshape(&x, &[n, FFT_SIZE, frames]);

    // Apply the window and join the frames.
    let window = window_constant(g);

    let x = g.mul(&x, &window);
    let x = overlap_add(g, &x);
    let x = g.transpose(&x, &[0, 2, 1]);
    let x = g.reshape(&x, &[n, span(frames)]);

    let envelope = g.constant_from(&[span(frames)], || inverse_envelope(frames));
    g.mul(&x, &envelope)
}

/// Returns the k1 whose bins mirror those of `k1`, or 32 for 0, since both mirror themselves.
fn mirror(k1: usize) -> usize {
    if k1 == 0 { PAIRS } else { STAGE - k1 }
}

/// Returns the inverse of the second stage with the twiddle: [k1, (real, imaginary) n2, (k1,
/// mirror) (real, imaginary) k2].
fn synthesis_first() -> Array {
    Array::from_fn(&[PAIRS, 2 * STAGE, 4 * UPPER], |i| {
        let (imaginary, n2) = (i[1] / STAGE == 1, i[1] % STAGE);
        let (mirrored, from_imaginary, k2) =
            (i[2] / (2 * UPPER) == 1, i[2] / UPPER % 2 == 1, i[2] % UPPER);
        let bin = if mirrored { mirror(i[0]) } else { i[0] } + STAGE * k2;
        let (cos, sin) = twiddle(n2 * bin, FFT_SIZE);

        // A mirrored bin is a conjugate at minus its frequency: the real part stays, and the
        // imaginary part changes its sign.
        let sign = if mirrored { -1.0 } else { 1.0 };
        let real = if from_imaginary { -sin } else { cos };
        let part = match (i[0], imaginary) {
            // For 0 and 32, each with its own mirror, only real parts are needed. That of 32 takes
            // the place of an imaginary part.
            (0, _) if imaginary != mirrored => 0.0,
            (0, _) if bin == 0 => real,
            (0, _) => 2.0 * real,
            (_, false) => real,
            (_, true) => sign * if from_imaginary { cos } else { sin },
        };

        part as f32
    })
}

/// Returns the inverse of the first stage, [n1, k1 (real, imaginary)], with every k1 but 0 and 32
/// joined with its mirror.
fn synthesis_second() -> Array {
    Array::from_fn(&[STAGE, 2 * PAIRS], |i| {
        let (k1, imaginary) = (i[1] / 2, i[1] % 2 == 1);
        let part = match (k1, imaginary) {
            (0, false) => 1.0,
            (0, true) => twiddle(i[0] * PAIRS, STAGE).0,
            (_, false) => 2.0 * twiddle(i[0] * k1, STAGE).0,
            (_, true) => -2.0 * twiddle(i[0] * k1, STAGE).1,
        };
        part as f32
    })
}

/// Adds the four blocks of every frame at their positions: [N, 4096, T] gives [N, 1024, T + 3].
fn overlap_add(g: &mut Graph, x: &Value) -> Value {
    let block = |g: &mut Graph, i: usize| {
        let part = g.slice(x, 1, i * HOP, (i + 1) * HOP);
        g.pad_zeros(&part, 2, i, OVERLAP - 1 - i)
    };
    let mut sum = block(g, 0);
    for i in 1..OVERLAP {
        let next = block(g, i);
        sum = g.add(&sum, &next);
    }

    sum
}

/// Returns the reciprocal of the sum of the squared windows, [span(frames)]. Two empty frames on
/// either side count, as in `_ispec`.
pub(crate) fn inverse_envelope(frames: usize) -> Array {
    let squared: Vec<f64> = (0..FFT_SIZE)
        .map(|n| window(n).powi(2) * FFT_SIZE as f64)
        .collect();
    let at = |n: usize| {
        let (block, rest) = (n / HOP, n % HOP);
        let reached = (0..OVERLAP).filter(|i| {
            (block + 2)
                .checked_sub(*i)
                .is_some_and(|frame| frame < frames + 4)
        });
        1.0 / reached.map(|i| squared[i * HOP + rest]).sum::<f64>()
    };

    Array::from_fn(&[span(frames)], |i| at(i[0]) as f32)
}
