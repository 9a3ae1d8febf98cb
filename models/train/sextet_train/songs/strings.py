"""Plucked and struck strings in closed form.

A string loses part of its spectrum on every round trip (Karplus and Strong 1983, the digital
waveguide). If H is the gain and phase of one trip and X the spectrum of the first period, period k
is the inverse transform of X H^k: all periods of a note are one batched inverse FFT, with decay and
stiffness of any shape over frequency.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from sextet_train.arrays import Array, Rng
from sextet_train.stems import RATE_HZ


def ring(
    pitch: float,
    duration_s: float,
    excitation: Callable[[Array], Array],
    decay_s: float,
    damping: float,
    stiffness: float,
    release_s: float = 0.08,
) -> Array:
    """One string: `excitation` maps harmonic numbers to complex amplitudes; `decay_s` is the
    fundamental's time to -60 dB, `damping` shortens it with frequency, `stiffness` is the
    inharmonicity B of f_n = n f0 sqrt(1 + B n^2) (Fletcher, Blackham and Stratton 1962)."""
    hz = 440 * 2 ** ((pitch - 69) / 12)
    period = max(8, int(round(RATE_HZ / hz)))
    frames = int((duration_s + release_s) * RATE_HZ)
    trips = int(np.ceil(frames * hz / RATE_HZ)) + 2
    n = np.arange(1, max(2, period // 2))
    f = n * hz
    loss = 6.91 / (decay_s * hz) * (1 + damping * (f / 1000) ** 1.5)
    turn = (
        2 * np.pi * n * (np.sqrt(1 + stiffness * n * n) - 1)
    )  # phase that a stretched partial gains on each trip
    spectrum = np.zeros((trips, period // 2 + 1), np.complex64)
    step = (-loss + 1j * turn)[None] * np.arange(trips)[:, None]
    spectrum[:, 1 : 1 + len(n)] = excitation(n)[None] * np.exp(step)
    sound = np.fft.irfft(spectrum, period, axis=1).astype(np.float32).ravel()
    where = np.arange(frames) * (
        hz * period / RATE_HZ
    )  # the rounded period resampled to the exact pitch
    sound = np.interp(where, np.arange(sound.size), sound).astype(np.float32)
    fade = int(release_s * RATE_HZ)
    sound[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32) ** 2
    return sound / (np.abs(sound).max() + 1e-9)


def pluck(
    rng: Rng, pitch: float, duration_s: float, velocity: float, tone: dict[str, Any]
) -> Array:
    """A plucked string. `tone`: position (0 to 0.5 of the string), brightness_hz, decay_s,
    damping, stiffness."""
    bright = tone["brightness_hz"] * (0.4 + velocity)
    hz = 440 * 2 ** ((pitch - 69) / 12)
    random_phase = rng.uniform(0, 2 * np.pi, 4096)

    def excitation(n: Array) -> Array:
        comb = np.abs(np.sin(np.pi * n * tone["position"])) + 0.03
        return (
            comb
            / n ** tone["tilt"]
            * np.exp(-n * hz / bright)
            * np.exp(1j * random_phase[n % 4096] * tone["noise"])
        )

    decay = tone["decay_s"] * (220 / hz) ** 0.5
    return velocity * ring(pitch, duration_s, excitation, decay, tone["damping"], tone["stiffness"])


def strike(
    rng: Rng, pitch: float, duration_s: float, velocity: float, tone: dict[str, Any]
) -> Array:
    """A struck note: two or three strings slightly apart, and the hammer's thump."""
    hz = 440 * 2 ** ((pitch - 69) / 12)
    bright = tone["brightness_hz"] * (0.25 + velocity**1.5) * (hz / 260) ** 0.3
    decay = tone["decay_s"] * (260 / hz) ** 0.8
    total = np.zeros(0, np.float32)
    for cents in rng.normal(0, tone["detune_cents"], 3 if pitch > 45 else 1):
        phase = rng.uniform(0, 2 * np.pi, 4096)

        def excitation(n: Array, phase: Array = phase) -> Array:
            comb = np.abs(np.sin(np.pi * n * tone["position"])) + 0.05
            return (
                comb / n ** tone["tilt"] * np.exp(-n * hz / bright) * np.exp(1j * phase[n % 4096])
            )

        one = ring(
            pitch + cents / 100,
            duration_s,
            excitation,
            decay,
            tone["damping"],
            tone["stiffness"] * 2 ** ((pitch - 60) / 10),
            0.12,
        )
        total = total[: len(one)] + one[: len(total)] if total.size else one
    thump = rng.normal(size=len(total)).astype(np.float32)[: int(0.05 * RATE_HZ)]
    thump = np.convolve(thump, np.hanning(64) / 32, "same") * np.exp(-np.arange(len(thump)) / 500)
    total[: len(thump)] += tone["thump"] * thump[: len(total)].astype(np.float32)
    return velocity * total / (np.abs(total).max() + 1e-9)


def random_pluck(rng: Rng) -> dict[str, Any]:
    """Numbers that a plucked instrument is made from."""
    return {
        "position": rng.uniform(0.08, 0.35),
        "brightness_hz": rng.uniform(900, 7000),
        "decay_s": rng.uniform(1.2, 6.0),
        "damping": rng.uniform(0.1, 1.5),
        "stiffness": 10 ** rng.uniform(-5.2, -3.8),
        "noise": rng.choice((0.1, 1.0)),
        "tilt": rng.uniform(0.2, 1.0),
    }


def random_strike(rng: Rng) -> dict[str, Any]:
    """Numbers that a struck instrument is made from."""
    return {
        "position": rng.uniform(0.08, 0.16),
        "brightness_hz": rng.uniform(1200, 5000),
        "decay_s": rng.uniform(4, 12),
        "damping": rng.uniform(0.1, 0.6),
        "stiffness": 10 ** rng.uniform(-4.0, -3.2),
        "detune_cents": rng.uniform(0.3, 3),
        "thump": rng.uniform(0.02, 0.25),
        "tilt": rng.uniform(0.4, 1.0),
    }
