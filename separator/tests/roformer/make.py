"""Makes the fixtures of RoFormers: what the PyTorch reference gives for checkpoints and songs that both sides make by formula
(`../parity/make.py` says how).

A fixture is a configuration, the tensors that the reference has for it, and some samples: of the stems of the first chunk by
itself, as the network gives them, and of the whole song's, as `demix_track` puts it together. Its samples are those of the
reference in float64; how far its float32 is from them is beside them.

    pip install torch bs-roformer-infer==0.1.5 melband-roformer-infer==0.1.5
    python make.py            # all cases
    python make.py NAME ...   # some of them
"""

import contextlib
import copy
import io
import json
import sys
import warnings
from pathlib import Path

import bs_roformer.utils
import mel_band_roformer.utils
import numpy as np
import torch
import yaml
from ml_collections import ConfigDict

HERE = Path(__file__).parent
KEEP_EVERY = 61
SIX = ["bass", "drums", "other", "vocals", "guitar", "piano"]
SMALL = dict(
    dim=16, depth=2, stereo=True, time_transformer_depth=1, freq_transformer_depth=1, dim_head=8, heads=2,
    stft_n_fft=2048, stft_hop_length=512, stft_win_length=2048, mask_estimator_depth=2,
)
FEW = dict(SMALL, stft_n_fft=128, stft_hop_length=32, stft_win_length=128, freqs_per_bands=[2] * 8 + [5] * 4 + [29])
MEL = dict(SMALL, num_bands=60, stft_hop_length=441)


def config(model, instruments, chunk, overlap=2, target=None):
    stems = 1 if target else len(instruments)
    return {
        "model": dict(model, num_stems=stems),
        "training": {"instruments": instruments, "target_instrument": target},
        "inference": {"num_overlap": overlap, "chunk_size": chunk},
    }


# name: (configuration, frames of the song)
CASES = {
    "six-stems": (config(SMALL, SIX, 16_384), 60_000),
    "one-stem": (config(SMALL, ["vocals", "other"], 16_384, target="vocals"), 40_000),
    "two-stems": (config(dict(SMALL, mask_estimator_depth=3), ["vocals", "other"], 16_384), 33_000),
    "shorter-than-a-chunk": (config(FEW, SIX[:4], 4096), 1500),
    "half-a-chunk-more": (config(FEW, SIX[:4], 4096), 4096 + 2049 + 5),
    "exactly-one-chunk": (config(FEW, SIX[:4], 4096), 4096),
    "no-overlap": (config(FEW, SIX[:4], 4096, overlap=1), 20_000),
    "four-times": (config(FEW, SIX[:4], 4096, overlap=4), 30_000),
    "deep-transformers": (config(dict(FEW, time_transformer_depth=2, freq_transformer_depth=3), SIX[:4], 4096), 9000),
    "short-window": (config(dict(FEW, stft_win_length=96), SIX[:4], 4096), 9000),
    "zero-dc": (config(dict(FEW, zero_dc=True, mask_estimator_depth=1), SIX[:4], 4096), 9000),
    "mel-band": (config(MEL, ["vocals", "other"], 17_640, target="vocals"), 50_000),
    "mel-band-two-stems": (config(dict(MEL, num_bands=40, mask_estimator_depth=1), ["vocals", "other"], 17_640), 30_000),
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
    """Weights that keep the size of what goes through them, and gains near 1. Frequencies of rotary embeddings are what they
    always are."""
    count = int(np.prod(shape))
    u = splitmix(seed, count)
    if name.endswith("freqs"):
        values = 10_000.0 ** (-np.arange(count) / count)
    elif name.endswith("gamma"):
        values = 0.7 + 0.6 * u
    elif len(shape) == 1:
        values = 0.4 * u - 0.2
    else:
        values = (2 * u - 1) * (1.7 / float(np.prod(shape[1:])) ** 0.5)
    return values.astype(np.float32).reshape(shape)


def song(frames, seed):
    u = splitmix(seed, 2 * frames).reshape(2, frames)
    n = np.arange(frames)
    swell = (n % 7001) / 7001.0
    loud = np.where(n % 30_011 < 21_000, 1.0, 0.0)
    saw = (n % 211) / 211.0 - 0.5
    both = 0.5 * (2 * u - 1) * swell * loud + np.stack([0.3 * saw, -0.1 * saw]) + 0.02
    return both.astype(np.float32)


def separate(name, dtype):
    """Stems of the first chunk and of the song, in `dtype`, as float64; and the shapes of the tensors."""
    described, frames = CASES[name]
    seed = 1 + list(CASES).index(name)
    mel = "num_bands" in described["model"]
    utils, kind = (mel_band_roformer.utils, "mel_band_roformer") if mel else (bs_roformer.utils, "bs_roformer")
    settings = ConfigDict(copy.deepcopy(described))

    # Windows and embeddings are made in the default dtype.
    torch.set_default_dtype(dtype)
    settings.model.flash_attn = False
    model = utils.get_model_from_config(kind, settings).eval()
    tensors = [(key, list(value.shape)) for key, value in model.state_dict().items()]
    state = {key: torch.from_numpy(draw(key, shape, seed * 1_000_003 + i)) for i, (key, shape) in enumerate(tensors)}
    model.load_state_dict(state)
    model = model.to(dtype)

    mix = torch.from_numpy(song(frames, seed))
    chunk = described["inference"]["chunk_size"]
    first = torch.nn.functional.pad(mix[:, :chunk], (0, max(0, chunk - frames)))
    with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone = model(first[None].to(dtype))[0]
        alone = alone[None] if alone.ndim == 2 else alone
        result, _ = utils.demix_track(settings, lambda part: model(part.to(dtype)), mix, "cpu")
    whole = np.stack([np.asarray(stem, dtype=np.float64) for stem in result.values()])
    return alone.double().numpy(), whole, tensors


def make(name):
    described, frames = CASES[name]
    rough, rough_whole, tensors = separate(name, torch.float32)
    exact, exact_whole, _ = separate(name, torch.float64)
    kept = lambda stems: stems[:, :, ::KEEP_EVERY]
    apart = lambda a, b: [float(np.linalg.norm(x - y) / np.linalg.norm(y)) for x, y in zip(kept(a), kept(b))]
    case = {
        "config": yaml.safe_dump(described, sort_keys=False),
        "tensors": tensors,
        "seed": 1 + list(CASES).index(name),
        "frames": frames,
        "keep_every": KEEP_EVERY,
        "float32_errors": apart(rough, exact),
        "float32_errors_of_song": apart(rough_whole, exact_whole),
    }
    (HERE / f"{name}.json").write_text(json.dumps(case) + "\n")
    samples = np.concatenate([kept(exact).ravel(), kept(exact_whole).ravel()])
    samples.astype("<f4").tofile(HERE / f"{name}.f32")
    rms = [round(float(np.sqrt((stem**2).mean())), 4) for stem in exact_whole]
    print(name, exact.shape, exact_whole.shape, "rms", rms, "float32", max(case["float32_errors"]))


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        make(name)
