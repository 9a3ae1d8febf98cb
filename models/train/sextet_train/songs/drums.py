"""Synthesised drums, made of sines and noise; all ranges are ours."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from sextet_train.arrays import Array, Rng
from sextet_train.songs.filters import filtered
from sextet_train.stems import RATE_HZ

# General MIDI drums.
HATS = (42, 44, 46, 70, 82, 69, 54)
SHAKERS = (70, 82)
CYMBALS = (49, 51, 52, 53, 55, 57, 59)
CRASHES = (49, 57, 55, 52)
COWBELL = 56
STRUCK = (COWBELL, 75, 76, 77)
CONGAS = (62, 63, 64)
TOMS_HZ = {50: 220, 48: 185, 47: 150, 45: 125, 43: 105, 41: 85, 63: 330, 64: 220, 62: 350}
CYMBAL_S, DRUM_S = 1.8, 0.7


def noise_band(rng: Rng, frames: int, low_hz: float, high_hz: float) -> Array:
    """Noise [frames] between two frequencies."""
    return filtered(rng.normal(size=frames), "bandpass", (low_hz, min(high_hz, 20000)))


def random_kit(rng: Rng) -> dict[str, float]:
    """Numbers that all drums of one kit are made from."""
    return {
        k: rng.uniform(*v)
        for k, v in {
            "kick_hz": (38, 62),
            "kick_drop": (2, 7),
            "kick_drop_s": (0.01, 0.06),
            "kick_s": (0.08, 0.5),
            "click": (0, 0.6),
            "snare_hz": (150, 260),
            "snare_s": (0.06, 0.25),
            "snap": (0.4, 2.5),
            "snare_low": (700, 2500),
            "hat_low": (5000, 9000),
            "hat_s": (0.015, 0.06),
            "open_s": (0.12, 0.5),
            "metal": (0, 1),
            "cymbal_s": (0.5, 1.6),
            "tom_s": (0.15, 0.4),
            "drive": (1, 4),
        }.items()
    }


class Beat:
    """One drum of a kit that is struck: the time axis, and the random source of its noise."""

    def __init__(self, rng: Rng, seconds: float, kit: dict[str, float]) -> None:
        self.rng, self.kit = rng, kit
        self.frames = int(seconds * RATE_HZ)
        self.t = np.arange(self.frames) / RATE_HZ

    def fall(self, time_s: float) -> Array:
        """An exponential decay [frames]."""
        return np.exp(-self.t / time_s)

    def noise(self, low_hz: float, high_hz: float) -> Array:
        """Noise between two frequencies."""
        return noise_band(self.rng, self.frames, low_hz, high_hz)

    def sine(self, hz: Array) -> Array:
        """A sine whose frequency changes [frames]."""
        return np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ)

    def squares(self, frequencies_hz: Iterable[float]) -> Array:
        """The sum of square waves."""
        waves: Any = sum(np.sign(np.sin(2 * np.pi * f * self.t)) for f in frequencies_hz)
        return waves

    def metal(self, low_hz: float) -> Array:
        """Six square waves at inharmonic ratios, as in analogue rhythm machines, high-passed."""
        squares = self.squares(self.rng.uniform(250, 900, 6))
        return filtered(squares, "highpass", low_hz) * 0.4


def kick(beat: Beat) -> Array:
    """A sine that drops, and a click."""
    kit = beat.kit
    hz = kit["kick_hz"] * (1 + kit["kick_drop"] * beat.fall(kit["kick_drop_s"]))
    sound = beat.sine(hz) * beat.fall(kit["kick_s"])
    sound += kit["click"] * beat.noise(1500, 6000) * beat.fall(0.004)
    return np.tanh(sound * kit["drive"])


def snare(beat: Beat) -> Array:
    """Two sines and noise."""
    kit = beat.kit
    bend = 3 * beat.fall(0.01)
    body = sum(np.sin(2 * np.pi * kit["snare_hz"] * k * beat.t + bend) for k in (1, 1.6))
    body = body * beat.fall(kit["snare_s"] * 0.6)
    rattle = kit["snap"] * beat.noise(kit["snare_low"], 12000) * beat.fall(kit["snare_s"])
    return np.tanh(body * 0.5 + rattle)


def rim(beat: Beat) -> Array:
    """A short sine and noise."""
    tone = np.sin(2 * np.pi * 1700 * beat.t) * beat.fall(0.012)
    return tone + 0.3 * beat.noise(2000, 9000) * beat.fall(0.01)


def clap(beat: Beat) -> Array:
    """Four bursts of noise, the last one long."""
    t, bursts = beat.t, np.zeros(beat.frames)
    for start_s in (0, 0.011, 0.023, 0.034):
        decay_s = 0.008 if start_s < 0.03 else 0.09
        bursts = bursts + np.where(t > start_s, np.exp(-(t - start_s) / decay_s), 0)
    return beat.noise(800, 4500) * bursts


def hat(beat: Beat, voice: int) -> Array:
    """Hi-hats, shakers, tambourine: high noise and metal."""
    kit = beat.kit
    lengths_s = {46: kit["open_s"], 70: 0.03, 82: 0.05, 69: 0.04, 54: 0.12}
    sound = beat.noise(kit["hat_low"], 17000)
    sound = sound + kit["metal"] * beat.metal(kit["hat_low"])
    rise_s = 0.012 if voice in SHAKERS else 0.001
    return sound * beat.fall(lengths_s.get(voice, kit["hat_s"])) * np.minimum(beat.t / rise_s, 1)


def cymbal(beat: Beat, voice: int) -> Array:
    """Crashes, and rides, which are higher, softer and shorter."""
    crash = voice in CRASHES
    low = 2500 if crash else 4000
    sound = beat.noise(low, 16000) * (1 if crash else 0.4) + 0.8 * beat.metal(low)
    return sound * beat.fall(beat.kit["cymbal_s"] * (1 if crash else 0.5))


def struck(beat: Beat, voice: int) -> Array:
    """A cowbell, claves, wood blocks: two square waves."""
    bell = voice == COWBELL
    squares = beat.squares((545, 815) if bell else (2100, 2500))
    return squares * 0.4 * beat.fall(0.06 if bell else 0.02)


def tom(beat: Beat, voice: int) -> Array:
    """Toms and congas: a sine that drops, and noise."""
    hz = TOMS_HZ.get(voice, 200) * (1 + 0.5 * beat.fall(0.04))
    length_s = beat.kit["tom_s"] * (0.5 if voice in CONGAS else 1)
    return beat.sine(hz) * beat.fall(length_s) + 0.15 * beat.noise(300, 4000) * beat.fall(0.02)


def drum(rng: Rng, voice: int, kit: dict[str, float]) -> Array:
    """Mono sound of one General MIDI drum at full velocity."""
    beat = Beat(rng, CYMBAL_S if voice in CYMBALS else DRUM_S, kit)
    plain = {35: kick, 36: kick, 38: snare, 40: snare, 37: rim, 39: clap}
    if voice in plain:
        return plain[voice](beat)
    if voice in HATS:
        return hat(beat, voice)
    if voice in CYMBALS:
        return cymbal(beat, voice)
    return struck(beat, voice) if voice in STRUCK else tom(beat, voice)
