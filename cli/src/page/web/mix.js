"use strict";
// The mix: which stems are heard, and how loud. It knows nothing of the page or of Web Audio.

/** Gain, in dB, at which a slider means silence. */
const SILENT_DB = -60;

/** Returns the factor of a gain in dB. */
function factorOf(db) {
  return db <= SILENT_DB ? 0 : 10 ** (db / 20);
}

/** Gains, mutes and solos of the stems. `change` events follow every change. */
class Mix extends EventTarget {
  constructor(count) {
    super();
    this.stems = Array.from({ length: count }, () => ({ db: 0, muted: false, soloed: false }));
    this.masterDb = 0;
  }

  /** Returns the factor by which stem number `stem` is heard. Any solo silences all others. */
  level(stem) {
    const { db, muted, soloed } = this.stems[stem];
    const anySolo = this.stems.some((other) => other.soloed);
    return muted || (anySolo && !soloed) ? 0 : factorOf(db);
  }

  toggleMute(stem) {
    this.set(stem, { muted: !this.stems[stem].muted });
  }

  toggleSolo(stem) {
    this.set(stem, { soloed: !this.stems[stem].soloed });
  }

  /** Changes some of `{ db, muted, soloed }` of a stem. */
  set(stem, changes) {
    Object.assign(this.stems[stem], changes);
    this.dispatchEvent(new Event("change"));
  }

  setMaster(db) {
    this.masterDb = db;
    this.dispatchEvent(new Event("change"));
  }

  /** Takes back all mutes and solos. */
  clear() {
    for (const stem of this.stems) Object.assign(stem, { muted: false, soloed: false });
    this.dispatchEvent(new Event("change"));
  }
}
