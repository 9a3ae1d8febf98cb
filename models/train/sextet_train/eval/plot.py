"""Pictures of a real separation: spectrograms of the mix, of every separated stem, of its truth.

  python -m sextet_train plot MODEL.safetensors ../../samples/six-of-one OUT.png

Left column: what the model makes of the mix (demucs' apply_model, as in separation.py). Right
column: the true stem.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image

from sextet_train.arrays import Array
from sextet_train.eval.evaluation_set import songs_of
from sextet_train.eval.separation import separate
from sextet_train.model import htdemucs, model_file
from sextet_train.stems import RATE_HZ, STEMS
from sextet_train.train.metrics import decibels

COLOURS = 48  # of the picture's palette: a fifth of the size


def spectrogram(axis: Any, sound: Array, title: str) -> None:
    """Draws sound [2, frames] up to 10 kHz."""
    mono = sound.mean(0) + 1e-7 * np.random.default_rng(0).normal(size=sound.shape[1])
    axis.specgram(mono, NFFT=2048, noverlap=1024, Fs=RATE_HZ, vmin=-130, vmax=-35, cmap="magma")
    axis.set_ylim(0, 10000)
    axis.set_yticks([0, 5000, 10000], ["0", "5", "10 kHz"], fontsize=6)
    axis.set_title(title, fontsize=8, loc="left", pad=2)
    axis.tick_params(axis="x", labelsize=6)


def draw(mix: torch.Tensor, truths: torch.Tensor, estimates: torch.Tensor) -> Any:
    """The figure of a mix [2, frames] and stems [6, 2, frames]."""
    figure, axes = plt.subplots(
        len(STEMS) + 1, 2, figsize=(12, 11), sharex=True, layout="constrained"
    )
    spectrogram(axes[0, 0], mix.numpy(), "the mix")
    axes[0, 1].axis("off")
    for row, stem, estimate, truth in zip(axes[1:], STEMS, estimates, truths):
        sdr = decibels(truth.square().sum(), (truth - estimate).square().sum())
        spectrogram(row[0], estimate.numpy(), f"{stem}, separated ({sdr:.1f} dB SDR)")
        spectrogram(row[1], truth.numpy(), f"{stem}, true")
    for axis in axes[-1]:
        axis.set_xlabel("seconds", fontsize=7)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `plot`."""
    parser = argparse.ArgumentParser(
        prog="python -m sextet_train plot",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("stems", type=Path)
    parser.add_argument("picture", type=Path)
    args = parser.parse_args(arguments)

    _, stems = next(iter(songs_of(args.stems)))
    mix = stems.sum(0)
    device = htdemucs.preferred_device()
    estimates = separate(model_file.load(args.model).to(device), mix, device)
    args.picture.parent.mkdir(parents=True, exist_ok=True)
    draw(mix, stems, estimates).savefig(args.picture, dpi=80)
    Image.open(args.picture).convert("RGB").quantize(COLOURS).save(args.picture, optimize=True)
