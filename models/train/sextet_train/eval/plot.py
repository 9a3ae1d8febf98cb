"""Pictures of a real separation: spectrograms of the mix, of every separated stem, and of its truth.

  python plot.py MODEL.safetensors ../../samples/six-of-one OUT.png

Left column: what the model makes of the mix (demucs' apply_model, as in evaluate.py). Right column: the true stem.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import checkpoint
import evaluate
from compose import STEMS

RATE = 44100


def spectrogram(axis, sound, title):
    mono = sound.mean(0) + 1e-7 * np.random.default_rng(0).normal(size=sound.shape[1])
    axis.specgram(mono, NFFT=2048, noverlap=1024, Fs=RATE, vmin=-130, vmax=-35, cmap="magma")
    axis.set_ylim(0, 10000)
    axis.set_yticks([0, 5000, 10000], ["0", "5", "10 kHz"], fontsize=6)
    axis.set_title(title, fontsize=8, loc="left", pad=2)
    axis.tick_params(axis="x", labelsize=6)


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("model", type=Path)
    ap.add_argument("stems", type=Path)
    ap.add_argument("picture", type=Path)
    a = ap.parse_args()
    _, stems = next(iter(evaluate.songs_of(a.stems)))
    mix = stems.sum(0)
    device = checkpoint.device_of_choice()
    out = evaluate.separate(checkpoint.load(a.model).to(device), mix, device)
    figure, axes = plt.subplots(
        len(STEMS) + 1, 2, figsize=(12, 11), sharex=True, layout="constrained"
    )
    spectrogram(axes[0, 0], mix.numpy(), "the mix")
    axes[0, 1].axis("off")
    for row, stem, estimate, truth in zip(axes[1:], STEMS, out, stems):
        sdr = evaluate.decibels(truth.square().sum(), (truth - estimate).square().sum())
        spectrogram(row[0], estimate.numpy(), f"{stem}, separated ({sdr:.1f} dB SDR)")
        spectrogram(row[1], truth.numpy(), f"{stem}, true")
    axes[-1, 0].set_xlabel("seconds", fontsize=7)
    axes[-1, 1].set_xlabel("seconds", fontsize=7)
    a.picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(a.picture, dpi=80)
    Image.open(a.picture).convert("RGB").quantize(48).save(
        a.picture, optimize=True
    )  # a fifth of the size


if __name__ == "__main__":
    main()
