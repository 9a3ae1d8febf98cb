"""The model's file: HTDemucs in demucs' own safetensors layout, which demucs and Sextet both read.

The metadata hold demucs' `klass`, `args` and `kwargs`, and, for models of this package's training,
`training`: a JSON object that says how the model was made (train/record.py). Readers of the layout
ignore entries that they do not know.
"""

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from demucs.htdemucs import HTDemucs
from safetensors import safe_open

KLASS = "demucs.htdemucs.HTDemucs"


@dataclass(frozen=True)
class ModelFile:
    """A file's contents: tensors by name, HTDemucs' keyword arguments, how it was trained."""

    tensors: dict[str, torch.Tensor]
    arguments: dict[str, Any]
    training: dict[str, Any] | None = None


def encode(value: Any) -> Any:
    """An argument as demucs writes it in JSON."""
    if isinstance(value, Fraction):
        return {
            "_type": "fraction",
            "numerator": value.numerator,
            "denominator": value.denominator,
        }
    return value


def decode(value: Any) -> Any:
    """The inverse of `encode`."""
    if isinstance(value, dict) and value.get("_type") == "fraction":
        return Fraction(value["numerator"], value["denominator"])
    return value


def metadata_of(file: ModelFile) -> dict[str, str]:
    """The metadata entries of a file."""
    entries = {
        "klass": KLASS,
        "args": json.dumps([]),
        "kwargs": json.dumps({k: encode(v) for k, v in file.arguments.items()}),
    }
    if file.training is not None:
        entries["training"] = json.dumps(file.training, sort_keys=True)
    return entries


def write(file: ModelFile, path: Path) -> None:
    """Writes the model, floating-point tensors as float16."""
    tensors = {
        name: (t.half() if t.is_floating_point() else t).contiguous().cpu()
        for name, t in file.tensors.items()
    }
    path.write_bytes(ordered(safetensors.torch.save(tensors, metadata_of(file))))


def ordered(content: bytes) -> bytes:
    """A safetensors file whose header is sorted by key.

    The library writes the metadata in an order that changes from run to run, and with it the
    checksum. The header is padded with spaces to a multiple of eight bytes, as the format asks.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    entries = json.loads(content[8:start])
    header = json.dumps(entries, sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[start:]


def write_whole(file: ModelFile, target: Path) -> None:
    """As `write`, but `target` changes only when all went well, and nothing stays beside it."""
    part = target.with_name(target.name + ".part")
    try:
        write(file, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path) -> ModelFile:
    """A file's contents, tensors as stored."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        arguments = {k: decode(v) for k, v in json.loads(metadata["kwargs"]).items()}
        training = json.loads(metadata["training"]) if "training" in metadata else None
        names = list(file.keys())
        return ModelFile({k: file.get_tensor(k) for k in names}, arguments, training)


def load(path: Path) -> HTDemucs:
    """The model of a file, float32, in evaluation mode."""
    file = read(path)
    model = HTDemucs(**file.arguments)
    model.load_state_dict({k: v.float() for k, v in file.tensors.items()})
    return model.eval()


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
