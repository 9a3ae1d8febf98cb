"""The model and its file: HTDemucs in demucs' own safetensors layout, so that demucs and Sextet both read it."""

import json
from fractions import Fraction

import torch
from demucs.htdemucs import HTDemucs
from safetensors import safe_open
from safetensors.torch import save_file

from compose import STEMS

SEGMENT = Fraction(39, 5)
SEGMENT_FRAMES = int(SEGMENT * 44100)


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


def save(state, kwargs, path, half=True):
    """Writes the tensors (float16 unless told) with demucs' metadata `klass`, `args`, `kwargs`."""
    tensors = {k: (v.half() if half and v.is_floating_point() else v).contiguous().cpu() for k, v in state.items()}
    metadata = {
        "klass": "demucs.htdemucs.HTDemucs",
        "args": json.dumps([]),
        "kwargs": json.dumps({k: encode(v) for k, v in kwargs.items()}),
    }
    save_file(tensors, path, metadata=metadata)


def load(path):
    """The model of a file, float32, in evaluation mode."""
    with safe_open(path, framework="pt") as file:
        kwargs = {k: decode(v) for k, v in json.loads(file.metadata()["kwargs"]).items()}
        state = {k: file.get_tensor(k).float() for k in file.keys()}
    model = HTDemucs(**kwargs)
    model.load_state_dict(state)
    return model.eval()


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def device_of_choice():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
