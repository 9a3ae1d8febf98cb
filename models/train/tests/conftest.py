"""Settings of all tests, and what several of them share."""

import ctypes
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TRITON_INTERPRET", "1")  # before Triton's kernels are made

import pytest
import torch

from sextet_train.train.config import TrainConfig
from sextet_train.train.process import Process
from sextet_train.train.trainer import Trainer

CPU = torch.device("cpu")


def missing_programs() -> str | None:
    """What rendering needs and this machine lacks."""
    try:
        ctypes.CDLL("libfluidsynth.so.3")
    except OSError:
        return "libfluidsynth.so.3"
    program = shlex.split(os.environ.get("ESPEAK", "espeak-ng"))[0]
    return None if shutil.which(program) else program


@pytest.fixture
def instruments() -> None:
    """Skips a test that renders where the instruments are not installed (README.md, "Set up")."""
    if missing := missing_programs():
        pytest.skip(f"{missing} is not installed")


def small_config(out: Path, **changed: Any) -> TrainConfig:
    """A run of a small model on the CPU."""
    options: dict[str, Any] = {
        "pool": out,
        "out": out,
        "channels": 16,
        "t_layers": 1,
        "hold": 0.5,
        "seconds": 100.0,
        "warmup": 1,
        "ema": 0.99,
        "batch": 1,
        "floor_end": 0.1,
    }
    return TrainConfig(**options | changed)


@pytest.fixture
def trainer(tmp_path: Path) -> Callable[..., Trainer]:
    """Makes trainers of small models, which share a folder."""

    def make(**changed: Any) -> Trainer:
        return Trainer(small_config(tmp_path, **changed), Process(0, 1, CPU))

    return make


def one_example(seed: int, frames: int = 4096) -> tuple[torch.Tensor, torch.Tensor]:
    """A mix [1, 2, frames] of unit level and its stems [1, 6, 2, frames], noise."""
    generator = torch.Generator().manual_seed(seed)
    levels = torch.tensor([1.0, 0.5, 0.3, 0.7, 0.4, 0.2]).view(1, 6, 1, 1)
    stems = torch.randn(1, 6, 2, frames, generator=generator) * levels
    stems /= stems.sum(1).std()
    return stems.sum(1), stems
