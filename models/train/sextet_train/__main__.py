"""The commands: `python -m sextet_train COMMAND`, each with --help."""

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple


class Command(NamedTuple):
    """The module whose `main` runs, and what it does."""

    module: str
    summary: str


COMMANDS = {
    "generate": Command("songs.generator", "render songs into a pool"),
    "train": Command("train.loop", "train on a pool, on any number of GPUs"),
    "override": Command("train.overrides", "change length or learning rate of a run"),
    "round": Command("model.rounding", "round weights so that the file deflates to less"),
    "calibrate-biases": Command("eval.calibrate_biases", "take constants out of the stems"),
    "evaluate": Command("eval.evaluate", "render evaluation sets, score and compare models"),
    "plot": Command("eval.plot", "draw spectrograms of a separation"),
    "sample-song": Command("eval.sample_song", "render the sample song"),
    "step-time": Command("eval.step_time", "time a training step"),
}


def usage() -> str:
    """The list of commands."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(["usage: python -m sextet_train COMMAND ...", "", *lines])


def main(arguments: Sequence[str]) -> None:
    """Runs a command. Its module is imported only now: rendering needs no PyTorch, for instance."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return
    name, *rest = arguments
    if name not in COMMANDS:
        raise SystemExit(f"expected a command, found {name!r}\n\n{usage()}")
    importlib.import_module(f"sextet_train.{COMMANDS[name].module}").main(rest)


if __name__ == "__main__":
    main(sys.argv[1:])
