"""Validation of a model on whole songs while it trains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sextet_train import pcm
from sextet_train.model.htdemucs import SEGMENT_FRAMES
from sextet_train.stems import STEMS
from sextet_train.train.loss import separation_loss
from sextet_train.train.metrics import leakage_decibels, sdr

AUDIBLE = 0.003  # peak of a stem whose SDR counts


class Scores:
    """SDR by stem in dB, leakage into silent stems in dB of the mix, and loss, of several songs."""

    def __init__(self) -> None:
        self.sdr: dict[str, list[float]] = {stem: [] for stem in STEMS}
        self.leakage: list[float] = []
        self.loss: list[float] = []

    def add(self, truth: torch.Tensor, estimate: torch.Tensor) -> None:
        """Counts one song's chunks [chunks, 6, 2, frames]."""
        level = truth.sum(1).std((1, 2)).clamp(min=1e-3)[:, None, None, None]
        self.loss.append(float(separation_loss(estimate / level, truth / level).reported))
        for i, stem in enumerate(STEMS):
            peak = truth[:, i].abs().max()
            if peak > AUDIBLE:
                self.sdr[stem].append(sdr(truth[:, i], estimate[:, i]))
            elif peak == 0:
                leaked = estimate[:, i].square().sum() / truth.sum(1).square().sum()
                self.leakage.append(leakage_decibels(leaked))

    def medians(self) -> dict[str, float]:
        """Median SDR by stem, median leakage (`leak`), mean loss (`loss`)."""
        table = {s: round(float(np.median(v)), 2) for s, v in self.sdr.items() if v}
        if self.leakage:
            table["leak"] = round(float(np.median(self.leakage)), 1)
        return table | {"loss": round(float(np.mean(self.loss)), 5)}


class Validation:
    """Songs of POOL/valid, cut into chunks and run in batches of one size, so that nothing is tuned
    or compiled for them."""

    def __init__(self, folder: Path, batch: int, device: torch.device) -> None:
        self.folder = folder
        self.batch = batch
        self.device = device
        self.songs: dict[str, torch.Tensor] = {}

    def load(self) -> list[torch.Tensor]:
        """All songs there are by now, each [chunks, 6, 2, SEGMENT_FRAMES]."""
        for path in sorted(self.folder.glob("*.npy")):
            if path.name not in self.songs:
                stems = pcm.to_float(torch.from_numpy(np.load(path)).to(self.device))
                count = stems.shape[-1] // SEGMENT_FRAMES
                stems = stems[..., : count * SEGMENT_FRAMES].unflatten(-1, (count, -1))
                self.songs[path.name] = stems.permute(2, 0, 1, 3).contiguous()
        return list(self.songs.values())

    @torch.no_grad()
    def validate(self, separate: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, Any]:
        """Medians of all songs (see `Scores`); empty without songs.

        `separate` maps mixes [batch, 2, frames] to stems [batch, 6, 2, frames]. The mean loss at
        the floor DEFAULT_FLOOR tells small differences sooner than medians of a few songs.
        """
        songs = self.load()
        if not songs:
            return {}
        mixes = torch.cat([chunks.sum(1) for chunks in songs])
        # The last batch is filled up with copies of the first chunk.
        mixes = torch.cat([mixes, mixes[:1].expand(-len(mixes) % self.batch, -1, -1)])
        estimates = torch.cat([separate(chunk) for chunk in mixes.split(self.batch)])

        scores, start = Scores(), 0
        for truth in songs:
            scores.add(truth, estimates[start : start + len(truth)])
            start += len(truth)
        return scores.medians()
