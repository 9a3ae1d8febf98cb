"""How a checkpoint was made: configuration, seed, source commit, frozen tensors, parent.

Every last.pt holds the record, and every exported model file a summary in its metadata's entry
`training`. The parent is the file that the run began from, with its checksum and its own record, so
that the record of a model trained in parts tells of all parts.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sextet_train.model import model_file
from sextet_train.train.config import TrainConfig, option

COMMIT_VARIABLE = "SEXTET_COMMIT"  # set by the bundle for machines without the repository
FIXED = ("frozen", "optimiser", "channels", "t_layers")  # options that a resumed run must share


def source_commit() -> str | None:
    """The commit of this source, "-dirty" added if files of the training differ from it; None if
    it cannot be told."""
    folder = Path(__file__).resolve().parents[2]
    git = ["git", "-C", str(folder)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
        if head.returncode != 0:
            return os.environ.get(COMMIT_VARIABLE)
        changes = subprocess.run([*git, "status", "--porcelain", "."], capture_output=True)
    except OSError:  # no git
        return os.environ.get(COMMIT_VARIABLE)
    return head.stdout.strip() + ("-dirty" if changes.stdout.strip() else "")


def parent_of(path: Path, record: dict[str, Any] | None) -> dict[str, Any]:
    """The identity of the file that a run begins from, and how that was made."""
    return {"file": path.name, "sha256": model_file.sha256(path), "record": record}


def new_record(
    config: TrainConfig, frozen: Sequence[str], parent: dict[str, Any] | None, world: int
) -> dict[str, Any]:
    """The record of a run that begins; values that JSON has only."""
    return {
        "config": config.as_dict(),
        "seed": config.seed,
        "processes": world,
        "commit": source_commit(),
        "frozen": list(frozen),
        "parent": parent,
    }


def require_same_run(record: dict[str, Any] | None, config: TrainConfig, path: Path) -> None:
    """ValueError unless a run with this configuration can continue from the checkpoint."""
    if record is None:
        raise ValueError(
            f"{path} does not say how it was made (expected the entry 'record'); an earlier "
            "version wrote it. Begin a new run from its average: --init OUT/mini.safetensors"
        )
    before, now = record["config"], config.as_dict()
    for name in FIXED:
        if before[name] != now[name]:
            raise ValueError(
                f"--resume from {path}: expected {option(name)} {spelled(before[name])} as in the "
                f"run that wrote it, found {spelled(now[name])}; use the same, or begin a new run "
                "with --init OUT/mini.safetensors"
            )


def spelled(value: Any) -> str:
    """A configuration's value as the command line has it."""
    if isinstance(value, list):
        return " ".join(value) if value else "(none)"
    return str(value)
