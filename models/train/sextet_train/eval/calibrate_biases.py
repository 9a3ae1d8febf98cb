"""Takes constants out of a trained model's stems that float32 has and bfloat16 had not in training.

  python -m sextet_train generate SONGS --first-seed 4100000 --songs 24
  python -m sextet_train calibrate-biases MODEL.safetensors SONGS OUT.safetensors

The highest bin of a spectrum may hold about the same number in every frame, whatever the song: a
tone at 22,050 Hz, which no ear hears and every SDR does. Training does not see it (DIARY.md, "What
was seen"). It and offsets are moved by the biases of the two last layers, on which the stems depend
linearly, the tone because a spectrum that is the same in every bin sums to one: HTDemucs leaves out
the bin at 22,050 Hz itself. Their best values for some songs are a least-squares problem.
"""

import argparse
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demucs.htdemucs import HTDemucs
from safetensors import SafetensorError

from sextet_train import pcm
from sextet_train.model import model_file
from sextet_train.model.htdemucs import SEGMENT_FRAMES
from sextet_train.stems import STEMS
from sextet_train.train.loss import DEFAULT_FLOOR

AUDIBLE = 1e-3  # deviation of a mix


def responses(model: HTDemucs) -> torch.Tensor:
    """What one unit of a last layer's bias sounds like [3, SEGMENT_FRAMES]: real and imaginary part
    in every bin of a spectrum of deviation one, and an offset."""
    every_bin = torch.ones_like(model._spec(torch.zeros(1, 1, SEGMENT_FRAMES)))
    real, imaginary = (model._ispec(every_bin * unit, SEGMENT_FRAMES).flatten() for unit in (1, 1j))
    return torch.stack([real, imaginary, torch.ones(SEGMENT_FRAMES)])


def chunks(folder: Path) -> Iterator[torch.Tensor]:
    """Stems [6, 2, SEGMENT_FRAMES] whose mix has unit deviation, of a generator's songs."""
    for path in sorted(folder.glob("*.npy")):
        stems = pcm.to_float(torch.from_numpy(np.load(path)))
        for chunk in stems.split(SEGMENT_FRAMES, -1):
            deviation = chunk.sum(0).std()
            if chunk.shape[-1] == SEGMENT_FRAMES and deviation > AUDIBLE:
                yield chunk / deviation


@torch.no_grad()
def corrections(model: HTDemucs, examples: Iterable[torch.Tensor]) -> torch.Tensor:
    """What to add to the biases of the last layers [stems, channels, 3]: real, imaginary and
    offset, in deviations of spectrum and signal.

    `examples` are stems as `chunks` gives them. Squared errors are weighed as the training loss
    weighs those of a stem in a chunk. ValueError without examples.
    """
    units, count = responses(model), 0
    products = torch.zeros(len(STEMS), 1, 3, 3, dtype=torch.float64)
    errors = torch.zeros(len(STEMS), 2, 3, dtype=torch.float64)
    for count, stems in enumerate(examples, 1):  # noqa: B007
        mix = stems.sum(0, keepdim=True)
        error = model(mix)[0] - stems
        spectrum, sound = model._magnitude(model._spec(mix)).std(), mix.std()
        heard = (units * torch.stack([spectrum, spectrum, sound])[:, None]).double()
        weight = 1 / (error.square().mean((1, 2)).double() + DEFAULT_FLOOR)[:, None, None]
        products += weight[..., None] * (heard @ heard.T)
        errors += weight * (error.double() @ heard.T)
    if not count:
        raise ValueError(
            f"no songs of {SEGMENT_FRAMES} frames or more that are not silent; "
            "`python -m sextet_train generate` makes some"
        )
    return -torch.linalg.solve(products, errors[..., None])[..., 0].float()


@torch.no_grad()
def calibrate(model: HTDemucs, examples: Iterable[torch.Tensor]) -> torch.Tensor:
    """Changes the model's biases; gives back what was added, and raises as `corrections`."""
    added = corrections(model, examples)
    last: Any = model.decoder[-1]
    last_of_time: Any = model.tdecoder[-1]
    last.conv_tr.bias += added[..., :2].flatten()
    last_of_time.conv_tr.bias += added[..., 2].flatten()
    return added


def calibrate_file(source: Path, songs: Path, target: Path) -> torch.Tensor:
    """Writes the calibrated model of `source` to `target`; gives back what `calibrate` does."""
    model = model_file.load(source)
    added = calibrate(model, chunks(songs))
    file = model_file.read(source)
    training = file.training and file.training | {"biases_calibrated": True}
    calibrated = dataclasses.replace(file, tensors=model.state_dict(), training=training)
    model_file.write_whole(calibrated, target)
    return added


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `calibrate-biases`."""
    parser = argparse.ArgumentParser(
        prog="python -m sextet_train calibrate-biases",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("songs", type=Path)
    parser.add_argument("target", type=Path)
    args = parser.parse_args(arguments)
    try:
        added = calibrate_file(args.source, args.songs, args.target)
    except (OSError, ValueError, SafetensorError) as error:
        raise SystemExit(f"{args.source} was not calibrated: {error}") from error
    for stem, (real, imaginary, offset) in zip(STEMS, added.mean(1).tolist()):
        print(f"{stem}: real {real:+.3f}, imaginary {imaginary:+.3f}, offset {offset:+.5f}")
