"""Numbers that this code gave when it made the bundled weights, before it became a package.

Whoever changes one on purpose, changes what a seed means, and says so in the diary.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CPU, one_example

from sextet_train.data.augmentation import Shares
from sextet_train.data.examples import examples
from sextet_train.data.pool import Pool
from sextet_train.songs.composer import compose
from sextet_train.train.loss import separation_loss
from sextet_train.train.trainer import Trainer

# Seed, style, tempo, notes, and sums of starts, pitches and velocities, of songs of 12 s.
SONGS = (
    (0, "hiphop", 77.545674, 218, 1279.710318, 11503.0, 150.740368),
    (1, "metal", 174.877123, 273, 2025.673527, 14048.0, 198.374509),
    (76, "pop", 118.935625, 410, 2424.269503, 21852.0, 287.088993),
    (1000, "electro", 133.468432, 443, 2516.542437, 23464.0, 302.210125),
    (10000, "jazz", 153.38046, 387, 2355.6795, 21931.0, 282.432722),
    (1000000, "reggae", 70.282572, 156, 986.270596, 8562.0, 107.44233),
)
# Mean squares by stem, and the sum of the mix's sizes, of three batches of four.
EXAMPLES = (
    ((0.230534, 0.17648, 0.121585, 0.136692, 0.142766, 0.197593), 71081.398),
    ((0.134403, 0.144057, 0.207553, 0.142567, 0.280628, 0.09233), 71345.766),
    ((0.099501, 0.082026, 0.100793, 0.303379, 0.059969, 0.349521), 71876.508),
)
FROZEN = {"frozen": ("crosstransformer",), "lr": 5e-3, "warmup": 3, "floor_end": 0.01}
LOSSES = (
    ({}, (-0.62145585, -0.62492591, -0.63185894, -0.62914354)),
    ({"optimiser": "adamw"}, (-0.62145585, -0.62501162, -0.63198775, -0.62930149)),
    (FROZEN, (-0.62145585, -0.62569696, -0.6347329, -0.63424045)),
)


@pytest.mark.parametrize("expected", SONGS, ids=lambda song: str(song[0]))
def test_a_seed_is_the_same_song(expected: tuple) -> None:
    seed, style, bpm, count, starts, pitches, velocities = expected
    song = compose(seed, 12.0)
    notes = [note for track in song.tracks for note in track.notes]
    assert (song.style, len(notes)) == (style, count)
    sums = [sum(column) for column in zip(*notes)]
    assert [song.bpm, sums[0], sums[2], sums[3]] == pytest.approx(
        [bpm, starts, pitches, velocities], abs=1e-5
    )


def test_examples_are_the_same(tmp_path: Path) -> None:
    pool = Pool(tmp_path, 3, 44100, CPU)
    songs = np.random.default_rng(0).integers(-9000, 9000, (3, 6, 2, 44100))
    for song in songs.astype(np.int16):
        pool.add(torch.from_numpy(song))
    torch.manual_seed(3)
    rng = np.random.default_rng(1)
    for powers, size in EXAMPLES:
        mix, stems = examples(pool, rng, 4, 11025, Shares(0.2))
        assert stems.square().mean((0, 2, 3)).tolist() == pytest.approx(powers, abs=1e-5)
        assert float(mix.abs().sum()) == pytest.approx(size, rel=1e-5)


def test_the_loss_is_the_same() -> None:
    generator = torch.Generator().manual_seed(5)
    stems = torch.randn(2, 6, 2, 4096, generator=generator)
    estimate = stems + 0.3 * torch.randn(2, 6, 2, 4096, generator=generator)
    assert [float(v) for v in separation_loss(estimate, stems)] == pytest.approx(
        [-0.71920222, -0.78510088], rel=1e-5
    )
    floor = torch.tensor(0.03)
    assert [float(v) for v in separation_loss(estimate, stems, floor)] == pytest.approx(
        [-0.91759849, -1.04602432], rel=1e-5
    )


@pytest.mark.parametrize(("changed", "expected"), LOSSES, ids=["muon", "adamw", "frozen"])
def test_a_run_takes_the_same_steps(
    changed: dict, expected: tuple, trainer: Callable[..., Trainer]
) -> None:
    t = trainer(**changed)
    losses = [float(t.one_step(*one_example(i))) for i in range(4)]
    assert losses == pytest.approx(expected, abs=2e-5)
