"""Renders songs without end, one process a core, into a folder that the training empties.

  python -m sextet_train generate POOL --workers 28 --first-seed 1000000

A song is one file, SEED.npy, int16 [6, 2, frames] at 44.1 kHz (pcm.py has the scale); it appears
whole by renaming. The generator pauses while more than --backlog songs wait. Validation songs
(--valid N) are rendered once, at their own seeds, into POOL/valid.
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sextet_train import pcm
from sextet_train.songs.composer import compose
from sextet_train.songs.seeds import TRAIN_SEEDS, VALID_SEEDS

LEVEL_SPREAD_DB = 3.0
BACKLOG_POLL_S = 0.2
NICENESS = 5


@dataclass(frozen=True)
class WorkerTask:
    """What one worker renders: its training songs, and validation songs after the first of them."""

    folder: Path
    seeds: range
    valid_seeds: range
    seconds: float
    backlog: int
    parent: int  # process that started the generator

    @property
    def is_orphaned(self) -> bool:
        """Whether the process that started the generator is gone."""
        return os.getppid() != self.parent


def write_song(folder: Path, seed: int, seconds: float) -> None:
    """Renders the song of a seed to FOLDER/SEED.npy, which appears whole."""
    from sextet_train.songs import training_players  # loads soundfonts: in workers only
    from sextet_train.songs.renderer import render

    stems = render(compose(seed, seconds), training_players.play, level_spread_db=LEVEL_SPREAD_DB)
    part = folder / f"{seed}.part"
    with open(part, "wb") as file:
        np.save(file, pcm.to_int16(stems))
    part.rename(folder / f"{seed}.npy")


def waiting_songs(folder: Path) -> int:
    """How many songs have not been taken yet."""
    return sum(1 for name in os.listdir(folder) if name.endswith(".npy"))


def work(task: WorkerTask) -> None:
    """One training song first, so that a training can start; then this worker's validation songs;
    then songs without end or until the process that started the generator is gone."""
    os.nice(NICENESS)
    for i, seed in enumerate(task.seeds):
        if task.is_orphaned:
            return
        while waiting_songs(task.folder) > task.backlog:
            time.sleep(BACKLOG_POLL_S)
            if task.is_orphaned:
                return
        try:
            write_song(task.folder, seed, task.seconds)
        except Exception as error:  # one bad song must not end a generator that runs for hours
            print(f"seed {seed}: {type(error).__name__}: {error}", flush=True)
        for target in task.valid_seeds if i == 0 else ():
            if not task.is_orphaned:
                write_song(task.folder / "valid", target, task.seconds)


def tasks(args: argparse.Namespace) -> list[WorkerTask]:
    """Deals seeds to the workers in turn."""
    last, last_valid = args.first_seed + args.songs, VALID_SEEDS + args.valid
    return [
        WorkerTask(
            folder=args.pool,
            seeds=range(args.first_seed + worker, last, args.workers),
            valid_seeds=range(VALID_SEEDS + worker, last_valid, args.workers),
            seconds=args.seconds,
            backlog=args.backlog,
            parent=os.getpid(),
        )
        for worker in range(args.workers)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `generate`."""
    parser = argparse.ArgumentParser(
        prog="python -m sextet_train generate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pool", type=Path)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--first-seed", type=int, default=TRAIN_SEEDS)
    parser.add_argument("--seconds", type=float, default=24.0)
    parser.add_argument("--backlog", type=int, default=200)
    parser.add_argument("--valid", type=int, default=0)
    parser.add_argument("--songs", type=int, default=10**7, help="stop after this many, for checks")
    args = parser.parse_args(arguments)
    if args.workers < 1:
        parser.error(f"--workers: expected 1 or more, found {args.workers}")

    (args.pool / "valid").mkdir(parents=True, exist_ok=True)
    workers = [multiprocessing.Process(target=work, args=(task,)) for task in tasks(args)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
