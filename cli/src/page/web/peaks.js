"use strict";
// What a waveform is drawn from: extremes and loudness of a stem, in slots of equal length.

/** Number of slots, more than a screen has columns. */
const SLOTS = 8192;

/** Returns `{ low, high, rms }` of a buffer, all channels together, each with a value a slot. */
function measurePeaks(buffer) {
  const slots = Math.min(SLOTS, buffer.length);
  const [low, high, rms] = [0, 0, 0].map(() => new Float32Array(slots));
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, channel) =>
    buffer.getChannelData(channel));

  for (let slot = 0; slot < slots; slot++) {
    const from = Math.floor((slot * buffer.length) / slots);
    const to = Math.floor(((slot + 1) * buffer.length) / slots);
    let least = 0;
    let most = 0;
    let energy = 0;
    for (const samples of channels) {
      for (let n = from; n < to; n++) {
        const sample = samples[n];
        if (sample < least) least = sample;
        else if (sample > most) most = sample;
        energy += sample * sample;
      }
    }
    low[slot] = least;
    high[slot] = most;
    rms[slot] = Math.sqrt(energy / ((to - from) * channels.length));
  }
  return { low, high, rms };
}

/** Returns the largest distance from zero. */
function loudest({ low, high }) {
  return high.reduce((most, value, slot) => Math.max(most, value, -low[slot]), 0);
}

/** Returns the extremes and the loudness of column number `column` of `columns`. */
function peakOf({ low, high, rms }, column, columns) {
  const from = Math.floor((column * low.length) / columns);
  const to = Math.max(from + 1, Math.floor(((column + 1) * low.length) / columns));
  let [least, most, energy] = [0, 0, 0];
  for (let slot = from; slot < to; slot++) {
    least = Math.min(least, low[slot]);
    most = Math.max(most, high[slot]);
    energy += rms[slot] * rms[slot];
  }
  return { low: least, high: most, rms: Math.sqrt(energy / (to - from)) };
}
