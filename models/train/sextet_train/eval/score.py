"""Scores of a model: SDR per stem and leakage into silent stems, against the mix itself.

SDR is 10 log10 of the reference's energy over the error's energy, over the whole track, and its
median over songs. Leakage is the energy of an estimate whose true stem is exactly silent over the
mix's energy.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demucs.htdemucs import HTDemucs

from sextet_train.eval.evaluation_set import songs_of
from sextet_train.eval.separation import separate
from sextet_train.stems import STEMS
from sextet_train.train.metrics import decibels

QUIET_LEAKAGE_DB = -25


def score_of(truth: torch.Tensor, estimate: torch.Tensor, mix: torch.Tensor) -> dict[str, float]:
    """{sdr, baseline} of a stem [2, frames] that sounds, {leak} of a silent one; all in dB."""
    energy = truth.square().sum()
    if energy > 0:
        return {
            "sdr": decibels(energy, (truth - estimate).square().sum()),
            "baseline": decibels(energy, (truth - mix).square().sum()),
        }
    return {"leak": decibels(estimate.square().sum(), mix.square().sum())}


def score(model: HTDemucs, folder: Path, device: torch.device) -> list[dict[str, Any]]:
    """A row {song, stem, ...} for every stem of every song, with what `score_of` gives; prints
    them song by song."""
    rows = []
    for name, stems in songs_of(folder):
        mix = stems.sum(0)
        out = separate(model, mix, device)
        song: list[dict[str, Any]] = [
            {"song": name, "stem": stem} | score_of(stems[i], out[i], mix)
            for i, stem in enumerate(STEMS)
        ]
        shown = {row["stem"]: round(row["sdr"] if "sdr" in row else row["leak"], 1) for row in song}
        print(name, shown, flush=True)
        rows += song
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: medians over songs, with quartiles, the mix as baseline, and leakage."""
    lines = [
        "| stem | songs | SDR, dB | quartiles | the mix itself, dB | silent in "
        "| leakage, dB of the mix |",
        "|---|---|---|---|---|---|---|",
    ]
    for stem in STEMS:
        lines.append(table_row(stem, [r for r in rows if r["stem"] == stem]))
    leaks = [r["leak"] for r in rows if "leak" in r]
    if leaks:
        quiet = sum(v <= QUIET_LEAKAGE_DB for v in leaks)
        lines.append(
            f"\nLeakage over all silent stems: median {np.median(leaks):.1f} dB, "
            f"worst {max(leaks):.1f} dB, {quiet} of {len(leaks)} at most {QUIET_LEAKAGE_DB} dB."
        )
    return "\n".join(lines)


def table_row(stem: str, rows: Sequence[dict[str, Any]]) -> str:
    """One stem's line of the table."""
    values = [r["sdr"] for r in rows if "sdr" in r]
    baselines = [r["baseline"] for r in rows if "sdr" in r] or [math.nan]
    leaks = [r["leak"] for r in rows if "leak" in r]
    low, high = np.percentile(values or [math.nan], (25, 75))
    leak = f"{np.median(leaks):.1f}" if leaks else "-"
    return (
        f"| {stem} | {len(values)} | {np.median(values or [math.nan]):.1f} "
        f"| {low:.1f} to {high:.1f} | {np.median(baselines):.1f} | {len(leaks)} | {leak} |"
    )
