"""Fills torch.compile's cache beside a training run, and tells the run to switch when that pays.

  python precompile.py OUT --batch 16

Times eager and compiled steps in the same conditions; when compiled ones take less than 0.85 of the time it creates
OUT/compile, at which `train.py --compile later` compiles in place, now from the cache.
"""

import argparse
import time
from pathlib import Path
from types import SimpleNamespace

import torch

import checkpoint
import train


def step_s(trainer, mix, stems, steps):
    trainer.one_step(mix, stems)
    torch.cuda.synchronize()
    begun = time.monotonic()
    for _ in range(steps):
        trainer.one_step(mix, stems)
    torch.cuda.synchronize()
    return (time.monotonic() - begun) / steps


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", type=Path)
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--channels", type=int, default=24)
    ap.add_argument("--t-layers", type=int, default=3)
    a = ap.parse_args()
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    trainer = train.Trainer(SimpleNamespace(
        seed=1, channels=a.channels, t_layers=a.t_layers, lr=1e-3, decay=0.0, init=None, resume=False, compile="no",
        out=a.out, seconds=100.0, warmup=300, spectral=0.5, ema=0.99,
    ))  # fmt: skip
    mix = torch.randn(a.batch, 2, checkpoint.SEGMENT_FRAMES, device=trainer.device)
    stems = torch.randn(a.batch, 6, *mix.shape[1:], device=trainer.device)
    eager = step_s(trainer, mix, stems, 8)
    begun = time.monotonic()
    trainer.compile()
    trainer.one_step(mix, stems)
    took = time.monotonic() - begun
    compiled = step_s(trainer, mix, stems, 8)
    print(f"eager {eager * 1e3:.0f} ms, compiled {compiled * 1e3:.0f} ms a step, compiling took {took:.0f} s", flush=True)
    if compiled < 0.85 * eager:
        (a.out / "compile").touch()


if __name__ == "__main__":
    main()
