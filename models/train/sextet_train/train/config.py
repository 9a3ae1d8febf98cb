"""Everything that a training run can be told, as one typed value.

The command line is made from the fields: an option has its field's name, type and default.
"""

import argparse
import dataclasses
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sextet_train.model.htdemucs import SEGMENT
from sextet_train.train.loss import DEFAULT_FLOOR

OptimiserName = Literal["muon", "adamw"]


def described(text: str, default: Any = dataclasses.MISSING) -> Any:
    """A field with the help text of its option. Without a default it is a positional argument."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class TrainConfig:
    """One training run. Shares are of the run's time, from 0 to 1."""

    pool: Path = described("folder that the generator fills")
    out: Path = described("folder of checkpoints and logs")
    seconds: float = described("length of the run, counted by the clock", 1200.0)
    max_steps: int = described("steps after which the run ends early", 10**9)
    batch: int = described("examples a step and GPU", 8)
    crop_s: float = described("seconds of an example", float(SEGMENT))
    song_s: float = described("seconds of a stored song", 24.0)
    capacity: int = described("songs held by a GPU, 25 MB each", 2400)
    min_songs: int = described("songs to wait for before the first step", 200)
    patience: float = described("seconds to wait for --min-songs", 120.0)
    sparse: float = described("share of examples with one to three stems only", 0.08)
    trio: float = described("share of examples with guitar, piano and other only", 0.0)
    channels: int = described("channels of the first layer", 24)
    t_layers: int = described("layers of the transformer", 3)
    optimiser: OptimiserName = described("optimiser of matrices and kernels", "muon")
    lr: float = described("peak learning rate", 1e-3)
    hold: float = described("share before the learning rate falls", 0.3)
    floor: float = described("floor of the loss over the mix's power", DEFAULT_FLOOR)
    floor_end: float = described("floor at the end", 0.01)
    floor_hold: float = described("share before the floor falls", 0.5)
    decay: float = described("weight decay a step in learning rates; only Muon's, if used", 0.02)
    warmup: int = described("steps over which the learning rate rises", 500)
    ema: float = described("share that the average of the weights keeps at a step", 0.998)
    log_every: float = described("seconds between lines of the log", 15.0)
    validate_every: float = described("seconds between validations", 30.0)
    save_every: float = described("seconds between checkpoints", 60.0)
    seed: int = described("seed of initial weights and of examples", 1)
    init: Path | None = described("model file to start from", None)
    frozen: tuple[str, ...] = described("prefixes of parameters that stay as they are", ())
    resume: bool = described("continue from OUT/last.pt, if there is one", False)

    def __post_init__(self) -> None:
        """ValueError for a value that no run can have."""
        for name in ("seconds", "batch", "crop_s", "capacity", "lr", "floor", "floor_end"):
            self._require(name, getattr(self, name) > 0, "more than 0")
        for name in ("hold", "floor_hold", "sparse", "trio", "ema"):
            self._require(name, 0 <= getattr(self, name) <= 1, "0 to 1")
        self._require("trio", self.sparse + self.trio <= 1, "at most what --sparse leaves of 1")
        self._require("warmup", self.warmup >= 1, "1 or more")
        self._require("song_s", self.song_s >= self.crop_s, f"--crop-s ({self.crop_s:g}) or more")
        self._require("optimiser", self.optimiser in typing.get_args(OptimiserName), "muon, adamw")

    def _require(self, name: str, valid: bool, expected: str) -> None:
        if not valid:
            found = getattr(self, name)
            raise ValueError(f"{option(name)}: expected {expected}, found {found}")

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON has them: paths as text, tuples as lists."""
        return {f.name: plain_value(getattr(self, f.name)) for f in dataclasses.fields(TrainConfig)}


def plain_value(value: Any) -> Any:
    """A field's value as JSON has it."""
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def option(name: str) -> str:
    """The command line's spelling of a field's name."""
    return "--" + name.replace("_", "-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one argument for every field of TrainConfig."""
    types = typing.get_type_hints(TrainConfig)
    for f in dataclasses.fields(TrainConfig):
        help_text = f.metadata["help"].replace("%", "%%")
        if f.default is dataclasses.MISSING:
            parser.add_argument(f.name, type=types[f.name], help=help_text)
        else:
            parser.add_argument(
                option(f.name), default=f.default, help=help_text, **reading(types[f.name])
            )


def reading(kind: Any) -> dict[str, Any]:
    """How argparse reads a value of a field's type."""
    if kind is bool:
        return {"action": "store_true"}
    if typing.get_origin(kind) is Literal:
        return {"choices": typing.get_args(kind)}
    if typing.get_origin(kind) is tuple:
        return {"nargs": "*", "type": typing.get_args(kind)[0], "metavar": "PREFIX"}
    alternatives = [t for t in typing.get_args(kind) if t is not type(None)]
    return {"type": alternatives[0] if alternatives else kind}


def parse(
    arguments: Sequence[str] | None = None, parser: argparse.ArgumentParser | None = None
) -> TrainConfig:
    """The configuration that a command line asks for; exits with argparse's message otherwise."""
    parser = parser or argparse.ArgumentParser()
    add_arguments(parser)
    values = vars(parser.parse_args(arguments))
    values["frozen"] = tuple(values["frozen"])
    try:
        return TrainConfig(**values)
    except ValueError as error:
        parser.error(str(error))
