"""Songs with known stems that a model has never heard.

python -m sextet_train evaluate render SET --palette training|heldout --songs 24
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from sextet_train import pcm
from sextet_train.songs.composer import compose
from sextet_train.songs.renderer import Player, render
from sextet_train.songs.seeds import EVAL_SEEDS, HELDOUT_EVAL_SEEDS
from sextet_train.stems import STEMS

SECONDS = 30.0
PaletteName = Literal["training", "heldout"]


class Palette(NamedTuple):
    """Who plays: a module, the first seed, and what keeps its random numbers apart."""

    module: str
    first_seed: int
    salt: int

    def player(self) -> Player:
        """Its function `play`. The module is imported only now: each needs other programs."""
        return importlib.import_module(self.module).play


PALETTES: dict[PaletteName, Palette] = {
    "training": Palette("sextet_train.songs.training_players", EVAL_SEEDS, 7),
    "heldout": Palette("sextet_train.songs.heldout_players", HELDOUT_EVAL_SEEDS, 8),
}


def render_set(folder: Path, palette_name: PaletteName, songs: int) -> None:
    """Renders the songs of a set that are not there yet, SEED.npy, int16 [6, 2, frames]."""
    palette = PALETTES[palette_name]
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(palette.first_seed, palette.first_seed + songs):
        path = folder / f"{seed}.npy"
        if not path.exists():
            stems = render(compose(seed, SECONDS), palette.player(), palette.salt)
            np.save(path, pcm.to_int16(stems))
            print(seed, flush=True)


def songs_of(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """(name, stems [6, 2, frames] float32) of a rendered set, or of one folder of six FLAC files of
    16 bits."""
    for path in sorted(folder.glob("*.npy")):
        yield path.stem, pcm.to_float(torch.from_numpy(np.load(path)))
    if (folder / "drums.flac").exists():
        import soundfile  # not needed where songs are arrays

        stems = [soundfile.read(folder / f"{s}.flac", dtype="int16")[0].T for s in STEMS]
        yield folder.name, pcm.to_float(torch.from_numpy(np.stack(stems)))
