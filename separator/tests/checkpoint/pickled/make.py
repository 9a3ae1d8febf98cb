"""Makes the checkpoints beside it with PyTorch and demucs' own functions: one small model in every way in which such files
are written, and the same as safetensors.

Its weights are random, and it hears segments of 0.2 s: nothing but its tensors is worth anything.

    pip install torch demucs==4.1.0 safetensors omegaconf
    python make.py
"""

import json
import zipfile
from fractions import Fraction
from pathlib import Path

import torch
from demucs.htdemucs import HTDemucs
from demucs.states import serialize_model
from omegaconf import OmegaConf
from safetensors.torch import save_file

HERE = Path(__file__).parent
ARGUMENTS = dict(
    channels=1, depth=1, t_layers=0, dconv_mode=0, dconv_comp=1, context=0, freq_emb=0, segment=Fraction(1, 5),
)
SOURCES = ["drums", "bass", "other", "vocals"]


def no_source(_):
    raise OSError("the older format keeps the class' source, which is not ours")


def main():
    torch.manual_seed(1)
    torch.serialization.get_source_lines_and_file = no_source
    model = HTDemucs(SOURCES, **ARGUMENTS)
    training = OmegaConf.create({"optim": {"lr": 3e-4, "betas": [0.9, 0.999]}, "dset": {"musdb": None}, "label": "ünïcode"})

    whole = serialize_model(model, training, half=False)
    torch.save(whole, HERE / "archive.th")
    torch.save(whole, HERE / "older.th", _use_new_zipfile_serialization=False)
    torch.save(whole, HERE / "protocol-5.th", pickle_protocol=5)
    torch.save(serialize_model(model, training, half=True), HERE / "half.th")

    # Views of one storage, one of them transposed, and a parameter.
    kernel = whole["state"]["encoder.0.conv.weight"]
    bias = whole["state"]["encoder.0.conv.bias"]
    odd = dict(whole["state"])
    turned = kernel.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    odd["encoder.0.conv.weight"] = torch.nn.Parameter(turned)
    odd["encoder.0.conv.bias"] = torch.cat([torch.zeros(3), bias, torch.ones(2)])[3:3 + bias.numel()]
    torch.save({**whole, "state": odd}, HERE / "views.th")
    torch.save({**whole, "state": odd}, HERE / "older-views.th", _use_new_zipfile_serialization=False)

    # Nothing but tensors, and a model as a whole, which is a program.
    torch.save(model.state_dict(), HERE / "tensors.pt")
    torch.save(torch.nn.Linear(2, 2), HERE / "module.pt")

    kwargs = {**ARGUMENTS, "segment": {"_type": "fraction", "numerator": 1, "denominator": 5}}
    metadata = {"klass": "demucs.htdemucs.HTDemucs", "args": json.dumps([SOURCES]), "kwargs": json.dumps(kwargs)}
    save_file({name: tensor.contiguous() for name, tensor in whole["state"].items()}, HERE / "same.safetensors", metadata)

    for path in sorted(HERE.glob("*.*t*")):
        shown = sorted(zipfile.ZipFile(path).namelist())[:3] if zipfile.is_zipfile(path) else ""
        print(path.name, path.stat().st_size, shown)


if __name__ == "__main__":
    main()
