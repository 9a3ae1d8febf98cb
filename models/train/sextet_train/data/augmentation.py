"""Chance changes of stems: equalisers, rooms, gain, polarity, width, overdrive, muting.

Everything is done to the stems; the mix is their sum, always.
"""

from typing import NamedTuple

import numpy as np
import torch

from sextet_train.arrays import Array, Rng
from sextet_train.stems import RATE_HZ, STEMS

BANDS = 10  # of the equaliser, one an octave
LOWEST_HZ = 30  # of the first band
ROOM_FRAMES = 32768
ROOM_CHANCE = 0.2
OVERDRIVE_CHANCE = 0.08
SOME_SHARE = 0.22  # of the examples, with each stem left out by chance
IN_TRIO = np.array([stem in ("guitar", "piano", "other") for stem in STEMS])


def on_device(values: Array, device: torch.device) -> torch.Tensor:
    """Random numbers as float32 on the device."""
    return torch.tensor(values, dtype=torch.float32, device=device)


def transform_size(frames: int) -> int:
    """Length of a Fourier transform that leaves room for a reverberation's beginning."""
    if frames < 300000:
        return 1 << (frames + 8192 - 1).bit_length()
    return frames + 65536 - frames % 65536


def equaliser(rng: Rng, batch: int, size: int, device: torch.device) -> torch.Tensor:
    """Gains [batch, 6, 1, size / 2 + 1] of random curves; flat for two stems in five."""
    curves = batch * len(STEMS)
    points = on_device(rng.normal(0, 3.0, (curves, 1, BANDS)), device)  # dB
    points *= torch.tensor(rng.random((curves, 1, 1)) < 0.6, device=device)

    # Ten gains, one an octave, read on a logarithmic axis: 30 Hz is point 0, 15 kHz point 9.
    bins = size // 2 + 1
    hz = torch.arange(bins, device=device).clamp(min=1) * (RATE_HZ / size)
    octave = torch.log2(hz / LOWEST_HZ).clamp(0, BANDS - 1.001)
    low = octave.floor().long()
    part = octave - low
    db = points[..., low] * (1 - part) + points[..., low + 1] * part
    return torch.pow(10.0, db / 20).view(batch, len(STEMS), 1, bins)


def add_rooms(rng: Rng, spectrum: torch.Tensor, size: int, chance: float) -> None:
    """Multiplies spectra [batch, 6, 2, bins] in place by those of random reverberations."""
    batch, device = spectrum.shape[0], spectrum.device
    shape = (batch, len(STEMS))
    wet = np.where(rng.random(shape) < chance, rng.uniform(0.05, 0.6, shape), 0)
    places = np.argwhere(wet > 0)
    if not len(places):
        return
    example, stem = torch.from_numpy(places.T).to(device)
    t = torch.arange(ROOM_FRAMES, device=device) / RATE_HZ
    decay_s = on_device(rng.uniform(0.15, 0.8, (len(places), 1, 1)), device)
    tails = torch.randn(len(places), 2, t.numel(), device=device) * torch.exp(-6.9 * t / decay_s)
    tails *= on_device(wet[wet > 0], device)[:, None, None] / tails.norm(dim=-1, keepdim=True)
    spectrum[example, stem] *= 1 + torch.fft.rfft(tails, size)


def recolour(stems: torch.Tensor, rng: Rng, room_chance: float = ROOM_CHANCE) -> torch.Tensor:
    """Random equaliser curves and synthetic rooms for [batch, 6, 2, frames], in one pass through
    the frequency domain."""
    batch, _, _, frames = stems.shape
    size = transform_size(frames)
    response = equaliser(rng, batch, size, stems.device)
    spectrum = torch.fft.rfft(stems, size) * response
    add_rooms(rng, spectrum, size, room_chance)
    return torch.fft.irfft(spectrum, size)[..., :frames]


class Shares(NamedTuple):
    """Shares of the examples, from 0 to 1, that are not of all six stems: `sparse` of one to three,
    `trio` of guitar, piano and other alone, which are what is hardest to tell apart."""

    sparse: float = 0.08
    trio: float = 0.0


DEFAULT_SHARES = Shares()


def heard_stems(rng: Rng, batch: int, shares: Shares) -> Array:
    """Which stems are heard, bool [batch, 6]: mostly all, often some, and what `shares` says."""
    sparse_above = 1 - shares.sparse
    trio_above = sparse_above - shares.trio
    some_above = trio_above - SOME_SHARE

    heard = np.ones((batch, len(STEMS)), bool)
    for row in heard:
        fate = rng.random()
        if fate > sparse_above:
            row[:] = False
            row[rng.permutation(len(STEMS))[: int(rng.integers(1, 4))]] = True
        elif fate > trio_above:
            row[:] = IN_TRIO
        elif fate > some_above:
            row[:] = rng.random(len(STEMS)) > 0.3
    return heard


def random_gain(rng: Rng, batch: int, shares: Shares, device: torch.device) -> torch.Tensor:
    """Gain, polarity and muting [batch, 6, 1, 1]."""
    shape = (batch, len(STEMS))
    gain = 10 ** (rng.normal(0, 3.0, shape).clip(-9, 7) / 20) * rng.choice((-1, 1), shape)
    return on_device(gain * heard_stems(rng, batch, shares), device)[..., None, None]


def random_width(stems: torch.Tensor, rng: Rng) -> torch.Tensor:
    """Stems [batch, 6, 2, frames] with the difference of their channels scaled, at times turned."""
    shape, device = stems.shape[:2], stems.device
    width = np.where(rng.random(shape) < 0.3, rng.uniform(0, 1.3, shape), 1)
    middle = stems.mean(2)
    side = (stems[:, :, 0] - stems[:, :, 1]) / 2 * on_device(width, device)[..., None]
    side = side * on_device(rng.choice((-1.0, 1.0), (*shape, 1)), device)
    return torch.stack([middle + side, middle - side], 2)


def random_overdrive(stems: torch.Tensor, rng: Rng) -> torch.Tensor:
    """Stems [batch, 6, 2, frames], a few of them softly clipped at twice their deviation."""
    chosen = rng.random((*stems.shape[:2], 1, 1)) < OVERDRIVE_CHANCE
    level = stems.std((2, 3), keepdim=True) + 1e-5
    clipped = torch.tanh(stems / level / 2) * level * 2
    return torch.where(torch.tensor(chosen, device=stems.device), clipped, stems)
