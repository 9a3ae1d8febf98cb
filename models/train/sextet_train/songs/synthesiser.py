"""Electronic instruments: a wavetable subtractive synthesiser, FM, and drums made of sines and
noise.

Every instrument is drawn by a `random_*` function and played by one that makes a note; numbers are
ranges of ours.
"""

from typing import Any

import numpy as np

from sextet_train.arrays import Array, Rng
from sextet_train.stems import RATE_HZ


def envelope(
    frames: int, attack_s: float, decay_s: float, sustain: float, release_s: float, held_s: float
) -> Array:
    """Gain [frames]: attack, decay to the sustained level, release after `held_s`."""
    t = np.arange(frames, dtype=np.float32) / RATE_HZ
    env = np.minimum(t / max(attack_s, 1e-3), 1)
    env *= sustain + (1 - sustain) * np.exp(-np.maximum(t - attack_s, 0) / decay_s)
    return env * np.where(t > held_s, np.exp(-np.maximum(t - held_s, 0) / release_s * 4), 1).astype(
        np.float32
    )


def random_subtractive(rng: Rng, part: str) -> dict[str, Any]:
    """Numbers that a subtractive synthesiser is made from."""
    slow = part == "pad"
    return {
        "shape": str(rng.choice(("saw", "saw", "square", "pulse", "triangle", "mix"))),
        "width": rng.uniform(0.1, 0.45),
        "voices": int(rng.choice((1, 1, 2, 3, 5)))
        if part != "bass"
        else int(rng.choice((1, 1, 2))),
        "detune_cents": rng.uniform(3, 22),
        "spread": rng.uniform(0, 1) if part != "bass" else 0.1,
        "attack_s": rng.uniform(0.05, 0.6) if slow else rng.uniform(0.002, 0.04),
        "decay_s": rng.uniform(0.1, 1.5),
        "sustain": rng.uniform(0.5, 1) if slow else rng.uniform(0, 0.9),
        "release_s": rng.uniform(0.3, 1) if slow else rng.uniform(0.05, 0.3),
        "dark_hz": rng.uniform(150, 1200),
        "bright_hz": rng.uniform(1500, 9000) if part != "bass" else rng.uniform(400, 4000),
        "filter_s": rng.uniform(0.05, 1.0),
        "sub": rng.uniform(0, 0.8) if part == "bass" else rng.uniform(0, 0.3),
        "vibrato_hz": rng.uniform(4, 7),
        "vibrato_cents": rng.choice((0, 0, 8, 20)),
        "resonance": rng.uniform(0, 4),
    }


def table(
    shape: str, hz: float, cutoff_hz: float, resonance: float, width: float, rng: Rng
) -> Array:
    """One band-limited cycle of 2048 samples below a two-pole filter with a resonant bump."""
    n = np.arange(1, 1025)
    amp = {
        "saw": 1.0 / n,
        "square": (n % 2) / n,
        "triangle": (n % 2) / n**2.0,
        "pulse": np.abs(np.sin(np.pi * n * width)) / n,
        "mix": (0.5 + 0.5 * (n % 2)) / n,
    }[shape]
    f = n * hz
    amp = (
        amp
        / (1 + (f / cutoff_hz) ** 2)
        * (1 + resonance * np.exp(-(((f - cutoff_hz) / (0.25 * cutoff_hz)) ** 2)))
    )
    amp = np.where(f < 20000, amp, 0)
    spectrum = np.zeros(1025, complex)
    spectrum[1:] = amp * -1j
    return np.fft.irfft(spectrum, 2048).astype(np.float32) * 1024


def subtractive(
    rng: Rng, pitch: float, duration_s: float, velocity: float, tone: dict[str, Any]
) -> Array:
    """Stereo [2, frames] of one note; brightness falls from one filter setting to another."""
    hz = 440 * 2 ** ((pitch - 69) / 12)
    frames = int((duration_s + tone["release_s"]) * RATE_HZ)
    t = np.arange(frames, dtype=np.float64) / RATE_HZ
    args = tone["resonance"], tone["width"], rng
    bright = table(tone["shape"], hz, max(hz, tone["bright_hz"] * (0.4 + 0.8 * velocity)), *args)
    dark = table(tone["shape"], hz, max(hz, tone["dark_hz"]), *args)
    sweep = np.exp(-t / tone["filter_s"]).astype(np.float32)
    wobble = (
        tone["vibrato_cents"]
        / 1200
        * np.sin(2 * np.pi * tone["vibrato_hz"] * t)
        * np.minimum(t / 0.4, 1)
    )
    out = np.zeros((2, frames), np.float32)
    for v in range(tone["voices"]):
        place = 0 if tone["voices"] == 1 else 2 * v / (tone["voices"] - 1) - 1
        cycles = (
            np.cumsum(hz * 2 ** (place * tone["detune_cents"] / 1200 + wobble)) / RATE_HZ
            + rng.random()
        )
        index = ((cycles % 1) * 2048).astype(np.int32) & 2047
        one = bright[index] * sweep + dark[index] * (1 - sweep)
        if tone["sub"]:
            one = one + tone["sub"] * np.sin(
                2 * np.pi * cycles * (0.5 if pitch > 45 else 1)
            ).astype(np.float32)
        side = place * tone["spread"]
        out[0] += one * np.sqrt((1 - side) / 2)
        out[1] += one * np.sqrt((1 + side) / 2)
    env = envelope(
        frames, tone["attack_s"], tone["decay_s"], tone["sustain"], tone["release_s"], duration_s
    )
    return out * env * velocity / np.sqrt(tone["voices"])


def random_fm(rng: Rng, part: str) -> dict[str, Any]:
    """Two operators (Chowning 1973). Electric pianos have ratio 1 or 14 and a fast-falling
    index; bells odd ratios."""
    if part == "epiano":
        return {
            "ratio": float(rng.choice((1, 1, 14, 7))),
            "index": rng.uniform(0.3, 1.8),
            "fall_s": rng.uniform(0.1, 0.6),
            "attack_s": 0.002,
            "decay_s": rng.uniform(0.8, 2.5),
            "sustain": 0.0,
            "release_s": 0.15,
            "tine": rng.uniform(0, 0.4),
            "tremolo": rng.choice((0.0, 0.3)),
        }
    if part == "bass":
        return {
            "ratio": float(rng.choice((0.5, 1, 2))),
            "index": rng.uniform(1, 5),
            "fall_s": rng.uniform(0.05, 0.4),
            "attack_s": 0.003,
            "decay_s": rng.uniform(0.3, 1.5),
            "sustain": rng.uniform(0, 0.7),
            "release_s": 0.06,
            "tine": 0.0,
            "tremolo": 0.0,
        }
    return {
        "ratio": float(rng.choice((1, 2, 3, 1.41, 3.5, 2.76, 5))),
        "index": rng.uniform(0.5, 5),
        "fall_s": rng.uniform(0.1, 2),
        "attack_s": rng.choice((0.002, 0.002, 0.1)),
        "decay_s": rng.uniform(0.3, 3),
        "sustain": rng.choice((0.0, 0.0, 0.6)),
        "release_s": rng.uniform(0.1, 0.6),
        "tine": rng.uniform(0, 0.3),
        "tremolo": rng.choice((0.0, 0.0, 0.3)),
    }


def fm(rng: Rng, pitch: float, duration_s: float, velocity: float, tone: dict[str, Any]) -> Array:
    """Stereo [2, frames] of one note of two operators."""
    hz = 440 * 2 ** ((pitch - 69) / 12)
    frames = int((duration_s + tone["release_s"]) * RATE_HZ)
    t = np.arange(frames, dtype=np.float32) / RATE_HZ
    ratio = tone["ratio"] if hz * tone["ratio"] < 12000 else 1.0
    index = tone["index"] * velocity * np.exp(-t / tone["fall_s"]) + 0.15
    phase = 2 * np.pi * hz * t.astype(np.float64)
    sound = np.sin(phase + index * np.sin(ratio * phase))
    if tone["tine"]:
        sound += tone["tine"] * np.exp(-t / 0.08) * np.sin(min(6.27, 15000 / hz) * phase)
    env = envelope(
        frames, tone["attack_s"], tone["decay_s"], tone["sustain"], tone["release_s"], duration_s
    )
    sound = sound * env * velocity * (1 - tone["tremolo"] * (0.5 + 0.5 * np.sin(2 * np.pi * 5 * t)))
    return np.stack([sound, sound]).astype(np.float32)
