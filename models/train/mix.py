"""Training examples without end: a pool of true stems on the GPU, remixed, recoloured and muted by chance.

Everything here is done to the stems; the mix is their sum, always.
"""

import queue
import threading
import time
from pathlib import Path

import numpy as np
import torch

STEMS = 6


class Pool:
    """int16 songs [songs, 6, 2, frames] on the device, filled by a thread from the farm's folder, oldest replaced first."""

    def __init__(self, folder, capacity, frames, device, rank=0, world=1):
        self.folder, self.rank, self.world = Path(folder), rank, world
        self.songs = torch.zeros((capacity, STEMS, 2, frames), dtype=torch.int16, device=device)
        self.count, self.added, self.device = 0, 0, device
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self):
        stream = torch.cuda.Stream(self.device) if self.songs.is_cuda else None
        while True:
            names = [p for p in self.folder.glob("*.npy") if int(p.stem) % self.world == self.rank]
            for path in names:
                song = torch.from_numpy(np.load(path))
                slot = self.added % len(self.songs)
                with torch.cuda.stream(stream):
                    self.songs[slot].copy_(song)
                if stream:
                    stream.synchronize()
                path.unlink()
                self.added += 1
                self.count = min(self.added, len(self.songs))
            time.sleep(0.05 if names else 0.2)

    def draw(self, rng, frames):
        """Six stems [6, 2, frames] float32: of one song at one place, or each from anywhere; now and then at another speed."""
        speed = float(np.clip(rng.normal(1, 0.06), 0.85, 1.18)) if rng.random() < 0.35 else 1.0
        read = int(frames * speed)
        total = self.songs.shape[-1]
        song, start = int(rng.integers(self.count)), int(rng.integers(total - read + 1))
        if rng.random() < 0.65:
            stems = self.songs[song, :, :, start : start + read]
        else:
            stems = torch.stack([
                self.songs[int(rng.integers(self.count)), s, :, o : o + read]
                for s, o in enumerate(rng.integers(total - read + 1, size=STEMS).tolist())
            ])  # fmt: skip
        stems = stems.float() * (1 / 32767)
        if read != frames:
            stems = torch.nn.functional.interpolate(stems, frames, mode="linear", align_corners=False)
        return stems


def recolour(stems, rng, room_chance=0.2):
    """Random equaliser curves and synthetic rooms for [batch, 6, 2, frames], in one pass through the frequency domain."""
    batch, _, _, frames = stems.shape
    device = stems.device
    size = 1 << (frames + 8192 - 1).bit_length() if frames < 300000 else frames + 65536 - frames % 65536
    bins = size // 2 + 1
    points = torch.tensor(rng.normal(0, 3.0, (batch * STEMS, 1, 10)), dtype=torch.float32, device=device)
    points *= torch.tensor(rng.random((batch * STEMS, 1, 1)) < 0.6, device=device)
    # Ten gains, one an octave, read on a logarithmic axis: 30 Hz is point 0, 15 kHz point 9.
    octave = torch.log2(torch.arange(bins, device=device).clamp(min=1) * (44100 / size) / 30).clamp(0, 8.999)
    low = octave.floor().long()
    part = octave - low
    db = points[..., low] * (1 - part) + points[..., low + 1] * part
    response = torch.pow(10.0, db / 20).view(batch, STEMS, 1, bins)
    spectrum = torch.fft.rfft(stems, size) * response
    wet = np.where(rng.random((batch, STEMS)) < room_chance, rng.uniform(0.05, 0.6, (batch, STEMS)), 0)
    places = np.argwhere(wet > 0)
    if len(places):
        b, s = torch.from_numpy(places.T).to(device)
        t = torch.arange(65536 // 2, device=device) / 44100
        decay = torch.tensor(rng.uniform(0.15, 0.8, (len(places), 1, 1)), dtype=torch.float32, device=device)
        tails = torch.randn(len(places), 2, t.numel(), device=device) * torch.exp(-6.9 * t / decay)
        tails *= torch.tensor(wet[wet > 0], dtype=torch.float32, device=device)[:, None, None] / tails.norm(dim=-1, keepdim=True)
        spectrum[b, s] *= 1 + torch.fft.rfft(tails, size)
    return torch.fft.irfft(spectrum, size)[..., :frames]


def muted(rng, batch, sparse):
    """Which stems are heard: mostly all, often some, in a part `sparse` of the examples only one to three."""
    heard = np.ones((batch, STEMS), bool)
    for b in range(batch):
        fate = rng.random()
        if fate > 1 - sparse:
            heard[b] = False
            heard[b, rng.permutation(STEMS)[: int(rng.integers(1, 4))]] = True
        elif fate > 0.78 - sparse:
            heard[b] = rng.random(STEMS) > 0.3
    return heard


def examples(pool, rng, batch, frames, sparse=0.08):
    """(mix [batch, 2, frames], stems [batch, 6, 2, frames]); the mix has about unit level."""
    device = pool.device
    stems = torch.stack([pool.draw(rng, frames) for _ in range(batch)])
    stems = recolour(stems, rng)
    gain = 10 ** (rng.normal(0, 3.0, (batch, STEMS)).clip(-9, 7) / 20) * rng.choice((-1, 1), (batch, STEMS))
    gain = torch.tensor(gain * muted(rng, batch, sparse), dtype=torch.float32, device=device)[..., None, None]
    width = torch.tensor(np.where(rng.random((batch, STEMS)) < 0.3, rng.uniform(0, 1.3, (batch, STEMS)), 1), dtype=torch.float32, device=device)
    middle, side = stems.mean(2), (stems[:, :, 0] - stems[:, :, 1]) / 2 * width[..., None]
    side = side * torch.tensor(rng.choice((-1.0, 1.0), (batch, STEMS, 1)), dtype=torch.float32, device=device)
    stems = torch.stack([middle + side, middle - side], 2) * gain
    hot = torch.tensor(rng.random((batch, STEMS, 1, 1)) < 0.08, device=device)
    level = stems.std((2, 3), keepdim=True) + 1e-5
    stems = torch.where(hot, torch.tanh(stems / level / 2) * level * 2, stems)
    mix = stems.sum(1)
    scale = 1 / mix.std((1, 2)).clamp(min=1e-3)
    return mix * scale[:, None, None], stems * scale[:, None, None, None]


def prefetched(make, device, ahead=2):
    """Batches made by a thread on a stream of its own, so that the GPU mixes while it trains."""
    ready = queue.Queue(maxsize=ahead)
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def produce():
        while True:
            with torch.cuda.stream(stream):
                batch = make()
            if stream:
                stream.synchronize()
            ready.put(batch)

    threading.Thread(target=produce, daemon=True).start()
    while True:
        batch = ready.get()
        if stream:
            for tensor in batch:
                tensor.record_stream(torch.cuda.current_stream(device))
        yield batch
