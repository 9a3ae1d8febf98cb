"""Studio effects on stereo float32 [2, frames]: colour and room in one convolution, amplifiers,
modulation, dynamics.

Each takes the random source first and draws its own settings. All shapes and ranges are ours; none
is a model of a named device.
"""

from typing import Any

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from sextet_train.arrays import Array, Rng
from sextet_train.songs.filters import filtered
from sextet_train.stems import RATE_HZ


def random_eq(rng: Rng, hz: Array, strength_db: float = 6.0) -> Array:
    """Gain over frequency: a tilt, shelves by chance, and two or three bells."""
    octave = np.log2(np.maximum(hz, 20) / 1000)
    db = rng.normal(0, strength_db / 10) * octave
    for _ in range(int(rng.integers(1, 4))):
        db = db + rng.normal(0, strength_db) * np.exp(
            -(((octave - rng.uniform(-4, 3.5)) / rng.uniform(0.3, 1.5)) ** 2)
        )
    if rng.random() < 0.3:
        db = db - 24 * np.clip(octave - np.log2(rng.uniform(4, 14)), 0, 2)
    return 10 ** (np.clip(db, -36, 12) / 20)


def random_room(rng: Rng, long: bool = False) -> Array:
    """A stereo impulse response: noise that decays, highs sooner than lows, after a gap; no
    direct sound."""
    seconds = rng.uniform(0.8, 2.6) if long else rng.uniform(0.15, 0.9)
    frames = int(seconds * 1.1 * RATE_HZ)
    t = np.arange(frames) / RATE_HZ
    noise = rng.normal(size=(2, frames))
    dark = filtered(noise, "lowpass", rng.uniform(800, 4000), order=1)
    tail = dark * np.exp(-6.9 * t / seconds) + 0.4 * noise * np.exp(
        -6.9 * t / (seconds * rng.uniform(0.2, 0.6))
    )
    gap = int(rng.uniform(0.0, 0.04) * RATE_HZ)
    tail = np.pad(tail, ((0, 0), (gap, 0)))[:, :frames]
    return tail / np.sqrt((tail**2).sum(1, keepdims=True))


def colour(
    rng: Rng, sound: Array, eq_db: float = 5.0, wet: float = 0.0, long: bool = False
) -> Array:
    """Equaliser and reverberation, one pass through the frequency domain."""
    frames = sound.shape[1]
    size = next_fast_len(frames + (int(2.9 * RATE_HZ) if wet else 4096), real=True)
    spectrum: Any = rfft(sound.astype(np.float32), size)
    gain = random_eq(rng, np.arange(spectrum.shape[1]) * RATE_HZ / size, eq_db).astype(np.float32)
    if wet:
        room: Any = rfft(random_room(rng, long).astype(np.float32), size)
        gain = gain * (1 + wet * room)
    out: Any = irfft(spectrum * gain, size)
    return out[:, :frames].astype(np.float32)


def amplifier(rng: Rng, sound: Array, hardness: float | None = None) -> Array:
    """Overdrive to distortion: high-pass, shaper, and a loudspeaker's band."""
    drive = 10 ** rng.uniform(0.3, 2.0) if hardness is None else hardness
    level = np.sqrt((sound**2).mean()) + 1e-6
    low = filtered(sound / level * 0.25, "highpass", rng.uniform(60, 400), order=1)
    bias = rng.uniform(0, 0.3)
    shaped = np.tanh(low * drive + bias) - np.tanh(bias)
    order = int(rng.integers(2, 5))
    band_hz = rng.uniform(60, 110), rng.uniform(3200, 7000)
    return filtered(shaped, "bandpass", band_hz, order).astype(np.float32)


def shifted(sound: Array, delay_frames: Array | float) -> Array:
    """The sound read `delay_frames` earlier, per channel and frame, linearly interpolated."""
    at = np.arange(sound.shape[1], dtype=np.float64) - delay_frames
    return np.stack(
        [
            np.interp(a, np.arange(sound.shape[1]), s)
            for a, s in zip(np.broadcast_to(at, sound.shape), sound)
        ]
    )


def chorus(rng: Rng, sound: Array) -> Array:
    """The sound and a copy of it whose delay wanders."""
    t = np.arange(sound.shape[1]) / RATE_HZ
    rate, depth, base = rng.uniform(0.15, 2.5), rng.uniform(0.5, 3), rng.uniform(4, 20)
    delay = (
        (base + depth * np.sin(2 * np.pi * rate * t + np.array([[0], [rng.uniform(0.5, 3)]])))
        * RATE_HZ
        / 1000
    )
    return (sound + rng.uniform(0.4, 0.9) * shifted(sound, delay)).astype(np.float32)


def echo(rng: Rng, sound: Array, step_s: float) -> Array:
    """Repeats in time with the song, falling, from side to side by chance."""
    out, gain, cross = sound.copy(), rng.uniform(0.2, 0.45), rng.random() < 0.5
    step = int(step_s * rng.choice((2, 3, 4)) * RATE_HZ)
    for i in range(1, 5):
        if i * step >= sound.shape[1]:
            break
        late = sound[:, : -i * step] * gain**i
        out[:, i * step :] += late[::-1] if cross and i % 2 else late
    return out


def tremolo(rng: Rng, sound: Array) -> Array:
    """Volume that falls and rises some times a second."""
    t = np.arange(sound.shape[1]) / RATE_HZ
    return (
        sound
        * (1 - rng.uniform(0.2, 0.7) * (0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(3, 8) * t)))
    ).astype(np.float32)


def loudness_curve(sound: Array, block: int = 256) -> Array:
    """Root mean square per block of both channels."""
    count = sound.shape[1] // block
    return np.sqrt((sound[:, : count * block] ** 2).reshape(2, count, block).mean((0, 2)) + 1e-12)


def gain_curve(
    level: Array,
    threshold: float,
    ratio: float,
    attack_blocks: float = 2.0,
    release_blocks: float = 30.0,
) -> Array:
    """A compressor's gain per block: the level above the threshold divided by the ratio,
    smoothed in decibels."""
    over = np.maximum(20 * np.log10(level / threshold + 1e-9), 0) * (1 - 1 / ratio)
    fast, slow = np.exp(-1 / attack_blocks), np.exp(-1 / release_blocks)
    state, smooth = 0.0, np.empty_like(over)
    for i, x in enumerate(over.tolist()):
        keep = fast if x > state else slow
        state = keep * state + (1 - keep) * x
        smooth[i] = state
    return 10 ** (-smooth / 20)


def stretched(curve: Array, frames: int, block: int = 256) -> Array:
    """A curve of one value a block, as one a frame [frames]."""
    return np.interp(np.arange(frames), np.arange(len(curve)) * block + block / 2, curve).astype(
        np.float32
    )


def compressor(rng: Rng, sound: Array) -> Array:
    """Loud passages lowered."""
    level = loudness_curve(sound)
    gain = gain_curve(
        level, np.percentile(level, 85) * rng.uniform(0.3, 0.9) + 1e-5, rng.uniform(1.5, 6)
    )
    return sound * stretched(gain, sound.shape[1])


def place(rng: Rng, sound: Array, spread: float = 0.6, width: float | None = None) -> Array:
    """Width by scaling the difference of the channels, then an equal-power pan."""
    middle, side = (sound[0] + sound[1]) / 2, (sound[0] - sound[1]) / 2
    side = side * (rng.uniform(0, 1.2) if width is None else width)
    angle = np.pi / 4 * (1 + np.clip(rng.normal(0, spread / 2), -0.95, 0.95))
    return (
        np.stack([(middle + side) * np.cos(angle), (middle - side) * np.sin(angle)]).astype(
            np.float32
        )
        * 1.414
    )


def double(rng: Rng, sound: Array) -> Array:
    """A second take for the other side: the same line a few milliseconds and cents away."""
    t = np.arange(sound.shape[1]) / RATE_HZ
    wander = (
        0.004
        + 0.008 * rng.random()
        + 0.002 * np.sin(2 * np.pi * rng.uniform(0.1, 0.6) * t + rng.uniform(0, 6))
    )
    mono = sound.mean(0, keepdims=True)
    return np.concatenate([mono, shifted(mono, wander * RATE_HZ)]).astype(np.float32)
