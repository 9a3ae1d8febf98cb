"""How well a model separates songs it has never heard.

  python -m sextet_train evaluate render SET --palette training|heldout --songs 24
  python -m sextet_train evaluate score MODEL.safetensors SET [--json OUT.json]
  python -m sextet_train evaluate score MODEL.safetensors ../../samples/six-of-one
  python -m sextet_train evaluate compare A.safetensors B.safetensors SET [--songs 3]

A set is a folder of rendered songs, or of one song's six true stems in FLAC. `compare` says what B
changes against A.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from sextet_train.eval.compare import compare
from sextet_train.eval.evaluation_set import PALETTES, render_set
from sextet_train.eval.score import score, table
from sextet_train.model import htdemucs, model_file


def command_line() -> argparse.ArgumentParser:
    """The options of the three commands."""
    parser = argparse.ArgumentParser(
        prog="python -m sextet_train evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    render = commands.add_parser("render")
    render.add_argument("folder", type=Path)
    render.add_argument("--palette", choices=tuple(PALETTES), required=True)
    render.add_argument("--songs", type=int, default=24)
    scored = commands.add_parser("score")
    scored.add_argument("model", type=Path)
    scored.add_argument("folder", type=Path)
    scored.add_argument("--json", type=Path)
    compared = commands.add_parser("compare")
    compared.add_argument("models", type=Path, nargs=2)
    compared.add_argument("folder", type=Path)
    compared.add_argument("--songs", type=int, default=3)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `evaluate`."""
    args = command_line().parse_args(arguments)
    if args.command == "render":
        render_set(args.folder, args.palette, args.songs)
        return
    device = htdemucs.preferred_device()
    if args.command == "compare":
        models = [model_file.load(path).to(device) for path in args.models]
        compare(models, args.folder, device, args.songs)
        return
    rows = score(model_file.load(args.model).to(device), args.folder, device)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    print(table(rows))
