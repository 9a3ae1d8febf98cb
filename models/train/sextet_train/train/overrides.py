"""Changes to a run while it runs: OUT/overrides.json.

The file holds a JSON object with `seconds` (a new length of the whole run) or `lr` (a new peak of
the learning rate), or both. The run reads it every few steps. `override` writes it whole, so that
a run never sees half of it; a file that cannot be used is reported once and changes nothing.
"""

import argparse
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

FILE_NAME = "overrides.json"
NAMES = ("seconds", "lr")


def parse(text: str) -> dict[str, float]:
    """The overrides of a file's text. ValueError says what is wrong with it."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected JSON, found {text[:40]!r}") from error
    if not isinstance(values, dict) or not set(values) <= set(NAMES):
        raise ValueError(f"expected an object with {' or '.join(NAMES)}, found {text[:80]!r}")
    for name, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value <= 0:
            raise ValueError(f"{name}: expected a number above 0, found {value!r}")
    return {name: float(value) for name, value in values.items()}


class Overrides:
    """Reads the overrides of a run's folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.rejected: str | None = None

    def read(self) -> tuple[dict[str, float], str | None]:
        """The values in force, and a complaint if the file is newly unusable."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return {}, None
        try:
            return parse(text), None
        except ValueError as error:
            complaint = None if text == self.rejected else f"{self.path} is ignored: {error}"
            self.rejected = text
            return {}, complaint


def write(folder: Path, values: dict[str, float]) -> None:
    """Writes the overrides of a run's folder whole. ValueError if a run would refuse them."""
    text = json.dumps(values)
    parse(text)
    part = folder / f"{FILE_NAME}.{os.getpid()}.part"
    part.write_text(text + "\n")
    part.replace(folder / FILE_NAME)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `override`."""
    parser = argparse.ArgumentParser(
        prog="python -m sextet_train override", description="Changes a run while it runs."
    )
    parser.add_argument("out", type=Path, help="the run's folder")
    parser.add_argument("--seconds", type=float, help="new length of the whole run")
    parser.add_argument("--lr", type=float, help="new peak of the learning rate")
    args = parser.parse_args(arguments)
    values = {name: getattr(args, name) for name in NAMES if getattr(args, name) is not None}
    try:
        write(args.out, values)
    except (OSError, ValueError) as error:
        parser.error(str(error))
