"""How well a model separates songs it has never heard: SDR per stem and leakage into silent stems, against the mix itself.

  python evaluate.py render SET_DIR --palette training|heldout --songs 24      renders a set (FLAC-free: .npy int16)
  python evaluate.py score MODEL.safetensors SET_DIR [--json OUT.json]          separates and scores it
  python evaluate.py score MODEL.safetensors ../../samples/six-of-one           scores a folder of true stems
  python evaluate.py compare A.safetensors B.safetensors SET_DIR [--songs 3]    what B changes against A

SDR is 10 log10 of the reference's energy over the error's energy, over the whole track, and its median over songs.
Leakage is the energy of an estimate whose true stem is exactly silent over the mix's energy. Separation is demucs'
`apply_model` (shifts 0, overlap 0.25) on the mix normalised by its whole-track mean and deviation, as the demucs
command does.
"""

import argparse
import itertools
import json
import math
from pathlib import Path

import numpy as np
import torch

import checkpoint
from compose import EVAL_SEEDS, STEMS, compose

RATE = 44100
SECONDS = 30.0


def render_set(folder, palette, songs):
    from render import render

    play = __import__({"training": "instruments", "heldout": "heldout"}[palette]).play
    salt = {"training": 7, "heldout": 8}[palette]
    first = EVAL_SEEDS + (0 if palette == "training" else 5000)
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + songs):
        if not (folder / f"{seed}.npy").exists():
            stems = render(compose(seed, SECONDS), play, salt)
            np.save(folder / f"{seed}.npy", np.round(stems * 32767).astype(np.int16))
            print(seed, flush=True)


def songs_of(folder):
    """(name, stems [6, 2, frames] float32) of a rendered set, or of one folder of six FLAC files."""
    for path in sorted(folder.glob("*.npy")):
        yield path.stem, torch.from_numpy(np.load(path)).float() / 32768
    if (folder / "drums.flac").exists():
        import soundfile

        stems = [soundfile.read(folder / f"{s}.flac", dtype="float32")[0].T for s in STEMS]
        yield folder.name, torch.from_numpy(np.stack(stems))


@torch.no_grad()
def separate(model, mix, device):
    """Stems [6, 2, frames] of a mix [2, frames], exactly as the demucs command separates."""
    from demucs.apply import apply_model

    reference = mix.mean(0)
    mean, std = reference.mean(), reference.std() + 1e-8
    out = apply_model(
        model, ((mix - mean) / std)[None], shifts=0, split=True, overlap=0.25, device=device
    )[0]
    return out.cpu() * std + mean


def decibels(numerator, denominator):
    return 10 * math.log10((float(numerator) + 1e-10) / (float(denominator) + 1e-10))


def score(model, folder, device):
    """Rows {song, stem, sdr, baseline} for stems that sound and {song, stem, leak} for silent ones."""
    rows = []
    for name, stems in songs_of(folder):
        mix = stems.sum(0)
        out = separate(model, mix, device)
        for i, stem in enumerate(STEMS):
            energy = stems[i].square().sum()
            if energy > 0:
                rows.append({"song": name, "stem": stem, "sdr": decibels(energy, (stems[i] - out[i]).square().sum()),
                             "baseline": decibels(energy, (stems[i] - mix).square().sum())})  # fmt: skip
            else:
                rows.append(
                    {
                        "song": name,
                        "stem": stem,
                        "leak": decibels(out[i].square().sum(), mix.square().sum()),
                    }
                )
        print(
            name,
            {r["stem"]: round(r.get("sdr", r.get("leak")), 1) for r in rows if r["song"] == name},
            flush=True,
        )
    return rows


@torch.no_grad()
def compare(models, folder, device, songs):
    """Prints per song and stem the SDR (leakage if the stem is silent) of two models, and the relative L2 difference
    of the second's stem to the first's."""
    for name, stems in itertools.islice(songs_of(folder), songs):
        mix = stems.sum(0)
        first, second = (separate(model, mix, device) for model in models)
        for stem, truth, a, b in zip(STEMS, stems, first, second):
            if truth.abs().max() > 0:
                values = [
                    decibels(truth.square().sum(), (truth - x).square().sum()) for x in (a, b)
                ]
            else:
                values = [decibels(x.square().sum(), mix.square().sum()) for x in (a, b)]
            what = "sdr" if truth.abs().max() > 0 else "leak"
            print(f"{name} {stem:7}{what:5}{values[0]:9.4f}{values[1]:9.4f}  change {values[1] - values[0]:+.4f} dB  "
                  f"relative L2 {float((a - b).norm() / (a.norm() + 1e-9)):.2e}", flush=True)  # fmt: skip


def table(rows):
    """Markdown: medians over songs, with quartiles, the mix as baseline, and leakage."""
    lines = [
        "| stem | songs | SDR, dB | quartiles | the mix itself, dB | silent in | leakage, dB of the mix |",
        "|---|---|---|---|---|---|---|",
    ]
    for stem in STEMS:
        heard = [r for r in rows if r["stem"] == stem and "sdr" in r]
        silent = [r["leak"] for r in rows if r["stem"] == stem and "leak" in r]
        values = [r["sdr"] for r in heard] or [math.nan]
        low, high = np.percentile(values, (25, 75))
        leak = f"{np.median(silent):.1f}" if silent else "-"
        lines.append(f"| {stem} | {len(heard)} | {np.median(values):.1f} | {low:.1f} to {high:.1f} | "
                     f"{np.median([r['baseline'] for r in heard] or [math.nan]):.1f} | {len(silent)} | {leak} |")  # fmt: skip
    leaks = [r["leak"] for r in rows if "leak" in r]
    if leaks:
        lines.append(f"\nLeakage over all silent stems: median {np.median(leaks):.1f} dB, worst {max(leaks):.1f} dB, "
                     f"{sum(v <= -25 for v in leaks)} of {len(leaks)} at most -25 dB.")  # fmt: skip
    return "\n".join(lines)


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sub = ap.add_subparsers(dest="what", required=True)
    r = sub.add_parser("render")
    r.add_argument("folder", type=Path)
    r.add_argument("--palette", choices=("training", "heldout"), required=True)
    r.add_argument("--songs", type=int, default=24)
    s = sub.add_parser("score")
    s.add_argument("model", type=Path)
    s.add_argument("folder", type=Path)
    s.add_argument("--json", type=Path)
    c = sub.add_parser("compare")
    c.add_argument("models", type=Path, nargs=2)
    c.add_argument("folder", type=Path)
    c.add_argument("--songs", type=int, default=3)
    a = ap.parse_args()
    if a.what == "render":
        render_set(a.folder, a.palette, a.songs)
        return
    device = checkpoint.device_of_choice()
    if a.what == "compare":
        compare([checkpoint.load(m).to(device) for m in a.models], a.folder, device, a.songs)
        return
    rows = score(checkpoint.load(a.model).to(device), a.folder, device)
    if a.json:
        a.json.write_text(json.dumps(rows, indent=1))
    print(table(rows))


if __name__ == "__main__":
    main()
