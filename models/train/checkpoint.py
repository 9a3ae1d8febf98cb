"""The model and its file: HTDemucs in demucs' own safetensors layout, so that demucs and Sextet both read it.

  python checkpoint.py round MODEL.safetensors OUT.safetensors [--bits 6] [--transformer-bits 3]
                                                              rounds the weights of a trained model
"""

import argparse
import json
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from demucs.htdemucs import HTDemucs
from safetensors import SafetensorError, safe_open

from compose import STEMS

SEGMENT = Fraction(39, 5)
SEGMENT_FRAMES = int(SEGMENT * 44100)
MANTISSA_BITS = 10  # that float16 stores
BUNDLED_BITS = (6, 3)  # of them that the bundled model's large tensors keep: kernels, the transformer's matrices
LARGE = 1 << 15  # values of a tensor that is worth rounding


def settings(channels=24, t_layers=3):
    """HTDemucs' keyword arguments. `dconv_mode=3` and `bottom_channels=0` as in the published six-stem model."""
    return {
        "sources": list(STEMS), "channels": channels, "t_layers": t_layers, "bottom_channels": 0, "dconv_mode": 3,
        "segment": SEGMENT,
    }  # fmt: skip


def encode(value):
    if isinstance(value, Fraction):
        return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
    return value


def decode(value):
    if isinstance(value, dict) and value.get("_type") == "fraction":
        return Fraction(value["numerator"], value["denominator"])
    return value


def rounded(tensor, bits):
    """A floating-point tensor as float16 of which only the first `bits` of ten mantissa bits are not zero.

    To nearest, ties to even, by adding to the bit pattern: a carry goes on into the exponent, and subnormals, whose
    patterns are evenly spaced, are rounded to the spacing of the smallest normals. What would become infinite becomes the
    largest finite value instead. ValueError if `bits` is not 0 to 10 or a value is not finite in float16.
    """
    if not 0 <= bits <= MANTISSA_BITS:
        raise ValueError(f"mantissa bits to keep: expected 0 to {MANTISSA_BITS}, found {bits}")
    pattern = tensor.detach().cpu().half().contiguous().numpy().view(np.uint16).astype(np.uint32)
    sign, size, drop = pattern & 0x8000, pattern & 0x7FFF, MANTISSA_BITS - bits
    if (size >= 0x7C00).any():
        raise ValueError("a weight is infinite or not a number in float16: nothing to round")
    if drop > 0:
        keep = 0x7FFF ^ ((1 << drop) - 1)
        size = np.minimum((size + (1 << (drop - 1)) - 1 + (size >> drop & 1)) & keep, 0x7BFF & keep)
    return torch.from_numpy((sign | size).astype(np.uint16).view(np.float16))


def save(state, kwargs, path, half=True, bits=None):
    """Writes the tensors (float16 unless told) with demucs' metadata `klass`, `args`, `kwargs`.

    `bits` (of kernels, of the transformer's matrices) rounds large float16 tensors (see `rounded`) so that the file deflates
    to less. Biases, norms, scales and whatever has fewer than LARGE values stay as they are: together they are a twelfth of
    the file, and the stems depend on the small kernels near input and output far more than on the rest; least on the
    transformer. ValueError as in `rounded`.
    """

    def stored(name, v):
        if not half or not v.is_floating_point():
            return v
        if bits is None:
            return v.half()
        large = v.dim() > 1 and v.numel() >= LARGE
        return rounded(v, bits[name.startswith("crosstransformer.")] if large else MANTISSA_BITS)

    tensors = {k: stored(k, v).contiguous().cpu() for k, v in state.items()}
    metadata = {
        "klass": "demucs.htdemucs.HTDemucs",
        "args": json.dumps([]),
        "kwargs": json.dumps({k: encode(v) for k, v in kwargs.items()}),
    }
    Path(path).write_bytes(ordered(safetensors.torch.save(tensors, metadata)))


def ordered(content):
    """A safetensors file whose header is sorted by key: the library writes the metadata in an order that changes from
    run to run, and with it the checksum. The header is padded with spaces to a multiple of eight bytes, as the format asks."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[start:]


def read(path):
    """(tensors as stored, HTDemucs' keyword arguments) of a file."""
    with safe_open(path, framework="pt") as file:
        kwargs = {k: decode(v) for k, v in json.loads(file.metadata()["kwargs"]).items()}
        return {k: file.get_tensor(k) for k in file.keys()}, kwargs


def load(path):
    """The model of a file, float32, in evaluation mode."""
    state, kwargs = read(path)
    model = HTDemucs(**kwargs)
    model.load_state_dict({k: v.float() for k, v in state.items()})
    return model.eval()


def save_whole(state, kwargs, target, bits=None):
    """As `save`, but `target` changes only when all went well, and nothing unfinished stays beside it."""
    part = target.with_name(target.name + ".part")
    try:
        save(state, kwargs, part, bits=bits)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def round_file(source, target, bits):
    """Writes the model of `source` as rounded float16 to `target`, which may be `source`."""
    save_whole(*read(source), target, bits)


def deflated_size(path):
    """Bytes of the file after zlib at its highest level: what it costs a repository or an archive."""
    return len(zlib.compress(path.read_bytes(), 9))


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def device_of_choice():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = ap.add_subparsers(dest="what", required=True)
    r = sub.add_parser("round")
    r.add_argument("source", type=Path)
    r.add_argument("target", type=Path)
    for name, what, bits in zip(("--bits", "--transformer-bits"), ("kernels", "the transformer's matrices"), BUNDLED_BITS):
        r.add_argument(name, type=int, default=bits, choices=range(MANTISSA_BITS + 1), metavar="0..10",
                       help=f"mantissa bits that large tensors keep of float16's ten: {what} (default {bits})")  # fmt: skip
    a = ap.parse_args()
    try:
        before = deflated_size(a.source)
        round_file(a.source, a.target, (a.bits, a.transformer_bits))
    except (OSError, ValueError, SafetensorError) as error:
        raise SystemExit(f"{a.source} was not rounded: {error}") from error
    print(f"{a.target}: {a.target.stat().st_size} bytes; deflated {deflated_size(a.target)}, before {before}")


if __name__ == "__main__":
    main()
