"""Draws what `benches/gpu.py` measured: `python benches/plot_gpu.py results/times.json docs/images/gpu.png`.

    pip install matplotlib
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

INK, OURS, THEIRS = "#22262b", "#e4572e", "#9aa5b1"


def bars(axes, rows, unit, title):
    """One bar for each (name, value), the smallest last, ours in colour."""
    rows = sorted(rows, key=lambda row: -row[1])
    names, values = [row[0] for row in rows], [row[1] for row in rows]
    axes.barh(names, values, color=[OURS if name.startswith("Sextet") else THEIRS for name in names])
    for place, value in enumerate(values):
        axes.text(value, place, f" {value:.3g} {unit}", va="center", color=INK)
    axes.set_title(title, loc="left", color=INK)
    axes.set_xlim(0, max(values) * 1.18)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.xaxis.set_visible(False)


def main():
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    times = {name: row for name, row in json.loads(source.read_text()).items() if "mini" not in name}
    chunks = [(name.replace(", official", ", float16"), row["chunk_ms"]) for name, row in times.items() if "chunk_ms" in row]
    songs = [(name.replace(", official", ", float16"), row["separated_s"]) for name, row in times.items() if "separated_s" in row]
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(9, 5.2), height_ratios=[len(chunks), len(songs)], layout="constrained"
    )
    bars(top, chunks, "ms", "One chunk of 7.8 s, official six-stem shape")
    song_s = next(row["song_s"] for row in times.values() if "song_s" in row)
    bars(bottom, songs, "s", f"A song of {song_s:.0f} s, samples in memory to stems in memory")
    figure.savefig(target, dpi=120)


if __name__ == "__main__":
    main()
