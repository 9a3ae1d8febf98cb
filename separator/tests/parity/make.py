"""Makes the parity fixtures: what the PyTorch reference gives for checkpoints and songs that both sides make by formula.

Neither weights nor songs are stored. Both are drawn from SplitMix64 with nothing but exact arithmetic, here and in
`parity.rs`, so a fixture is the description of a case (arguments, tensors, length) and some samples of the stems, every
53rd or every 1009th. Cases of accuracy keep the stems that the reference gives in float64, and how far its float32 is
from them.

Every parameter is drawn, LayerScales from 0.3 to 0.7: in a freshly built model they are so small that a wrong residual
branch hardly shows.

    pip install torch demucs==4.1.0 numpy
    python make.py            # all cases
    python make.py NAME ...   # some of them
"""

import json
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from demucs.apply import BagOfModels, apply_model
from demucs.htdemucs import HTDemucs

HERE = Path(__file__).parent
SIX = ["drums", "bass", "other", "vocals", "guitar", "piano"]
FOUR = SIX[:4]
KEEP_EVERY = 53
KEEP_EVERY_OF_LONG = 1009
SMALL = dict(sources=SIX, channels=8, t_layers=2, t_heads=4, dconv_mode=3, segment=Fraction(11, 10))
LONG = dict(dconv_mode=3, segment=Fraction(39, 5))

# name: (arguments of HTDemucs, frames of the song, options of the case)
CASES = {
    "two-frames": (SMALL, 2, {}),
    "shorter-than-a-segment": (SMALL, 20_001, {}),
    "exactly-one-segment": (SMALL, 48_510, {}),
    "one-frame-more": (SMALL, 48_511, {}),
    "several-chunks": (SMALL, 150_000, {}),
    "last-chunk-of-one-frame": (SMALL, 2 * 36_382 + 1, {}),
    "overlap-half": (SMALL, 100_000, {"overlap": 0.5}),
    "overlap-none": (SMALL, 100_000, {"overlap": 0.0}),
    "overlap-most": (SMALL, 60_000, {"overlap": 0.8}),
    "shifts-1": (SMALL, 70_000, {"shifts": 1}),
    "shifts-3": (SMALL, 70_000, {"shifts": 3}),
    "float16-tensors": (SMALL, 60_000, {"store": "F16"}),
    "bfloat16-tensors": (SMALL, 60_000, {"store": "BF16"}),
    "four-stems": (dict(SMALL, sources=FOUR, bottom_channels=48, segment=0.9), 60_000, {}),
    "dconv-encoder-only": (dict(SMALL, dconv_mode=1), 40_000, {}),
    "dconv-decoder-only": (dict(SMALL, dconv_mode=2, dconv_depth=3, dconv_comp=4), 40_000, {}),
    "dconv-nowhere": (dict(SMALL, dconv_mode=0), 40_000, {}),
    "no-transformer": (dict(SMALL, t_layers=0, bottom_channels=16), 40_000, {}),
    "five-layers": (dict(SMALL, depth=5, t_layers=1), 60_000, {}),
    "three-layers": (dict(SMALL, depth=3, t_layers=3, t_cross_first=True, growth=1, channels=16), 40_000, {}),
    "norms-everywhere": (dict(SMALL, norm_starts=0, norm_groups=2, context_enc=1, context=2), 40_000, {}),
    "other-transformer": (
        dict(
            SMALL, t_layer_scale=False, t_gelu=False, t_norm_in=False, t_norm_out=False, t_hidden_scale=2.0,
            t_weight_pos_embed=0.5, t_max_period=1000.0, freq_emb=0,
        ),
        40_000,
        {},
    ),
    "bag-with-weights": (SMALL, 60_000, {"bag": [[1.0, 0, 0, 2.0, 0.5, 1.0], [0, 1.0, 3.0, 1.0, 0.5, 0]]}),
    "official-six-stems": (dict(sources=SIX, dconv_mode=3, segment=Fraction(39, 5)), 150_000, {}),
    "official-four-stems": (
        dict(sources=FOUR, dconv_mode=3, bottom_channels=512, segment=Fraction(39, 5)),
        100_000,
        {},
    ),
    "accuracy-16-channels": (dict(sources=SIX, channels=16, t_layers=2, **LONG), 1_397_970, {"float64": True}),
    "accuracy-16-channels-short": (dict(sources=SIX, channels=16, t_layers=2, **LONG), 895_230, {"float64": True}),
    "accuracy-24-channels": (dict(sources=SIX, channels=24, t_layers=3, **LONG), 533_610, {"float64": True}),
    "accuracy-four-stems": (
        dict(sources=FOUR, channels=16, t_layers=5, bottom_channels=64, **LONG),
        661_500,
        {"float64": True},
    ),
    "accuracy-float16-tensors": (
        dict(sources=SIX, channels=8, t_layers=1, **dict(LONG, dconv_mode=1)),
        396_900,
        {"float64": True, "store": "F16"},
    ),
    "accuracy-one-chunk": (dict(sources=SIX, channels=16, t_layers=2, **LONG), 343_980, {"float64": True}),
}


def splitmix(seed, count):
    """`count` numbers from 0 up to 1: SplitMix64 (Steele, Lea and Flood 2014), its upper 53 bits."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def draw(name, shape, seed):
    u = splitmix(seed, int(np.prod(shape)))
    if len(shape) == 1 and name.endswith("scale"):
        values = 0.3 + 0.4 * u
    elif len(shape) == 1 and name.endswith("weight"):
        values = 0.7 + 0.6 * u
    elif len(shape) == 1:
        values = 0.4 * u - 0.2
    else:
        values = (2 * u - 1) * (3.0 / float(np.prod(shape[1:])) ** 0.5)
    return values.astype(np.float32).reshape(shape)


def song(frames, seed):
    """Stereo noise that swells and falls silent, over a ramp and a constant: padding and normalisation both show."""
    u = splitmix(seed, 2 * frames).reshape(2, frames)
    n = np.arange(frames)
    swell = (n % 7001) / 7001.0
    loud = np.where(n % 30_011 < 21_000, 1.0, 0.0)
    saw = (n % 211) / 211.0 - 0.5
    both = 0.5 * (2 * u - 1) * swell * loud + np.stack([0.3 * saw, -0.1 * saw]) + 0.02
    return both.astype(np.float32)


def decode(value):
    return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator} if isinstance(value, Fraction) else value


def build(arguments, seed, store):
    model = HTDemucs(**arguments).eval()
    tensors = [(name, list(value.shape)) for name, value in model.state_dict().items()]
    state = {}
    for index, (name, shape) in enumerate(tensors):
        value = torch.from_numpy(draw(name, shape, seed * 1_000_003 + index))
        state[name] = {"F16": value.half(), "BF16": value.bfloat16()}.get(store, value).float()
    model.load_state_dict(state)
    return model, tensors


def shifted(model, mix, shifts, overlap):
    """apply_model's shifts, but evenly spaced instead of random."""
    longest, out = 22_050, 0.0
    padded = torch.nn.functional.pad(mix, (longest, longest))
    for i in range(shifts):
        offset = longest * i // shifts
        part = padded[..., offset : offset + mix.shape[-1] + longest - offset]
        # What apply_model would see past the end of this part is silence, as it is in the padded mix.
        out = out + apply_model(model, part, shifts=0, overlap=overlap)[..., longest - offset :]
    return out / shifts


def separate(name, dtype):
    """Stems of the case in `dtype`: [stems, channels, frames] as float64, and the shapes of the tensors."""
    arguments, frames, options = CASES[name]
    seed = 1 + list(CASES).index(name)
    store = options.get("store", "F32")
    weights = options.get("bag")
    # Windows, crossfades and embeddings are made in the default dtype.
    torch.set_default_dtype(torch.float32)
    models = [build(arguments, seed + 100 * i, store) for i in range(len(weights) if weights else 1)]
    tensors = models[0][1]
    torch.set_default_dtype(dtype)
    model = (BagOfModels([m for m, _ in models], weights) if weights else models[0][0]).to(dtype)
    mix = torch.from_numpy(song(frames, seed)).to(dtype)
    mono = mix.mean(0)
    mean, std = mono.mean(), mono.std() + 1e-8
    normalised = ((mix - mean) / std)[None]
    overlap = options.get("overlap", 0.25)
    with torch.no_grad():
        if options.get("shifts"):
            out = shifted(model, normalised, options["shifts"], overlap)
        else:
            out = apply_model(model, normalised, shifts=0, split=True, overlap=overlap)
    assert out.dtype == dtype
    return (out[0] * std + mean).double().numpy(), tensors


def make(name):
    arguments, frames, options = CASES[name]
    stems, tensors = separate(name, torch.float32)
    case = {
        "kwargs": {k: decode(v) for k, v in arguments.items()},
        "tensors": tensors,
        "seed": 1 + list(CASES).index(name),
        "frames": frames,
        "keep_every": KEEP_EVERY,
        "store": options.get("store", "F32"),
        "overlap": options.get("overlap", 0.25),
        "shifts": options.get("shifts", 0),
        "bag": options.get("bag"),
    }
    if options.get("float64"):
        case["keep_every"] = KEEP_EVERY_OF_LONG
        exact, _ = separate(name, torch.float64)
        difference, kept = (x[:, :, ::KEEP_EVERY_OF_LONG] for x in (stems - exact, exact))
        case["float32_errors"] = [float(np.linalg.norm(d) / np.linalg.norm(k)) for d, k in zip(difference, kept)]
        stems = exact
    (HERE / f"{name}.json").write_text(json.dumps(case) + "\n")
    stems[:, :, :: case["keep_every"]].astype("<f4").tofile(HERE / f"{name}.f32")
    rms = [round(float(np.sqrt((s**2).mean())), 4) for s in stems]
    print(name, stems.shape, "rms", rms, "errors of float32", case.get("float32_errors"))


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        make(name)
