"use strict";
// Spectrograms: the level of each pitch, over time.

/** Frames of a window, a power of two. */
const WINDOW = 2048;

/** Columns and rows of a spectrogram. */
const SPECTRUM_COLUMNS = 1024;
const SPECTRUM_ROWS = 120;

/** The lowest and the highest frequency, in Hz. Rows are spaced as pitches are. */
const LOWEST_HZ = 40;
const HIGHEST_HZ = 16000;

/** Range of levels that are told apart, in dB below the loudest. */
const RANGE_DB = 72;

/** Milliseconds of work between two pauses, in which the page answers. */
const WORK_MS = 12;

/** Fourier transform of `WINDOW` complex numbers in place, radix 2. */
class Fourier {
  constructor() {
    this.real = new Float32Array(WINDOW);
    this.imaginary = new Float32Array(WINDOW);
    this.cosine = Float32Array.from({ length: WINDOW / 2 }, (_, n) =>
      Math.cos((2 * Math.PI * n) / WINDOW));
    this.sine = Float32Array.from({ length: WINDOW / 2 }, (_, n) =>
      -Math.sin((2 * Math.PI * n) / WINDOW));
    const bits = Math.log2(WINDOW);
    this.reversed = Uint16Array.from({ length: WINDOW }, (_, n) => {
      let reversed = 0;
      for (let bit = 0; bit < bits; bit++) reversed |= ((n >> bit) & 1) << (bits - 1 - bit);
      return reversed;
    });
  }

  /** Transforms `real` and `imaginary`, whose elements lie in bit-reversed order. */
  transform() {
    const { real, imaginary, cosine, sine } = this;
    for (let half = 1; half < WINDOW; half *= 2) {
      const stride = WINDOW / (2 * half);
      for (let begin = 0; begin < WINDOW; begin += 2 * half) {
        for (let n = 0; n < half; n++) {
          const [a, b] = [begin + n, begin + n + half];
          const [c, s] = [cosine[n * stride], sine[n * stride]];
          const turnedReal = real[b] * c - imaginary[b] * s;
          const turnedImaginary = real[b] * s + imaginary[b] * c;
          real[b] = real[a] - turnedReal;
          imaginary[b] = imaginary[a] - turnedImaginary;
          real[a] += turnedReal;
          imaginary[a] += turnedImaginary;
        }
      }
    }
  }
}

/** Returns the first bin of each row, and one past the last row's. */
function rowBins(rate) {
  const highest = Math.min(HIGHEST_HZ, rate / 2);
  return Float32Array.from({ length: SPECTRUM_ROWS + 1 }, (_, row) =>
    (LOWEST_HZ * (highest / LOWEST_HZ) ** (row / SPECTRUM_ROWS) * WINDOW) / rate);
}

/** Returns the level of a row, the largest of its bins or between the two that it lies between. */
function rowLevel(power, from, to) {
  const [first, last] = [Math.ceil(from), Math.floor(to)];
  if (first > last) {
    const below = Math.floor(from);
    const share = (from + to) / 2 - below;
    return power[below] * (1 - share) + power[below + 1] * share;
  }
  let most = 0;
  for (let bin = first; bin <= last; bin++) most = Math.max(most, power[bin]);
  return most;
}

/**
 * Returns the power of a buffer's pitches: columns of `SPECTRUM_ROWS` values, the lowest pitch
 * first. Pauses from time to time.
 */
async function measureSpectrum(buffer) {
  const fourier = new Fourier();
  const window = Float32Array.from({ length: WINDOW }, (_, n) =>
    0.5 - 0.5 * Math.cos((2 * Math.PI * n) / WINDOW));
  const bins = rowBins(buffer.sampleRate);
  const power = new Float32Array(WINDOW / 2 + 1);
  const left = buffer.getChannelData(0);
  const right = buffer.getChannelData(buffer.numberOfChannels - 1);
  const spectrum = new Float32Array(SPECTRUM_COLUMNS * SPECTRUM_ROWS);
  let since = performance.now();

  for (let column = 0; column < SPECTRUM_COLUMNS; column++) {
    const middle = ((column + 0.5) * buffer.length) / SPECTRUM_COLUMNS;
    const begin = Math.round(middle) - WINDOW / 2;

    // Left and right are the real and the imaginary part: one transform gives the power of both.
    for (let n = 0; n < WINDOW; n++) {
      const to = fourier.reversed[n];
      fourier.real[to] = (left[begin + n] ?? 0) * window[n];
      fourier.imaginary[to] = (right[begin + n] ?? 0) * window[n];
    }
    fourier.transform();

    for (let bin = 0; bin <= WINDOW / 2; bin++) {
      const mirrored = (WINDOW - bin) % WINDOW;
      power[bin] = fourier.real[bin] ** 2 + fourier.imaginary[bin] ** 2
        + fourier.real[mirrored] ** 2 + fourier.imaginary[mirrored] ** 2;
    }
    for (let row = 0; row < SPECTRUM_ROWS; row++) {
      spectrum[column * SPECTRUM_ROWS + row] = rowLevel(power, bins[row], bins[row + 1]);
    }

    if (performance.now() - since > WORK_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      since = performance.now();
    }
  }
  return spectrum;
}
