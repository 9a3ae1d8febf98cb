"""Songs by rule and chance: from a seed to a score of six parts.

A `Song` is a tempo, a harmony and a list of `Track`s; a track is one player's notes in seconds,
already humanised. What plays them (which soundfont, synthesiser or voice) is decided by
`training_players.py` or `heldout_players.py`, so the same score can be rendered with the
instruments of training or with those kept for evaluation. Everything follows from the seed.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from sextet_train.songs.score import Note, Song, Track
from sextet_train.songs.styles import (
    BASS_STEPS,
    CHORD_STEPS,
    DARKNESS,
    DORIAN,
    GROOVES,
    MAJOR,
    MINOR,
    MIXOLYDIAN,
    PRESENCE,
    PROGRESSIONS,
    SEVENTHS,
    STYLES,
    USUAL_DARKNESS,
    USUAL_SEVENTHS,
)
from sextet_train.stems import STEMS

T = TypeVar("T")

# General MIDI drums.
KICK, SNARE, CLOSED_HAT, RIDE = 36, 38, 42, 51
FILL_DRUMS = (38, 50, 48, 47, 45, 43, 41)
CRASHES = (49, 57, 55)
EXTRA_PERCUSSION = (54, 70, 69, 39, 56, 75)


class Composer:
    """Holds what every part of one song shares: the random source, the harmony and the clock."""

    def __init__(self, seed: int, seconds: float) -> None:
        self.rng = np.random.default_rng([seed, 6])
        r = self.rng
        self.seed, self.seconds = seed, seconds
        self.style = str(r.choice(list(STYLES)))
        self.habits = STYLES[self.style]
        self.bpm = float(r.uniform(*self.habits.bpm))
        self.swing = self.habits.swing * r.uniform(0.6, 1.0)
        self.steps = 12 if self.style == "waltz" or r.random() < 0.04 else 16
        self.step_s = 60 / self.bpm / 4
        self.bar_s = self.steps * self.step_s
        self.bars = int(np.ceil(seconds / self.bar_s))
        self.key = int(r.integers(12))
        dark = DARKNESS.get(self.style, USUAL_DARKNESS)
        scales, odds = (
            (MAJOR, MIXOLYDIAN, MINOR, DORIAN),
            ((1 - dark) * 0.8, (1 - dark) * 0.2, dark * 0.8, dark * 0.2),
        )
        self.scale = scales[r.choice(4, p=odds)]
        self.sevenths = r.random() < SEVENTHS.get(self.style, USUAL_SEVENTHS)
        verse, chorus = (PROGRESSIONS[i] for i in r.integers(len(PROGRESSIONS), size=2))
        self.degrees = [
            (verse if (bar // 4) % 2 == 0 else chorus)[bar % 4] for bar in range(self.bars)
        ]
        self.looseness_s = r.uniform(0.002, 0.014) * (0.3 if self.style == "electro" else 1)

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[int(self.rng.integers(len(options)))]

    def degree_pitch(self, degree: int) -> int:
        """Semitones above the tonic of a scale degree that may lie in any octave."""
        return self.scale[degree % 7] + 12 * (degree // 7)

    def chord(self, bar: int) -> list[int]:
        """Pitch classes of the bar's chord above MIDI 0, root first."""
        d = self.degrees[bar]
        return [
            self.key + self.degree_pitch(d + i)
            for i in ((0, 2, 4, 6) if self.sevenths else (0, 2, 4))
        ]

    def at(self, bar: int, step: int) -> float:
        """Seconds of a step, swung: odd eighths come late by up to a third of a beat."""
        late = self.swing * self.step_s * 2 / 3 if self.swing and step % 4 in (2, 3) else 0.0
        return bar * self.bar_s + step * self.step_s + late

    def hit(
        self,
        bar: int,
        step: int,
        length_steps: float,
        pitch: float,
        velocity: float,
        late_s: float = 0.0,
    ) -> Note:
        """A note at a step of a bar, with the player's looseness; `late_s` after its time."""
        start = max(0.0, self.at(bar, step) + late_s + self.rng.normal(0, self.looseness_s))
        loud = float(np.clip(velocity * self.rng.normal(1, 0.09), 0.08, 1.0))
        return Note(start, max(0.03, length_steps * self.step_s), float(pitch), loud)

    def presence(self, chance: float) -> list[int]:
        """Which bars a part plays in: blocks of two or four bars, at least one of them (unless
        the chance says never)."""
        block = self.pick((2, 4))
        drawn = self.rng.random(-(-self.bars // block)) < chance
        return np.flatnonzero(np.repeat(drawn, block)[: self.bars]).tolist()

    def voicing(self, bar: int, low: int, high: int, size: int) -> list[int]:
        """The bar's chord as `size` rising pitches within [low, high]."""
        classes = [p % 12 for p in self.chord(bar)]
        pool = [p for p in range(int(low), int(high) + 1) if p % 12 in classes]
        first = int(self.rng.integers(0, max(1, min(3, len(pool) - size))))
        return pool[first : first + size]

    def drums(self) -> list[Track]:
        """A groove with fills, crashes and ghost notes."""
        name = self.pick(self.habits.drums)
        plays, notes = self.presence(0.93), []
        ghost, busy = self.rng.uniform(0, 0.12), self.rng.uniform(0, 0.08)
        for bar in plays:
            fill = (bar + 1) % 4 == 0 and self.rng.random() < 0.6 and name != "none"
            fill_from = self.steps - self.pick((2, 4, 8)) if fill else self.steps
            notes += self.groove_bar(name, bar, fill_from, ghost, busy)
            for step in range(fill_from, self.steps):
                if self.rng.random() < 0.8:
                    notes.append(self.hit(bar, step, 1, self.pick(FILL_DRUMS), 0.85))
            if (bar % 4 == 0 and self.rng.random() < 0.5) and name not in ("none", "sparse"):
                notes.append(self.hit(bar, 0, 4, self.pick(CRASHES), 0.85))

        extra = self.pick(EXTRA_PERCUSSION) if self.rng.random() < 0.25 else None
        if extra:
            offbeats = range(2, self.steps, 4)
            notes += [self.hit(bar, step, 1, extra, 0.5) for bar in plays for step in offbeats]
        return [Track("drums", name, notes)]

    def groove_bar(
        self, name: str, bar: int, fill_from: int, ghost: float, busy: float
    ) -> list[Note]:
        """One bar of a groove up to a fill; `ghost` and `busy` are the chances of a soft snare and
        of a kick where the groove has none."""
        notes = []
        for voice, steps in GROOVES[name].items():
            for step in range(self.steps):
                if step >= fill_from and voice != KICK:
                    continue
                perhaps = 0.75 if self.rng.random() < 0.4 else 0  # drawn at every step
                strength = {"x": 0.9, "o": 0.5, "?": perhaps}.get(steps[step % len(steps)], 0)
                if not strength and voice == SNARE and self.rng.random() < ghost:
                    strength = 0.25
                if not strength and voice == KICK and self.rng.random() < busy:
                    strength = 0.7
                if strength:
                    loud = strength * (0.85 if voice in (CLOSED_HAT, RIDE) else 1)
                    notes.append(self.hit(bar, step, 1, voice, loud))
        return notes

    def bass(self) -> list[Track]:
        """Roots, fifths, octaves and walks on a rhythm, between E1 and E3."""
        part = self.pick(self.habits.bass)
        steps, plays, notes = BASS_STEPS[part], self.presence(0.92), []
        base = 28 + (self.key - 4) % 12 - self.key  # roots from E1 to D#2
        legato = self.rng.uniform(0.5, 1.0)
        for bar in plays:
            chord = self.chord(bar)
            onsets = [
                s
                for s in range(self.steps)
                if steps[s % 16] not in ".?" or (steps[s % 16] == "?" and self.rng.random() < 0.5)
            ]
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
                notes.append(
                    self.hit(
                        bar,
                        step,
                        max(0.6, (end - step) * legato),
                        pitch,
                        self.rng.uniform(0.7, 0.95),
                    )
                )
        return [Track("bass", part, notes)]

    def chords(
        self, part: str, low: int, high: int, size: int, spread_s: float, late: float = 0.0
    ) -> list[Note]:
        """Chords on a rhythm; `spread_s` is the time between the strings of a strum."""
        patterns, plays, notes = CHORD_STEPS[part], self.presence(0.85), []
        steps = self.pick(patterns)
        length = {"muted": 0.7, "skank": 0.8, "stab": 1.2, "chug": 0.8, "comp": 2.0}.get(part)
        for bar in plays:
            tones = self.voicing(bar, low, high, size)
            onsets = [
                s
                for s in range(self.steps)
                if steps[s % 16] == "x" or (steps[s % 16] == "?" and self.rng.random() < 0.5)
            ]
            for i, step in enumerate(onsets):
                end = onsets[i + 1] if i + 1 < len(onsets) else self.steps
                order = tones if step % 4 == 0 or self.rng.random() < 0.5 else tones[::-1]
                loud = 0.8 if step % 4 == 0 else 0.62
                for k, pitch in enumerate(order):
                    note = self.hit(
                        bar, step, length or (end - step) * 0.98, pitch, loud, k * spread_s + late
                    )
                    notes.append(note)
        return notes

    def arpeggio(
        self, low: int, high: int, size: int, every: int = 2, ring: float = 2.5
    ) -> list[Note]:
        """Chords note by note, one every `every` steps, each held for `ring` times that."""
        plays, notes = self.presence(0.85), []
        shape = self.pick(("up", "down", "updown", "random"))
        for bar in plays:
            tones = self.voicing(bar, low, high, size)
            walk = {"up": tones, "down": tones[::-1], "updown": tones + tones[-2:0:-1]}.get(shape)
            for i, step in enumerate(range(0, self.steps, every)):
                pitch = walk[i % len(walk)] if walk else self.pick(tones)
                if self.rng.random() < 0.94:
                    notes.append(
                        self.hit(bar, step, every * ring, pitch, 0.62 + 0.15 * (step % 4 == 0))
                    )
        return notes

    def melody(self, low: int, high: int, chance: float = 0.75, fast: float = 0.3) -> list[Note]:
        """A line that leans on chord tones on the beat and walks the scale between, in phrases
        with rests."""
        plays, notes = self.presence(chance), []
        scale = [p for p in range(int(low), int(high) + 1) if (p - self.key) % 12 in self.scale]
        at = len(scale) // 2
        for bar in plays:
            step, classes = int(self.pick((0, 0, 0, 2, 4))), [p % 12 for p in self.chord(bar)]
            stop = self.steps - int(self.pick((0, 0, 2, 4, 6)))
            while step < stop:
                length = int(
                    self.pick((1, 1, 2) if self.rng.random() < fast else (2, 2, 4, 4, 6, 8))
                )
                length = min(length, self.steps - step)
                at = int(
                    np.clip(at + self.pick((-3, -2, -1, -1, 0, 1, 1, 2, 3)), 0, len(scale) - 1)
                )
                if step % 4 == 0:
                    near = [i for i, p in enumerate(scale) if p % 12 in classes]
                    at = min(near, key=lambda i: abs(i - at))
                if self.rng.random() < 0.93:
                    notes.append(
                        self.hit(bar, step, length * 0.95, scale[at], self.rng.uniform(0.6, 0.95))
                    )
                step += length
        return notes

    def guitar(self) -> list[Track]:
        """One or two guitars."""
        tracks = []
        for part in self.rng.permutation(self.habits.guitar)[: 1 + (self.rng.random() < 0.3)]:
            part, low = str(part), int(self.rng.integers(40, 50))
            if part in ("power", "chug"):
                notes = []
                for n in self.chords(part, 40, 52, 1, 0.0):
                    notes += [n, n._replace(pitch=n.pitch + 7), n._replace(pitch=n.pitch + 12)]
            elif part == "lead":
                notes = self.melody(57, 81, 0.7, fast=0.5)
            elif part == "pick":
                notes = self.arpeggio(
                    low, low + 30, int(self.rng.integers(4, 7)), self.pick((1, 2, 2)), 3.0
                )
            else:
                notes = self.chords(
                    part,
                    low,
                    low + 28,
                    int(self.rng.integers(3, 7)),
                    self.rng.uniform(0.004, 0.022),
                )
            tracks.append(Track("guitar", part, notes))
        return tracks

    def piano(self) -> list[Track]:
        """One pianist, at times with a left hand and a melody."""
        part = self.pick(self.habits.piano)
        low = int(self.rng.integers(46, 60))
        if part == "arpeggio":
            notes = self.arpeggio(
                low, low + 30, int(self.rng.integers(4, 8)), self.pick((1, 2, 2)), 3.0
            )
        elif part == "ballad":
            notes = self.chords("block", low, low + 20, 3, 0.004)
        else:
            notes = self.chords(part, low, low + 22, int(self.rng.integers(3, 6)), 0.003)
        if part in ("ballad", "arpeggio", "block") and self.rng.random() < 0.7:  # the left hand
            for bar in self.presence(0.9):
                root = 36 + (self.chord(bar)[0] - 36) % 12
                for step in (0, 8) if self.steps == 16 else (0,):
                    notes.append(self.hit(bar, step, 7, root, 0.65))
                    if self.rng.random() < 0.5:
                        notes.append(self.hit(bar, step, 7, root + 12, 0.6))
        if self.rng.random() < 0.2:
            notes += self.melody(67, 91, 0.5, fast=0.4)
        return [Track("piano", part, sorted(notes))]

    def other(self) -> list[Track]:
        """One or two of everything else."""
        tracks = []
        for part in self.rng.permutation(self.habits.other)[: 1 + (self.rng.random() < 0.55)]:
            part, notes = str(part), []
            low = int(self.rng.integers(52, 64))
            if part == "pad":
                for bar in self.presence(0.85):
                    for pitch in self.voicing(bar, low - 4, low + 20, int(self.rng.integers(3, 5))):
                        notes.append(self.hit(bar, 0, self.steps * 0.97, pitch, 0.6))
            elif part == "arp":
                notes = self.arpeggio(
                    low, low + 30, int(self.rng.integers(3, 7)), self.pick((1, 1, 2)), 0.8
                )
            elif part == "stab":
                notes = self.chords("stab", low, low + 22, int(self.rng.integers(2, 5)), 0.002)
            else:
                notes = self.melody(low, low + 26, 0.75, fast=self.rng.uniform(0.1, 0.6))
            tracks.append(Track("other", part, notes))
        return tracks

    def vocals(self) -> list[Track]:
        """A lead with or without harmonies, a choir, or speech."""
        r, low = self.rng, int(self.rng.integers(45, 62))
        part = self.pick(("lead", "lead", "lead", "lead", "choir", "speech"))
        if part == "choir":
            notes = []
            for bar in self.presence(0.8):
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
            notes = [
                n._replace(pitch=float(scale[i + away]), velocity=n.velocity * 0.7)
                for n, i in zip(keep, near)
            ]
            tracks.append(Track("vocals", "harmony", notes))
        return tracks


def compose(seed: int, seconds: float = 24.0, every_stem: bool = False) -> Song:
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
