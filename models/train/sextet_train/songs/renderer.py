"""A song to six true stems: play every track, treat it as a studio would, balance, and put one bus
over all.

The bus compressor and the final gain are curves computed from the mix and multiplied into every
stem, so the stems sum to the mix exactly.
"""

from typing import Protocol

import numpy as np

from sextet_train.arrays import Array, Rng
from sextet_train.songs import effects
from sextet_train.songs.score import Song, Track
from sextet_train.stems import RATE_HZ, STEMS


class Player(Protocol):
    """Plays a track: stereo float32 [2, frames]."""

    def __call__(self, rng: Rng, track: Track, frames: int) -> Array:
        """The track's sound."""
        ...


LEVEL_DB = {"drums": 0.0, "bass": -1.5, "other": -3.0, "vocals": 0.5, "guitar": -2.5, "piano": -2.5}


def active_rms(sound: Array) -> float:
    """Root mean square of the blocks that sound at all (within 40 dB of the loudest), 0 for
    silence."""
    level = effects.loudness_curve(sound, 4096) if sound.shape[1] >= 4096 else np.array([0.0])
    level = level[level > max(level.max() * 0.01, 2e-6)]
    return float(np.sqrt((level**2).mean())) if level.size else 0.0


def treat(rng: Rng, track: Track, sound: Array, step_s: float) -> Array:
    """The stem's own chain of effects."""
    stem = track.stem
    if stem == "guitar":
        hard = {"power": 0.85, "chug": 0.85, "lead": 0.5, "strum": 0.1, "pick": 0.06}.get(
            track.part, 0.15
        )
        if rng.random() < hard:
            sound = effects.amplifier(rng, sound)
        if track.part in ("power", "strum", "chug") and rng.random() < 0.35:
            sound = effects.double(rng, sound)
    if stem == "bass" and rng.random() < 0.12:
        sound = (
            sound * 0.5
            + 0.5
            * effects.amplifier(rng, sound, 10 ** rng.uniform(0.2, 1.2))
            * active_rms(sound)
            * 4
        )
    if stem in ("guitar", "piano", "other") and rng.random() < 0.2:
        sound = effects.chorus(rng, sound)
    if stem in ("guitar", "piano") and rng.random() < 0.06:
        sound = effects.tremolo(rng, sound)
    if stem in ("drums", "bass", "vocals", "guitar") and rng.random() < 0.45:
        sound = effects.compressor(rng, sound)
    if stem in ("vocals", "guitar", "other") and rng.random() < 0.25:
        sound = effects.echo(rng, sound, step_s)
    if stem == "vocals" and rng.random() < 0.25:
        sound = sound + 0.6 * effects.double(rng, sound)
    wet = {"drums": 0.15, "bass": 0.04, "vocals": 0.3, "other": 0.35, "guitar": 0.2, "piano": 0.25}[
        stem
    ]
    wet = rng.exponential(wet) if rng.random() < 0.75 else 0.0
    sound = effects.colour(
        rng, sound, 3.5 if stem != "bass" else 2.5, min(wet, 1.0), long=rng.random() < 0.35
    )
    spread = {"drums": 0.1, "bass": 0.1, "vocals": 0.15}.get(stem, 0.8)
    return effects.place(rng, sound, spread)


def render(song: Song, play: Player, salt: int = 7, level_spread_db: float = 2.0) -> Array:
    """Six stems [6, 2, frames] float32 whose sum is the mix (peak below 1); absent stems are
    exact zeros."""
    rng = np.random.default_rng([song.seed, salt])
    frames = int(song.seconds * RATE_HZ)
    stems = np.zeros((len(STEMS), 2, frames), np.float32)
    for track in song.tracks:
        sound = treat(rng, track, play(rng, track, frames), 60 / song.bpm / 4)
        rms = active_rms(sound)
        if rms > 0:
            stems[STEMS.index(track.stem)] += sound / rms * 10 ** (rng.normal(0, 1.0) / 20)
    for i, stem in enumerate(STEMS):
        rms = active_rms(stems[i])
        if rms > 0:
            stems[i] *= 10 ** ((LEVEL_DB[stem] + rng.normal(0, level_spread_db)) / 20) / rms
    return master(rng, stems)


def master(rng: Rng, stems: Array) -> Array:
    """A bus compressor by chance, a soft limiter, and a final peak between -8 and -0.3 dB: the
    same gain for all stems."""
    mix = stems.sum(0)
    frames = mix.shape[1]
    gain = np.ones(frames, np.float32)
    if rng.random() < 0.6:
        level = effects.loudness_curve(mix)
        gain *= effects.stretched(
            effects.gain_curve(level, np.percentile(level, 70) + 1e-6, rng.uniform(1.2, 2.5)),
            frames,
        )
    peaks = np.abs(mix * gain).max(0)
    count = frames // 256
    block = peaks[: count * 256].reshape(count, 256).max(1)
    ceiling = np.percentile(block, 97) + 1e-6
    limit = effects.gain_curve(np.maximum(block, 1e-9), ceiling, 6.0, 0.5, 12.0)
    gain *= effects.stretched(limit, frames)
    peak = np.abs(mix * gain).max() + 1e-9
    return stems * (gain * np.float32(10 ** (rng.uniform(-8, -0.3) / 20) / peak))
