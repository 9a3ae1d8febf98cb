"""What one model's stems change against another's."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import torch
from demucs.htdemucs import HTDemucs

from sextet_train.eval.evaluation_set import songs_of
from sextet_train.eval.score import score_of
from sextet_train.eval.separation import separate
from sextet_train.stems import STEMS


@torch.no_grad()
def compare(models: Sequence[HTDemucs], folder: Path, device: torch.device, songs: int) -> None:
    """Prints per song and stem the SDR (leakage if the stem is silent) of two models, and the
    relative L2 difference of the second's stem to the first's."""
    for name, stems in itertools.islice(songs_of(folder), songs):
        mix = stems.sum(0)
        first, second = (separate(model, mix, device) for model in models)
        for stem, truth, a, b in zip(STEMS, stems, first, second):
            what = "sdr" if truth.abs().max() > 0 else "leak"
            before, after = (score_of(truth, x, mix)[what] for x in (a, b))
            difference = float((a - b).norm() / (a.norm() + 1e-9))
            print(
                f"{name} {stem:7}{what:5}{before:9.4f}{after:9.4f}  "
                f"change {after - before:+.4f} dB  relative L2 {difference:.2e}",
                flush=True,
            )
