"""Renders the sample song: samples/six-of-one.flac and its six true stems, 16-bit FLAC.

python -m sextet_train sample-song ../../samples
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from sextet_train import pcm
from sextet_train.songs import training_players
from sextet_train.songs.composer import compose
from sextet_train.songs.renderer import render
from sextet_train.songs.seeds import SAMPLE_SEED
from sextet_train.stems import RATE_HZ, STEMS

NAME, SECONDS, FADE_S = "six-of-one", 36.0, 3


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `sample-song`."""
    parser = argparse.ArgumentParser(
        prog="python -m sextet_train sample-song",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=SAMPLE_SEED)
    args = parser.parse_args(arguments)

    # FluidR3 is MIT-licensed: nothing else sounds in the sample.
    training_players.FONTS, training_players.FONT_ODDS = ("FluidR3Mono_GM.sf3",), (1.0,)
    song = compose(args.seed, SECONDS, every_stem=True)
    stems = render(song, training_players.play, level_spread_db=1.0)
    fade = np.ones(stems.shape[-1], np.float32)
    fade[-FADE_S * RATE_HZ :] = np.linspace(1, 0, FADE_S * RATE_HZ) ** 1.5
    stems = pcm.to_int16(stems * fade)  # rounded before summing: the stems sum to the mix exactly

    (args.folder / NAME).mkdir(parents=True, exist_ok=True)
    for name, sound in zip(STEMS, stems):
        path = args.folder / NAME / f"{name}.flac"
        soundfile.write(path, sound.T, RATE_HZ, subtype="PCM_16")
    mix = stems.sum(0, dtype=np.int16)
    soundfile.write(args.folder / f"{NAME}.flac", mix.T, RATE_HZ, subtype="PCM_16")
    print(song.style, round(song.bpm), [(t.stem, t.part, len(t.notes)) for t in song.tracks])
