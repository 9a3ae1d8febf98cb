"use strict";
// Alignment of the decoded stems to the sample.
//
// Lossy formats begin with silence of the encoder's and the decoder's, and browsers differ in how
// much of it they take away. So each encoded stem begins with a mark, a short tone burst in
// silence, that is looked for in what was decoded. The song begins a fixed number of frames later.

/** Frames on each side of the mark's middle. */
const MARK_REACH = 64;

/** Least correlation, from 0 to 1, by which the mark is recognised. */
const MARK_LEAST = 0.7;

/** The mark, as `cli/src/page/mark.rs` has it. */
function mark() {
  return Float32Array.from({ length: 2 * MARK_REACH + 1 }, (_, n) => {
    const x = (n - MARK_REACH) / 16;
    return Math.cos(2 * Math.PI * x) * Math.exp(-x * x);
  });
}

/**
 * Returns the frame of the middle of the mark within the first `reach` frames of `samples`, or
 * null if it is not there.
 */
function findMark(samples, reach) {
  const shape = mark();
  const shapeEnergy = shape.reduce((sum, value) => sum + value * value, 0);
  const last = Math.min(reach, samples.length - MARK_REACH - 1);
  let best = { frame: null, product: 0 };

  for (let frame = MARK_REACH; frame <= last; frame++) {
    let product = 0;
    for (let n = 0; n < shape.length; n++) product += shape[n] * samples[frame - MARK_REACH + n];
    if (product > best.product) best = { frame, product };
  }
  if (best.frame === null) return null;

  const heard = samples.subarray(best.frame - MARK_REACH, best.frame + MARK_REACH + 1);
  const energy = heard.reduce((sum, value) => sum + value * value, 0);
  return best.product / Math.sqrt(energy * shapeEnergy) >= MARK_LEAST ? best.frame : null;
}

/**
 * Returns the stem that `decoded` holds: exactly `facts.frames` frames, from the song's first on,
 * and as loud as it was.
 */
function alignStem(decoded, facts) {
  const found = findMark(decoded.getChannelData(0), facts.lead_frames);
  if (found === null) throw new Error("its beginning was not found");

  const begin = found + facts.lead_frames - facts.mark_frame;
  const stem = new AudioBuffer({
    length: facts.frames,
    numberOfChannels: decoded.numberOfChannels,
    sampleRate: decoded.sampleRate,
  });
  for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
    const from = decoded.getChannelData(channel).subarray(begin, begin + facts.frames);
    const to = stem.getChannelData(channel);
    for (let n = 0; n < from.length; n++) to[n] = from[n] * facts.gain;
  }
  return stem;
}
