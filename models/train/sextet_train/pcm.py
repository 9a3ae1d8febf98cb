"""Scales between 16-bit samples and floating point.

Songs are stored as round(32767 x), symmetric about zero, and are read back with the same scale by
everything here: the pool, validation, calibration and evaluation. All stored songs, older ones
included, were written with it. Other programs' 16-bit sound (espeak-ng's) is read over 32768, as
they write it; another scale would change what a seed sounds like.
"""

from typing import TYPE_CHECKING

import numpy as np

from sextet_train.arrays import Array

if TYPE_CHECKING:
    import torch

FULL_SCALE = 32767
FOREIGN_FULL_SCALE = 32768


def to_int16(samples: Array) -> Array:
    """Samples of any shape as int16; values outside of -1 to 1 are clipped."""
    return np.round(np.clip(samples, -1, 1) * FULL_SCALE).astype(np.int16)


def to_float(samples: "torch.Tensor") -> "torch.Tensor":
    """Stored int16 samples of any shape as float32, full scale being 1."""
    return samples.float() * (1 / FULL_SCALE)
