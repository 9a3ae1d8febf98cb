"""Rounds weights so that the model's file deflates to less.

  python -m sextet_train round MODEL.safetensors OUT.safetensors [--bits 6] [--transformer-bits 3]

Biases, norms, scales and whatever has fewer than LARGE values stay as they are: together they are a
twelfth of the file, and the stems depend on the small kernels near input and output far more than
on the rest; least on the transformer.
"""

import argparse
import dataclasses
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError

from sextet_train.model import model_file

MANTISSA_BITS = 10  # that float16 stores
BUNDLED_BITS = (6, 3)  # kept by the bundled model: in kernels, in the transformer's matrices
LARGE = 1 << 15  # values of a tensor that is worth rounding
LARGEST_FINITE = 0x7BFF  # float16's bit pattern


def rounded(tensor: torch.Tensor, bits: int) -> torch.Tensor:
    """A floating-point tensor as float16 of which only the first `bits` of ten mantissa bits are
    not zero.

    To nearest, ties to even, by adding to the bit pattern: a carry goes on into the exponent, and
    subnormals, whose patterns are evenly spaced, are rounded to the spacing of the smallest
    normals. What would become infinite becomes the largest finite value instead. ValueError if
    `bits` is not 0 to 10 or a value is not finite in float16.
    """
    if not 0 <= bits <= MANTISSA_BITS:
        raise ValueError(f"mantissa bits to keep: expected 0 to {MANTISSA_BITS}, found {bits}")
    half = tensor.detach().cpu().half().contiguous().numpy()
    pattern = half.view(np.uint16).astype(np.uint32)
    sign, size, drop = pattern & 0x8000, pattern & 0x7FFF, MANTISSA_BITS - bits
    if (size > LARGEST_FINITE).any():
        raise ValueError("a weight is infinite or not a number in float16: nothing to round")

    if drop > 0:
        keep = 0x7FFF ^ ((1 << drop) - 1)
        size = (size + (1 << (drop - 1)) - 1 + (size >> drop & 1)) & keep
        size = np.minimum(size, LARGEST_FINITE & keep)
    return torch.from_numpy((sign | size).astype(np.uint16).view(np.float16))


def rounded_model(file: model_file.ModelFile, bits: tuple[int, int]) -> model_file.ModelFile:
    """The model with large tensors rounded to `bits` (of kernels, of the transformer's matrices),
    the others in float16. ValueError as in `rounded`."""

    def stored(name: str, tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_floating_point():
            return tensor
        large = tensor.dim() > 1 and tensor.numel() >= LARGE
        kept = bits[name.startswith("crosstransformer.")] if large else MANTISSA_BITS
        return rounded(tensor, kept)

    tensors = {name: stored(name, tensor) for name, tensor in file.tensors.items()}
    training = file.training and file.training | {"rounded_bits": list(bits)}
    return dataclasses.replace(file, tensors=tensors, training=training)


def round_file(source: Path, target: Path, bits: tuple[int, int]) -> None:
    """Writes the model of `source` as rounded float16 to `target`, which may be `source`."""
    model_file.write_whole(rounded_model(model_file.read(source), bits), target)


def deflated_size(path: Path) -> int:
    """Bytes of the file after zlib at its highest level: its cost to a repository or archive."""
    return len(zlib.compress(path.read_bytes(), 9))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `round`."""
    parser = argparse.ArgumentParser(
        prog="python -m sextet_train round",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    named = zip(
        ("--bits", "--transformer-bits"), ("kernels", "the transformer's matrices"), BUNDLED_BITS
    )
    for name, what, bits in named:
        parser.add_argument(
            name,
            type=int,
            default=bits,
            choices=range(MANTISSA_BITS + 1),
            metavar="0..10",
            help=f"mantissa bits that large tensors of {what} keep (default {bits})",
        )
    args = parser.parse_args(arguments)
    try:
        before = deflated_size(args.source)
        round_file(args.source, args.target, (args.bits, args.transformer_bits))
    except (OSError, ValueError, SafetensorError) as error:
        raise SystemExit(f"{args.source} was not rounded: {error}") from error
    size, deflated = args.target.stat().st_size, deflated_size(args.target)
    print(f"{args.target}: {size} bytes; deflated {deflated}, before {before}")
