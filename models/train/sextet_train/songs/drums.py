"""Synthesised drums, made of sines and noise; all ranges are ours."""

import numpy as np
from scipy.signal import butter, sosfilt

from sextet_train.arrays import Array, Rng
from sextet_train.stems import RATE_HZ


def noise_band(rng: Rng, frames: int, low_hz: float, high_hz: float) -> Array:
    """Noise [frames] between two frequencies."""
    sos = butter(2, (low_hz, min(high_hz, 20000)), "bandpass", fs=RATE_HZ, output="sos")
    return sosfilt(sos, rng.normal(size=frames))


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


def metal(rng: Rng, frames: int, low_hz: float) -> Array:
    """Six square waves at inharmonic ratios, as in the analogue rhythm machines, and noise,
    high-passed."""
    t = np.arange(frames) / RATE_HZ
    squares = sum(np.sign(np.sin(2 * np.pi * f * t)) for f in rng.uniform(250, 900, 6))
    return sosfilt(butter(2, low_hz, "highpass", fs=RATE_HZ, output="sos"), squares) * 0.4


def drum(rng: Rng, voice: int, kit: dict[str, float]) -> Array:
    """Mono sound of one General MIDI drum at full velocity."""
    seconds = 1.8 if voice in (49, 51, 53, 55, 57, 59, 52) else 0.7
    frames = int(seconds * RATE_HZ)
    t = np.arange(frames) / RATE_HZ

    def fall(s: float) -> Array:
        return np.exp(-t / s)

    if voice in (35, 36):
        hz = kit["kick_hz"] * (1 + kit["kick_drop"] * fall(kit["kick_drop_s"]))
        sound = np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ) * fall(kit["kick_s"])
        sound += kit["click"] * noise_band(rng, frames, 1500, 6000) * fall(0.004)
        return np.tanh(sound * kit["drive"])
    if voice in (38, 40):
        body = sum(
            np.sin(2 * np.pi * kit["snare_hz"] * k * t + 3 * fall(0.01)) for k in (1, 1.6)
        ) * fall(kit["snare_s"] * 0.6)
        return np.tanh(
            body * 0.5
            + kit["snap"] * noise_band(rng, frames, kit["snare_low"], 12000) * fall(kit["snare_s"])
        )
    if voice == 37:
        return np.sin(2 * np.pi * 1700 * t) * fall(0.012) + 0.3 * noise_band(
            rng, frames, 2000, 9000
        ) * fall(0.01)
    if voice == 39:
        bursts = sum(
            np.where(t > d, np.exp(-(t - d) / (0.008 if d < 0.03 else 0.09)), 0)
            for d in (0, 0.011, 0.023, 0.034)
        )
        return noise_band(rng, frames, 800, 4500) * bursts
    if voice in (42, 44, 46, 70, 82, 69, 54):
        length = {46: kit["open_s"], 70: 0.03, 82: 0.05, 69: 0.04, 54: 0.12}.get(
            voice, kit["hat_s"]
        )
        sound = noise_band(rng, frames, kit["hat_low"], 17000) + kit["metal"] * metal(
            rng, frames, kit["hat_low"]
        )
        return sound * fall(length) * np.minimum(t / (0.012 if voice in (70, 82) else 0.001), 1)
    if voice in (49, 51, 52, 53, 55, 57, 59):
        low = 2500 if voice in (49, 57, 55, 52) else 4000
        sound = noise_band(rng, frames, low, 16000) * (1 if low == 2500 else 0.4) + 0.8 * metal(
            rng, frames, low
        )
        return sound * fall(kit["cymbal_s"] * (1 if low == 2500 else 0.5))
    if voice in (56, 75, 76, 77):
        return (
            sum(
                np.sign(np.sin(2 * np.pi * f * t))
                for f in ((545, 815) if voice == 56 else (2100, 2500))
            )
            * 0.4
            * fall(0.06 if voice == 56 else 0.02)
        )
    hz = {50: 220, 48: 185, 47: 150, 45: 125, 43: 105, 41: 85, 63: 330, 64: 220, 62: 350}.get(
        voice, 200
    )
    hz = hz * (1 + 0.5 * fall(0.04))
    sound = np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ) * fall(
        kit["tom_s"] * (0.5 if voice in (62, 63, 64) else 1)
    )
    return sound + 0.15 * noise_band(rng, frames, 300, 4000) * fall(0.02)
