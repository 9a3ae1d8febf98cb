"""Songs by rule and chance: from a seed to a score of six parts.

A `Song` is a tempo, a harmony and a list of `Track`s; a track is one player's notes in seconds, already humanised. What
plays them (which soundfont, synthesiser or voice) is decided in `instruments.py`, so the same score can be rendered
with the instruments of training or with those kept for evaluation. Everything follows from the seed.

Seeds are spent in disjoint ranges, so that no score is both trained on and judged:
training 1,000,000 and up; validation 1,000 up; evaluation 10,000 up; the sample song 76.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

STEMS = ("drums", "bass", "other", "vocals", "guitar", "piano")
TRAIN_SEEDS, VALID_SEEDS, EVAL_SEEDS, SAMPLE_SEED = 1_000_000, 1_000, 10_000, 76

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
DORIAN, MIXOLYDIAN = (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 5, 7, 9, 10)
PROGRESSIONS = (  # scale degrees from 0, one a bar
    (0, 4, 5, 3), (5, 3, 0, 4), (0, 5, 3, 4), (1, 4, 0, 5), (0, 3, 4, 3), (0, 6, 3, 0), (0, 2, 3, 4), (3, 4, 2, 5),
    (0, 3, 0, 4), (0, 5, 1, 4), (0, 6, 5, 6), (0, 0, 3, 3), (0, 6, 5, 4), (3, 0, 4, 5), (0, 4, 1, 3), (0, 0, 5, 5),
)  # fmt: skip


class Note(NamedTuple):
    """Start and duration in seconds, MIDI pitch (a General MIDI drum number on drums), velocity 0 to 1."""

    start_s: float
    duration_s: float
    pitch: float
    velocity: float


@dataclass
class Track:
    """One player's notes. `part` is how it plays ("strum", "walk", "pad", ...): the instrument is chosen to suit."""

    stem: str
    part: str
    notes: list


@dataclass
class Song:
    seed: int
    style: str
    bpm: float
    seconds: float
    tracks: list = field(default_factory=list)

    def stems(self):
        return {t.stem for t in self.tracks if t.notes}


# Tempo range, swing (0 straight, 1 triplet), grooves, and how each part likes to play.
STYLES = {
    "rock": ((96, 160), 0.0, ("rock", "rock2", "halftime"), ("eighths", "kick"), ("power", "strum", "lead"), ("block", "comp"), ("pad", "line")),
    "pop": ((84, 128), 0.0, ("rock", "pop", "four"), ("kick", "eighths", "long"), ("strum", "pick", "muted"), ("block", "arpeggio", "comp"), ("pad", "arp", "line", "stab")),
    "ballad": ((58, 84), 0.0, ("halftime", "pop", "sparse"), ("long", "kick"), ("pick", "strum"), ("ballad", "arpeggio"), ("pad", "line")),
    "funk": ((92, 116), 0.15, ("funk", "break"), ("slap", "octave", "kick"), ("muted", "strum"), ("comp", "stab"), ("stab", "line", "pad")),
    "jazz": ((100, 180), 0.85, ("swing",), ("walk",), ("comp", "lead", "pick"), ("comp", "block"), ("line", "stab")),
    "disco": ((110, 126), 0.0, ("four", "disco"), ("octave", "eighths"), ("muted", "strum"), ("stab", "block"), ("line", "arp", "stab", "pad")),
    "hiphop": ((72, 98), 0.35, ("boom", "trap", "break"), ("long", "kick"), ("pick", "muted"), ("stab", "arpeggio", "comp"), ("pad", "line", "arp")),
    "reggae": ((68, 88), 0.3, ("onedrop",), ("riff", "kick"), ("skank",), ("skank", "comp"), ("stab", "line")),
    "latin": ((96, 132), 0.0, ("bossa", "latin"), ("tumbao", "kick"), ("pick", "comp"), ("montuno", "comp"), ("stab", "line")),
    "electro": ((112, 140), 0.0, ("four", "trap", "break"), ("eighths", "octave", "riff"), ("muted", "pick"), ("stab", "arpeggio"), ("arp", "pad", "stab", "line")),
    "metal": ((120, 180), 0.0, ("double", "rock2", "halftime"), ("eighths", "kick"), ("power", "chug", "lead"), ("block", "arpeggio"), ("pad", "line")),
    "country": ((88, 132), 0.1, ("train", "rock"), ("alternate", "kick"), ("strum", "pick", "lead"), ("comp", "block"), ("line", "pad")),
    "waltz": ((84, 150), 0.1, ("waltz",), ("long", "alternate"), ("pick", "strum"), ("arpeggio", "ballad", "comp"), ("line", "pad")),
    "chamber": ((60, 110), 0.0, ("sparse", "none"), ("long", "walk"), ("pick",), ("arpeggio", "ballad"), ("line", "pad", "arp")),
}  # fmt: skip

# One bar of sixteen steps (twelve for the waltz) per voice: x a hit, o a softer one, ? perhaps.
GROOVES = {
    "rock": {36: "x.....o.x.?.....", 38: "....x.......x...", 42: "x.o.x.o.x.o.x.o."},
    "rock2": {36: "x.x...x.x.x...?.", 38: "....x.......x..?", 51: "x.o.x.o.x.o.x.o."},
    "pop": {36: "x......xx.......", 38: "....x.......x...", 42: "xoxoxoxoxoxoxoxo"},
    "four": {36: "x...x...x...x...", 39: "....x.......x...", 42: "o.o.o.o.o.o.o.o.", 46: "..x...x...x...x."},
    "disco": {36: "x...x...x...x...", 38: "....x.......x...", 42: "xooxxooxxooxxoox", 46: "..?...?...?...x."},
    "halftime": {36: "x.....?...o.....", 38: "........x.......", 42: "x.o.x.o.x.o.x.o."},
    "sparse": {36: "x.........?.....", 37: "........x.......", 42: "o...o...o...o..."},
    "funk": {36: "x..x..?.?.x..?..", 38: "....x..o.o..x..o", 42: "xoxoxoxoxoxoxo.o", 46: "..............?."},
    "break": {36: "x.x.......xx....", 38: "....x..o.o..x..?", 42: "x.x.x.x.x.x.x.x."},
    "swing": {36: "o...?...o...?...", 44: "....x.......x...", 51: "x...x..xx...x..x", 38: "...?......?....?"},
    "boom": {36: "x......?..x.....", 38: "....x.......x...", 42: "x.x.x.x.x.x.xox."},
    "trap": {36: "x.....x...x..?..", 39: "........x.......", 42: "xoxoxoxxxoxoxxxx", 46: "......?........."},
    "onedrop": {36: "........x.......", 37: "........x...?...", 42: "..x.o.x...x.o.x."},
    "bossa": {36: "x..ox..ox..ox..o", 37: "x..x..x...x..x..", 42: "xoxoxoxoxoxoxoxo"},
    "latin": {36: "x...x...x...x...", 56: "x.x.xx.xx.x.xx.x", 63: "..xx..x...xx..x.", 64: "......xx......xx", 70: "xoxoxoxoxoxoxoxo"},
    "double": {36: "xxxxxxxxxxxxxxxx", 38: "....x.......x...", 49: "x...............", 51: "x...x...x...x..."},
    "train": {36: "x...x...x...x...", 38: "ooxoooxoooxoooxo", 42: "..o...o...o...o."},
    "waltz": {36: "x.......?...", 38: "....o...o...", 42: "x...x...x..."},
    "none": {82: "o...o...o...o..."},
}  # fmt: skip
BASS_STEPS = {
    "eighths": "x.x.x.x.x.x.x.x.", "kick": "x.....x.x.....?.", "long": "x...............", "octave": "x.X.x.X.x.X.x.X.",
    "slap": "x..X..x.?X..x.X.", "walk": "x...w...w...w...", "riff": "x..x..5...w.x...", "tumbao": "......5.....x...",
    "alternate": "x.......5.......",
}  # fmt: skip
CHORD_STEPS = {
    "strum": ("x.x.x.xxx.x.x.xx", "x...x.x...x.x.x.", "x..xx.x.x..xx.x."), "muted": ("x.xx..x.x.xx.xx.", "..x...x...x..xx."),
    "skank": ("....x.......x...", "..x...x...x...x."), "comp": ("x.....x.....x...", "...x..x....x....", "x..x....?.x....."),
    "stab": ("x..x..x.........", "..x...x...x...x.", "x.........x....."), "block": ("x...x...x...x...", "x.......x......."),
    "power": ("x...............", "x.x.x.x.x.x.x.x.", "x..x..x.x..x..x."), "chug": ("xxxxxxxxxxxxxxxx", "x.xxx.xxx.xxx.xx"),
    "montuno": ("x.xx.x.x.xx.x.x.",),
}  # fmt: skip


class Composer:
    """Holds what every part of one song shares: the random source, the harmony and the clock."""

    def __init__(self, seed, seconds):
        self.rng = np.random.default_rng([seed, 6])
        r = self.rng
        self.seed, self.seconds = seed, seconds
        self.style = str(r.choice(list(STYLES)))
        (low, high), swing, *self.habits = STYLES[self.style]
        self.bpm = float(r.uniform(low, high))
        self.swing = swing * r.uniform(0.6, 1.0)
        self.steps = 12 if self.style == "waltz" or r.random() < 0.04 else 16
        self.step_s = 60 / self.bpm / 4
        self.bar_s = self.steps * self.step_s
        self.bars = int(np.ceil(seconds / self.bar_s))
        self.key = int(r.integers(12))
        dark = {"metal": 0.9, "hiphop": 0.8, "electro": 0.7, "country": 0.1, "reggae": 0.5}.get(self.style, 0.45)
        scales, odds = (MAJOR, MIXOLYDIAN, MINOR, DORIAN), ((1 - dark) * 0.8, (1 - dark) * 0.2, dark * 0.8, dark * 0.2)
        self.scale = scales[r.choice(4, p=odds)]
        self.sevenths = r.random() < {"jazz": 0.95, "funk": 0.7, "ballad": 0.4, "metal": 0.0}.get(self.style, 0.25)
        verse, chorus = (PROGRESSIONS[i] for i in r.integers(len(PROGRESSIONS), size=2))
        self.degrees = [(verse if (bar // 4) % 2 == 0 else chorus)[bar % 4] for bar in range(self.bars)]
        self.looseness_s = r.uniform(0.002, 0.014) * (0.3 if self.style == "electro" else 1)

    def pick(self, options):
        return options[int(self.rng.integers(len(options)))]

    def degree_pitch(self, degree):
        """Semitones above the tonic of a scale degree that may lie in any octave."""
        return self.scale[degree % 7] + 12 * (degree // 7)

    def chord(self, bar):
        """Pitch classes of the bar's chord above MIDI 0, root first."""
        d = self.degrees[bar]
        return [self.key + self.degree_pitch(d + i) for i in ((0, 2, 4, 6) if self.sevenths else (0, 2, 4))]

    def at(self, bar, step):
        """Seconds of a step, swung: odd eighths come late by up to a third of a beat."""
        late = self.swing * self.step_s * 2 / 3 if self.swing and step % 4 in (2, 3) else 0.0
        return bar * self.bar_s + step * self.step_s + late

    def hit(self, bar, step, length_steps, pitch, velocity, late_s=0.0):
        start = max(0.0, self.at(bar, step) + late_s + self.rng.normal(0, self.looseness_s))
        loud = float(np.clip(velocity * self.rng.normal(1, 0.09), 0.08, 1.0))
        return Note(start, max(0.03, length_steps * self.step_s), float(pitch), loud)

    def presence(self, chance):
        """Which bars a part plays in: blocks of two or four bars, at least one of them (unless the chance says never)."""
        block = self.pick((2, 4))
        plays = np.repeat(self.rng.random(-(-self.bars // block)) < chance, block)[: self.bars]
        return plays

    def voicing(self, bar, low, high, size):
        """The bar's chord as `size` rising pitches within [low, high]."""
        classes = [p % 12 for p in self.chord(bar)]
        pool = [p for p in range(int(low), int(high) + 1) if p % 12 in classes]
        first = int(self.rng.integers(0, max(1, min(3, len(pool) - size))))
        return pool[first : first + size]

    # Parts -----------------------------------------------------------------------------------------------------------

    def drums(self):
        name = self.pick(self.habits[0])
        groove = GROOVES[name]
        plays, notes = self.presence(0.93), []
        ghost, busy = self.rng.uniform(0, 0.12), self.rng.uniform(0, 0.08)
        for bar in np.flatnonzero(plays):
            fill = (bar + 1) % 4 == 0 and self.rng.random() < 0.6 and name != "none"
            fill_from = self.steps - self.pick((2, 4, 8)) if fill else self.steps
            for voice, steps in groove.items():
                for step in range(self.steps):
                    mark = steps[step % len(steps)]
                    if step >= fill_from and voice not in (36,):
                        continue
                    strength = {"x": 0.9, "o": 0.5, "?": 0.75 if self.rng.random() < 0.4 else 0}.get(mark, 0)
                    if not strength and voice == 38 and self.rng.random() < ghost:
                        strength = 0.25
                    if not strength and voice == 36 and self.rng.random() < busy:
                        strength = 0.7
                    if strength:
                        notes.append(self.hit(bar, step, 1, voice, strength * (0.85 if voice in (42, 51) else 1)))
            for step in range(fill_from, self.steps):
                if self.rng.random() < 0.8:
                    notes.append(self.hit(bar, step, 1, self.pick((38, 50, 48, 47, 45, 43, 41)), 0.85))
            if (bar % 4 == 0 and self.rng.random() < 0.5) and name not in ("none", "sparse"):
                notes.append(self.hit(bar, 0, 4, self.pick((49, 57, 55)), 0.85))
        extra = self.pick((54, 70, 69, 39, 56, 75)) if self.rng.random() < 0.25 else None
        if extra:
            notes += [
                self.hit(b, s, 1, extra, 0.5) for b in np.flatnonzero(plays) for s in range(2, self.steps, 4)
            ]
        return [Track("drums", name, notes)]

    def bass(self):
        part = self.pick(self.habits[1])
        steps, plays, notes = BASS_STEPS[part], self.presence(0.92), []
        base = 28 + (self.key - 4) % 12 - self.key  # roots from E1 to D#2
        legato = self.rng.uniform(0.5, 1.0)
        for bar in np.flatnonzero(plays):
            chord = self.chord(bar)
            onsets = [s for s in range(self.steps) if steps[s % 16] not in ".?" or
                      (steps[s % 16] == "?" and self.rng.random() < 0.5)]  # fmt: skip
            for i, step in enumerate(onsets):
                end = onsets[i + 1] if i + 1 < len(onsets) else self.steps
                mark = steps[step % 16]
                pitch = {"X": chord[0] + 12, "5": chord[2]}.get(mark, chord[0])
                if mark == "w" or (self.rng.random() < 0.08 and step):
                    pitch = self.pick(chord) + self.pick((-12, 0, 0, 1, -1))
                pitch = base + pitch
                while pitch < 28:
                    pitch += 12
                while pitch > 52:
                    pitch -= 12
                notes.append(self.hit(bar, step, max(0.6, (end - step) * legato), pitch, self.rng.uniform(0.7, 0.95)))
        return [Track("bass", part, notes)]

    def chords(self, part, low, high, size, spread_s, late=0.0):
        """Chords on a rhythm; `spread_s` is the time between the strings of a strum."""
        patterns, plays, notes = CHORD_STEPS[part], self.presence(0.85), []
        steps = self.pick(patterns)
        length = {"muted": 0.7, "skank": 0.8, "stab": 1.2, "chug": 0.8, "comp": 2.0}.get(part)
        for bar in np.flatnonzero(plays):
            tones = self.voicing(bar, low, high, size)
            onsets = [s for s in range(self.steps) if steps[s % 16] == "x" or
                      (steps[s % 16] == "?" and self.rng.random() < 0.5)]  # fmt: skip
            for i, step in enumerate(onsets):
                end = onsets[i + 1] if i + 1 < len(onsets) else self.steps
                order = tones if step % 4 == 0 or self.rng.random() < 0.5 else tones[::-1]
                loud = 0.8 if step % 4 == 0 else 0.62
                for k, pitch in enumerate(order):
                    note = self.hit(bar, step, length or (end - step) * 0.98, pitch, loud, k * spread_s + late)
                    notes.append(note)
        return notes

    def arpeggio(self, low, high, size, every=2, ring=2.5):
        plays, notes = self.presence(0.85), []
        shape = self.pick(("up", "down", "updown", "random"))
        for bar in np.flatnonzero(plays):
            tones = self.voicing(bar, low, high, size)
            walk = {"up": tones, "down": tones[::-1], "updown": tones + tones[-2:0:-1]}.get(shape)
            for i, step in enumerate(range(0, self.steps, every)):
                pitch = walk[i % len(walk)] if walk else self.pick(tones)
                if self.rng.random() < 0.94:
                    notes.append(self.hit(bar, step, every * ring, pitch, 0.62 + 0.15 * (step % 4 == 0)))
        return notes

    def melody(self, low, high, chance=0.75, fast=0.3):
        """A line that leans on chord tones on the beat and walks the scale between, in phrases with rests."""
        plays, notes = self.presence(chance), []
        scale = [p for p in range(int(low), int(high) + 1) if (p - self.key) % 12 in self.scale]
        at = len(scale) // 2
        for bar in np.flatnonzero(plays):
            step, classes = int(self.pick((0, 0, 0, 2, 4))), [p % 12 for p in self.chord(bar)]
            stop = self.steps - int(self.pick((0, 0, 2, 4, 6)))
            while step < stop:
                length = int(self.pick((1, 1, 2) if self.rng.random() < fast else (2, 2, 4, 4, 6, 8)))
                length = min(length, self.steps - step)
                at = int(np.clip(at + self.pick((-3, -2, -1, -1, 0, 1, 1, 2, 3)), 0, len(scale) - 1))
                if step % 4 == 0:
                    near = [i for i, p in enumerate(scale) if p % 12 in classes]
                    at = min(near, key=lambda i: abs(i - at))
                if self.rng.random() < 0.93:
                    notes.append(self.hit(bar, step, length * 0.95, scale[at], self.rng.uniform(0.6, 0.95)))
                step += length
        return notes

    def guitar(self):
        tracks = []
        for part in self.rng.permutation(self.habits[2])[: 1 + (self.rng.random() < 0.3)]:
            part, low = str(part), int(self.rng.integers(40, 50))
            if part in ("power", "chug"):
                notes = []
                for n in self.chords(part, 40, 52, 1, 0.0):
                    notes += [n, n._replace(pitch=n.pitch + 7), n._replace(pitch=n.pitch + 12)]
            elif part == "lead":
                notes = self.melody(57, 81, 0.7, fast=0.5)
            elif part == "pick":
                notes = self.arpeggio(low, low + 30, int(self.rng.integers(4, 7)), self.pick((1, 2, 2)), 3.0)
            else:
                notes = self.chords(part, low, low + 28, int(self.rng.integers(3, 7)), self.rng.uniform(0.004, 0.022))
            tracks.append(Track("guitar", part, notes))
        return tracks

    def piano(self):
        part = self.pick(self.habits[3])
        low = int(self.rng.integers(46, 60))
        if part == "arpeggio":
            notes = self.arpeggio(low, low + 30, int(self.rng.integers(4, 8)), self.pick((1, 2, 2)), 3.0)
        elif part == "ballad":
            notes = self.chords("block", low, low + 20, 3, 0.004)
        else:
            notes = self.chords(part, low, low + 22, int(self.rng.integers(3, 6)), 0.003)
        if part in ("ballad", "arpeggio", "block") and self.rng.random() < 0.7:  # the left hand
            for bar in np.flatnonzero(self.presence(0.9)):
                root = 36 + (self.chord(bar)[0] - 36) % 12
                for step in (0, 8) if self.steps == 16 else (0,):
                    notes.append(self.hit(bar, step, 7, root, 0.65))
                    if self.rng.random() < 0.5:
                        notes.append(self.hit(bar, step, 7, root + 12, 0.6))
        if self.rng.random() < 0.2:
            notes += self.melody(67, 91, 0.5, fast=0.4)
        return [Track("piano", part, sorted(notes))]

    def other(self):
        tracks = []
        for part in self.rng.permutation(self.habits[4])[: 1 + (self.rng.random() < 0.55)]:
            part, notes = str(part), []
            low = int(self.rng.integers(52, 64))
            if part == "pad":
                for bar in np.flatnonzero(self.presence(0.85)):
                    for pitch in self.voicing(bar, low - 4, low + 20, int(self.rng.integers(3, 5))):
                        notes.append(self.hit(bar, 0, self.steps * 0.97, pitch, 0.6))
            elif part == "arp":
                notes = self.arpeggio(low, low + 30, int(self.rng.integers(3, 7)), self.pick((1, 1, 2)), 0.8)
            elif part == "stab":
                notes = self.chords("stab", low, low + 22, int(self.rng.integers(2, 5)), 0.002)
            else:
                notes = self.melody(low, low + 26, 0.75, fast=self.rng.uniform(0.1, 0.6))
            tracks.append(Track("other", part, notes))
        return tracks

    def vocals(self):
        r, low = self.rng, int(self.rng.integers(45, 62))
        part = self.pick(("lead", "lead", "lead", "lead", "choir", "speech"))
        if part == "choir":
            notes = []
            for bar in np.flatnonzero(self.presence(0.8)):
                for pitch in self.voicing(bar, low, low + 20, int(r.integers(2, 5))):
                    notes.append(self.hit(bar, 0, self.steps * 0.95, pitch, 0.7))
            return [Track("vocals", part, notes)]
        lead = self.melody(low, low + 17, 0.8, fast=r.uniform(0.15, 0.6))
        tracks = [Track("vocals", part, lead)]
        if part == "lead" and r.random() < 0.35:  # harmonies a third or a sixth away, now and then
            away = self.pick((-2, 2, -5, 5))
            scale = [p for p in range(30, 100) if (p - self.key) % 12 in self.scale]
            keep = [n for n in lead if int(n.start_s / self.bar_s / 2) % 2 == 1 or r.random() < 0.2]
            near = [int(np.argmin(np.abs(np.array(scale) - n.pitch))) for n in keep]
            notes = [n._replace(pitch=float(scale[i + away]), velocity=n.velocity * 0.7) for n, i in zip(keep, near)]
            tracks.append(Track("vocals", "harmony", notes))
        return tracks


# How often a stem is in a song at all; the mixer mutes more of them while training.
PRESENCE = {"drums": 0.93, "bass": 0.95, "other": 0.85, "vocals": 0.85, "guitar": 0.85, "piano": 0.8}


def compose(seed, seconds=24.0, every_stem=False):
    """The song of a seed. `every_stem` makes sure that all six play."""
    c = Composer(seed, seconds)
    song = Song(seed, c.style, c.bpm, seconds)
    for stem in STEMS:
        tracks = getattr(c, stem)()
        if every_stem or c.rng.random() < PRESENCE[stem]:
            song.tracks += tracks
    for track in song.tracks:
        track.notes = sorted(n for n in track.notes if n.start_s < seconds - 0.05)
    song.tracks = [t for t in song.tracks if t.notes]
    return song
