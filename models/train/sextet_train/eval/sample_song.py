"""Renders the sample song: samples/six-of-one.flac and its six true stems, 16-bit FLAC.

python samples.py ../../samples
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile

import instruments
from compose import SAMPLE_SEED, STEMS, compose
from render import RATE, render

NAME, SECONDS = "six-of-one", 36.0


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("folder", type=Path)
    ap.add_argument("--seed", type=int, default=SAMPLE_SEED)
    a = ap.parse_args()
    instruments.FONTS, instruments.FONT_ODDS = (
        ("FluidR3Mono_GM.sf3",),
        (1.0,),
    )  # MIT: nothing else sounds in the sample
    song = compose(a.seed, SECONDS, every_stem=True)
    stems = render(song, instruments.play, level_spread_db=1.0)
    fade = np.ones(stems.shape[-1], np.float32)
    fade[-3 * RATE :] = np.linspace(1, 0, 3 * RATE) ** 1.5
    stems = np.round(stems * fade * 32767).astype(
        np.int16
    )  # rounded before summing: the stems sum to the mix exactly
    (a.folder / NAME).mkdir(parents=True, exist_ok=True)
    for name, sound in zip(STEMS, stems):
        soundfile.write(a.folder / NAME / f"{name}.flac", sound.T, RATE, subtype="PCM_16")
    soundfile.write(
        a.folder / f"{NAME}.flac", stems.sum(0, dtype=np.int16).T, RATE, subtype="PCM_16"
    )
    print(song.style, round(song.bpm), [(t.stem, t.part, len(t.notes)) for t in song.tracks])


if __name__ == "__main__":
    main()
