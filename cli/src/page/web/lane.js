"use strict";
// A stem's row: its name, mute, solo and gain, and its picture.

/** Returns a new element with `properties`, and `children` in it. */
function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Returns a gain as people read it. */
function gainText(db) {
  if (db <= SILENT_DB) return "−∞ dB";
  const sign = db > 0 ? "+" : db < 0 ? "−" : "";
  return `${sign}${Math.abs(db).toFixed(1)} dB`;
}

class Lane {
  constructor(name, number, mix) {
    this.number = number;
    this.mix = mix;
    this.canvas = make("canvas", { ariaHidden: "true" });
    this.track = make(
      "div", { className: "track" },
      this.canvas, make("div", { className: "band" }), make("div", { className: "playhead" }),
    );
    this.element = make("div", { className: "row lane" }, this.head(name), this.track);
    this.element.dataset.name = name;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", name);
    this.show();
  }

  head(name) {
    const key = String(this.number + 1);
    const has_key = this.number < 6;
    const title = make("div", { className: "name" }, make("span", { textContent: name }));
    if (has_key) title.append(make("kbd", { textContent: key, ariaHidden: "true" }));

    this.mute = this.toggle("M", "mute", `Mute ${name}`, () => this.mix.toggleMute(this.number));
    this.solo = this.toggle("S", "solo", `Solo ${name}`, () => this.mix.toggleSolo(this.number));
    if (has_key) {
      this.mute.setAttribute("aria-keyshortcuts", key);
      this.solo.setAttribute("aria-keyshortcuts", `Shift+${key}`);
    }

    this.gain = make("input", { type: "range", min: SILENT_DB, max: 6, step: 0.5, value: 0 });
    this.gain.setAttribute("aria-label", `Gain of ${name}`);
    const set = (db) => this.mix.set(this.number, { db });
    this.gain.addEventListener("input", () => set(this.gain.valueAsNumber));
    this.gain.addEventListener("dblclick", () => set(0));
    this.text = make("output", {});
    const gain = make("div", { className: "gain" }, this.gain, this.text);
    return make("div", { className: "head" }, title, this.mute, this.solo, gain);
  }

  toggle(text, className, label, act) {
    const button = make("button", { type: "button", textContent: text, className, title: label });
    button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    return button;
  }

  /** Shows the state of the mix. */
  show() {
    const { db, muted, soloed } = this.mix.stems[this.number];
    this.mute.ariaPressed = String(muted);
    this.solo.ariaPressed = String(soloed);
    this.gain.value = db;
    this.gain.setAttribute("aria-valuetext", gainText(db));
    this.text.textContent = gainText(db);
    this.element.classList.toggle("silent", this.mix.level(this.number) === 0);
  }

  /** Draws the waveform, or the spectrogram where there is one. */
  draw({ scale, loudest, isSpectrum }) {
    const colour = colourOf(this.element, "--stem");
    if (isSpectrum && this.spectrum) {
      const [well, ink] = ["--well", "--ink"].map((name) => colourOf(this.element, name));
      drawSpectrum(this.canvas, this.spectrum, loudest, palette(well, colour, ink));
    } else if (this.peaks) {
      drawWaveform(this.canvas, this.peaks, scale, colour);
    }
  }
}
