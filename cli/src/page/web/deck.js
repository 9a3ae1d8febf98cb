"use strict";
// One run of all stems through Web Audio, from one start to one stop.

/** Seconds of a fade that hides a start or a stop in the middle of the sound. */
const FADE_S = 0.005;

/** Seconds in which a changed gain is reached, nearly. */
const GLIDE_S = 0.012;

/**
 * All stems, started at the same time of the context, so that they are in step to the sample.
 *
 * `at_s` is a time of the context; `frame` and `loop` (`{ start, end }` or null) are in frames.
 */
class Deck {
  constructor(context, output, buffers, mix, at_s, frame, loop) {
    this.context = context;
    this.mix = mix;
    this.fader = new GainNode(context);
    this.fader.connect(output);
    this.lanes = buffers.map((_, stem) => new GainNode(context, { gain: mix.level(stem) }));

    const rate = buffers[0].sampleRate;
    this.sources = buffers.map((buffer, stem) => {
      const source = new AudioBufferSourceNode(context, { buffer });
      if (loop) {
        source.loop = true;
        source.loopStart = loop.start / rate;
        source.loopEnd = loop.end / rate;
      }
      source.connect(this.lanes[stem]).connect(this.fader);
      source.start(at_s, frame / rate);
      return source;
    });

    // The beginning of the song needs no fade, and is heard as it is.
    if (frame > 0) {
      this.fader.gain.setValueAtTime(0, at_s);
      this.fader.gain.linearRampToValueAtTime(1, at_s + FADE_S);
    }
  }

  /** Lets the mix be heard. */
  applyMix() {
    this.lanes.forEach((lane, stem) => {
      lane.gain.setTargetAtTime(this.mix.level(stem), this.context.currentTime, GLIDE_S / 3);
    });
  }

  /** Calls `ended` when the song is over. */
  onEnd(ended) {
    this.sources[0].onended = ended;
  }

  /** Fades out and stops. */
  stop() {
    const now = this.context.currentTime;
    this.sources[0].onended = () => this.fader.disconnect();
    this.fader.gain.cancelScheduledValues(now);
    this.fader.gain.setTargetAtTime(0, now, FADE_S / 3);
    for (const source of this.sources) source.stop(now + 2 * FADE_S);
  }
}
