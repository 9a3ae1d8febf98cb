"""The model that is trained: HTDemucs with the settings of demucs' published six-stem model."""

from fractions import Fraction
from typing import Any

import torch

from sextet_train.stems import RATE_HZ, STEMS

SEGMENT = Fraction(39, 5)  # seconds that demucs gives the model at a time
SEGMENT_FRAMES = int(SEGMENT * RATE_HZ)


def settings(channels: int = 24, t_layers: int = 3) -> dict[str, Any]:
    """HTDemucs' keyword arguments; `dconv_mode` and `bottom_channels` as in the published model."""
    return {
        "sources": list(STEMS),
        "channels": channels,
        "t_layers": t_layers,
        "bottom_channels": 0,
        "dconv_mode": 3,
        "segment": SEGMENT,
    }


def parameter_count(model: torch.nn.Module) -> int:
    """Number of values in all parameters."""
    return sum(p.numel() for p in model.parameters())


def preferred_device() -> torch.device:
    """A GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
