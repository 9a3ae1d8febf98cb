"""The songs that examples are drawn from: a ring on the training device, filled by a thread."""

import threading
import time
from pathlib import Path

import numpy as np
import torch

from sextet_train import pcm
from sextet_train.arrays import Rng
from sextet_train.data.cuda_streams import CudaStreams
from sextet_train.data.fence import Fence
from sextet_train.stems import STEMS

BUSY_POLL_S, IDLE_POLL_S = 0.05, 0.2
SPEED_CHANCE, SPEED_DEVIATION, SLOWEST, FASTEST = 0.35, 0.06, 0.85, 1.18
WHOLE_SONG_CHANCE = 0.65


class Pool:
    """int16 songs [songs, 6, 2, frames] on the device, from the generator's folder.

    A thread takes the files SEED.npy whose seed is `rank` modulo `world`, deletes them, and
    replaces the oldest song first. `count` songs are there; `added` have come in all. Writes and
    reads of the ring are fenced: no example holds parts of two songs where one was drawn.
    """

    def __init__(
        self,
        folder: Path,
        capacity: int,
        frames: int,
        device: torch.device,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.folder = folder
        self.rank, self.world = rank, world
        self.device = device
        shape = (capacity, len(STEMS), 2, frames)
        self.songs = torch.zeros(shape, dtype=torch.int16, device=device)
        self.count, self.added = 0, 0
        self._fence = Fence(CudaStreams(device) if self.songs.is_cuda else None)
        self._changed = threading.Condition()
        threading.Thread(target=self._follow, daemon=True).start()

    def wait_for(self, count: int, timeout_s: float) -> bool:
        """Whether `count` songs have come before the time is up."""
        with self._changed:
            return self._changed.wait_for(lambda: self.count >= count, timeout_s)

    def _follow(self) -> None:
        stream = torch.cuda.Stream(self.device) if self.songs.is_cuda else None
        while True:
            paths = [p for p in self.folder.glob("*.npy") if int(p.stem) % self.world == self.rank]
            for path in paths:
                with torch.cuda.stream(stream):
                    self.add(torch.from_numpy(np.load(path)))
                if stream:
                    stream.synchronize()
                path.unlink()
            time.sleep(BUSY_POLL_S if paths else IDLE_POLL_S)

    def add(self, song: torch.Tensor) -> None:
        """Puts a song [6, 2, frames] int16 in the place of the oldest."""
        # Moved to the device first, so that the turn is a copy within the device.
        arrived = song.to(self.device)
        with self._fence.writing():
            self.songs[self.added % len(self.songs)].copy_(arrived)
            self.added += 1
        with self._changed:
            self.count = min(self.added, len(self.songs))
            self._changed.notify_all()

    def draw(self, rng: Rng, frames: int) -> torch.Tensor:
        """Six stems [6, 2, frames] float32, of one song at one place, or each from anywhere; now
        and then at another speed."""
        speed = 1.0
        if rng.random() < SPEED_CHANCE:
            # The normal draw comes second: what a seed gives depends on the order.
            speed = float(np.clip(rng.normal(1, SPEED_DEVIATION), SLOWEST, FASTEST))
        read = int(frames * speed)

        with self._fence.reading():
            stems = self._read(rng, read)
        if read != frames:
            stems = torch.nn.functional.interpolate(
                stems, frames, mode="linear", align_corners=False
            )
        return stems

    def _read(self, rng: Rng, frames: int) -> torch.Tensor:
        """Stems [6, 2, frames] float32, copied from the ring."""
        count, starts = self.count, self.songs.shape[-1] - frames + 1
        song, start = int(rng.integers(count)), int(rng.integers(starts))
        if rng.random() < WHOLE_SONG_CHANCE:
            return pcm.to_float(self.songs[song, :, :, start : start + frames])
        parts = [
            self.songs[int(rng.integers(count)), stem, :, at : at + frames]
            for stem, at in enumerate(rng.integers(starts, size=len(STEMS)).tolist())
        ]
        return pcm.to_float(torch.stack(parts))
