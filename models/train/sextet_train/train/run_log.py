"""The run's log: one JSON object a line, to OUT/log.jsonl and to standard output."""

import json
from pathlib import Path
from typing import Any


class RunLog:
    """Appends to the log; does nothing in processes that do not log."""

    def __init__(self, folder: Path, enabled: bool) -> None:
        self.path = folder / "log.jsonl"
        self.enabled = enabled

    def write(self, **values: Any) -> None:
        """Adds one line."""
        if not self.enabled:
            return
        line = json.dumps(values)
        print(line, flush=True)
        with open(self.path, "a") as file:
            file.write(line + "\n")
