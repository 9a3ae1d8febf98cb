"use strict";
// The transport: play, pause, seek, loop. Positions are whole frames of the song.

/** Seconds from a start until the first sample, so that all stems are ready for it. */
const START_AHEAD_S = 0.02;

/** Shortest loop, in seconds. */
const SHORTEST_LOOP_S = 0.05;

/** Plays stems of equal lengths. `change` events follow every change of the state. */
class Player extends EventTarget {
  constructor(buffers, mix) {
    super();
    this.buffers = buffers;
    this.mix = mix;
    this.rate = buffers[0].sampleRate;
    this.frames = buffers[0].length;
    this.context = null;
    this.deck = null;
    this.playing = false;
    this.loop = null;
    this.looping = false;
    // Position while paused, and at the start of the deck.
    this.frame = 0;
    this.startedAt_s = 0;

    mix.addEventListener("change", () => this.applyMix());
  }

  /** Opens the audio output, which browsers allow only once the page was touched. */
  open() {
    if (this.context) return;
    try {
      this.context = new AudioContext({ sampleRate: this.rate, latencyHint: "interactive" });
    } catch {
      // The browser resamples to the rate of the output.
      this.context = new AudioContext({ latencyHint: "interactive" });
    }
    this.output = new GainNode(this.context, { gain: factorOf(this.mix.masterDb) });
    this.output.connect(this.context.destination);
    this.context.onstatechange = () => {
      // A call on a phone takes the output away.
      if (this.playing && this.context.state === "interrupted") this.pause();
    };
  }

  async play() {
    if (this.playing) return;
    this.open();
    await this.context.resume();
    if (this.playing) return;
    if (this.frame >= this.frames) this.frame = 0;
    this.playing = true;
    this.start(this.frame);
    this.changed();
  }

  pause() {
    if (!this.playing) return;
    this.frame = this.position();
    this.playing = false;
    this.deck.stop();
    this.deck = null;
    this.changed();
  }

  toggle() {
    return this.playing ? this.pause() : this.play();
  }

  /** Moves to `frame`. */
  seek(frame) {
    this.frame = Math.round(Math.min(Math.max(frame, 0), this.frames));
    if (this.playing) this.start(this.frame);
    this.changed();
  }

  /** Moves by `seconds`. */
  skip(seconds) {
    this.seek(this.position() + seconds * this.rate);
  }

  /** Sets the part that is looped, in frames, and begins to loop it. */
  setLoop(start, end) {
    const least = Math.round(SHORTEST_LOOP_S * this.rate);
    let [from, to] = [Math.min(start, end), Math.max(start, end)].map(Math.round);
    from = Math.max(0, Math.min(from, this.frames - least));
    to = Math.min(this.frames, Math.max(to, from + least));
    this.change(() => {
      this.loop = { start: Math.max(0, from), end: to };
      this.looping = true;
    });
  }

  /** Loops the part that was set, or the whole song, or no more. */
  toggleLoop() {
    this.change(() => {
      this.loop ??= { start: 0, end: this.frames };
      this.looping = !this.looping;
    });
  }

  clearLoop() {
    this.change(() => {
      this.loop = null;
      this.looping = false;
    });
  }

  /** Returns the frame that is heard now. */
  position() {
    if (!this.playing) return this.frame;
    const { currentTime, outputLatency } = this.context;
    const since_s = currentTime - (outputLatency || 0) - this.startedAt_s;
    const frame = this.frame + Math.max(0, since_s) * this.rate;
    return Math.round(this.wrapped(frame));
  }

  /** Returns where `frame` lies once the loop has been gone round. */
  wrapped(frame) {
    if (this.looping && frame >= this.loop.end) {
      const { start, end } = this.loop;
      return start + ((frame - end) % (end - start));
    }
    return Math.min(frame, this.frames);
  }

  /** Starts a deck at `frame` in place of the one that plays. */
  start(frame) {
    this.deck?.stop();
    const loop = this.looping ? this.loop : null;
    this.frame = loop && frame >= loop.end ? loop.start : frame;
    if (this.frame >= this.frames) {
      this.deck = null;
      this.playing = false;
      return;
    }

    this.startedAt_s = this.context.currentTime + START_AHEAD_S;
    const deck = new Deck(
      this.context, this.output, this.buffers, this.mix, this.startedAt_s, this.frame, loop,
    );
    deck.onEnd(() => {
      if (this.deck !== deck) return;
      this.deck = null;
      this.playing = false;
      this.frame = this.frames;
      this.changed();
    });
    this.deck = deck;
  }

  /** Changes the loop by `how`, while the sound goes on. */
  change(how) {
    const frame = this.position();
    how();
    if (this.playing) this.start(frame);
    this.changed();
  }

  applyMix() {
    this.deck?.applyMix();
    this.output?.gain.setTargetAtTime(
      factorOf(this.mix.masterDb), this.context.currentTime, GLIDE_S / 3,
    );
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}
