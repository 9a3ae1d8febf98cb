"""Takes constants out of a trained model's stems that float32 has and the bfloat16 of its training had not.

  python farm.py SONGS --first-seed 4100000 --songs 24
  python settle.py MODEL.safetensors SONGS OUT.safetensors

The highest bin of a spectrum may hold about the same number in every frame, whatever the song: a tone at 22,050 Hz, which no
ear hears and every SDR does. Training does not see it (README.md, "What was seen"). It and offsets are moved by the biases of
the two last layers, on which the stems depend linearly, the tone because a spectrum that is the same in every bin sums to
one: HTDemucs leaves out the bin at 22,050 Hz itself. Their best values for some songs are a least-squares problem.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError

import checkpoint
from compose import STEMS
from train import FLOOR

FRAMES = checkpoint.SEGMENT_FRAMES


def responses(model):
    """What one unit of a last layer's bias sounds like [3, FRAMES]: real and imaginary part in every bin of a spectrum of
    deviation one, and an offset."""
    every_bin = torch.ones_like(model._spec(torch.zeros(1, 1, FRAMES)))
    real, imaginary = (model._ispec(every_bin * unit, FRAMES).flatten() for unit in (1, 1j))
    return torch.stack([real, imaginary, torch.ones(FRAMES)])


def chunks(folder):
    """Stems [6, 2, FRAMES] whose mix has unit deviation, of a farm's songs."""
    for path in sorted(folder.glob("*.npy")):
        stems = torch.from_numpy(np.load(path)).float() / 32767
        for chunk in stems.split(FRAMES, -1):
            if chunk.shape[-1] == FRAMES and chunk.sum(0).std() > 1e-3:
                yield chunk / chunk.sum(0).std()


@torch.no_grad()
def corrections(model, examples):
    """What to add to the biases of the last layers [stems, channels, 3]: real, imaginary and offset, in deviations of spectrum
    and signal. `examples` are stems as `chunks` gives them. Squared errors are weighed as the loss of train.py weighs those of a
    stem in a chunk. ValueError without examples."""
    units, count = responses(model), 0
    products = torch.zeros(len(STEMS), 1, 3, 3, dtype=torch.float64)
    errors = torch.zeros(len(STEMS), 2, 3, dtype=torch.float64)
    for count, stems in enumerate(examples, 1):
        mix = stems.sum(0, keepdim=True)
        error = model(mix)[0] - stems
        spectrum, sound = model._magnitude(model._spec(mix)).std(), mix.std()
        heard = (units * torch.stack([spectrum, spectrum, sound])[:, None]).double()
        weight = 1 / (error.square().mean((1, 2)).double() + FLOOR)[:, None, None]
        products += weight[..., None] * (heard @ heard.T)
        errors += weight * (error.double() @ heard.T)
    if not count:
        raise ValueError(
            f"no songs of {FRAMES} frames or more that are not silent; farm.py makes some"
        )
    return -torch.linalg.solve(products, errors[..., None])[..., 0].float()


@torch.no_grad()
def settle(model, examples):
    """Changes the model's biases; gives back what was added to them, and raises what `corrections` raises."""
    added = corrections(model, examples)
    model.decoder[-1].conv_tr.bias += added[..., :2].flatten()
    model.tdecoder[-1].conv_tr.bias += added[..., 2].flatten()
    return added


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("source", type=Path)
    ap.add_argument("songs", type=Path)
    ap.add_argument("target", type=Path)
    a = ap.parse_args()
    try:
        model = checkpoint.load(a.source)
        added = settle(model, chunks(a.songs))
        checkpoint.save_whole(model.state_dict(), checkpoint.read(a.source)[1], a.target)
    except (OSError, ValueError, SafetensorError) as error:
        raise SystemExit(f"{a.source} was not settled: {error}") from error
    for stem, both in zip(STEMS, added.mean(1).tolist()):
        print(f"{stem}: real {both[0]:+.3f}, imaginary {both[1]:+.3f}, offset {both[2]:+.5f}")


if __name__ == "__main__":
    main()
