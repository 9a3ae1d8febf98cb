"""Renders songs without end, one process a core, into a folder that the trainer empties.

  python farm.py POOL --workers 28 --first-seed 1000000

A song is one file, `SEED.npy`, int16 [6, 2, frames] at 44.1 kHz; it appears whole by renaming. The farm pauses while
more than --backlog songs wait. Validation songs (--valid N) are rendered once, at their own seeds, into POOL/valid.
"""

import argparse
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np

from compose import TRAIN_SEEDS, VALID_SEEDS, compose


def write_song(folder, seed, seconds):
    import instruments
    from render import render

    stems = render(compose(seed, seconds), instruments.play, level_spread_db=3.0)
    stems = np.round(np.clip(stems, -1, 1) * 32767).astype(np.int16)
    beside = folder / f"{seed}.part"
    with open(beside, "wb") as file:
        np.save(file, stems)
    beside.rename(folder / f"{seed}.npy")


def work(folder, valid, seeds, seconds, backlog, parent):
    """One training song first, so that a trainer can start; then this worker's validation songs; then songs without end
    or until the process that started the farm is gone."""
    os.nice(5)
    for i, seed in enumerate(seeds):
        if os.getppid() != parent:
            return
        while sum(1 for name in os.listdir(folder) if name.endswith(".npy")) > backlog:
            time.sleep(0.2)
        try:
            write_song(folder, seed, seconds)
        except Exception as error:  # one bad song must not end a farm that runs for half an hour
            print(f"seed {seed}: {type(error).__name__}: {error}", flush=True)
        for target in valid if i == 0 else ():
            if os.getppid() == parent:
                write_song(folder / "valid", target, seconds)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("pool", type=Path)
    ap.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    ap.add_argument("--first-seed", type=int, default=TRAIN_SEEDS)
    ap.add_argument("--seconds", type=float, default=24.0)
    ap.add_argument("--backlog", type=int, default=200)
    ap.add_argument("--valid", type=int, default=0)
    ap.add_argument("--songs", type=int, default=10**7, help="stop after this many, for checks")
    a = ap.parse_args()
    if a.workers < 1:
        ap.error(f"--workers must be at least 1, not {a.workers}")
    (a.pool / "valid").mkdir(parents=True, exist_ok=True)
    last = a.first_seed + a.songs
    workers = []
    for w in range(a.workers):
        valid = [VALID_SEEDS + i for i in range(w, a.valid, a.workers)]
        seeds = range(a.first_seed + w, last, a.workers)
        workers.append(multiprocessing.Process(target=work, args=(a.pool, valid, seeds, a.seconds, a.backlog, os.getpid())))
        workers[-1].start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
