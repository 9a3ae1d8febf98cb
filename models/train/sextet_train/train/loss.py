"""The training loss: log10 of each stem's squared error over the mix's power plus a floor."""

from typing import NamedTuple

import torch

DEFAULT_FLOOR = 0.1  # of the mix's power
PRE_EMPHASIS = 0.95
EMPHASISED_SHARE = 0.3


class Loss(NamedTuple):
    """`reported` is the loss without pre-emphasis, comparable between runs; `trained` is what
    gradients are taken of. Both are scalars."""

    reported: torch.Tensor
    trained: torch.Tensor


def pre_emphasised(signal: torch.Tensor) -> torch.Tensor:
    """The signal's first difference with a leak, along the last axis."""
    return signal[..., 1:] - PRE_EMPHASIS * signal[..., :-1]


def separation_loss(
    estimate: torch.Tensor, target: torch.Tensor, floor: float | torch.Tensor = DEFAULT_FLOOR
) -> Loss:
    """Loss of stems [batch, 6, 2, frames] whose mix has unit power, as it is and pre-emphasised.

    Squares estimate the mean; L1, which demucs uses, the median, which is silence for every stem
    whose place is not yet clear. The floor decides what the logarithm does: far above the errors it
    is the plain mean of squares; far below, it weighs loud and quiet stems alike, as SDR does, and
    leakage into silent ones above all. A model that starts with a low floor learns to be silent and
    stays so; one that ends with a high one leaks.
    """
    error = estimate - target
    loss = torch.log10(error.square().mean((2, 3)) + floor)

    high = pre_emphasised(error)
    power = pre_emphasised(target.sum(1, keepdim=True)).square().mean((2, 3)) + 1e-6
    emphasised = torch.log10(high.square().mean((2, 3)) / power + floor)

    trained = (1 - EMPHASISED_SHARE) * loss.mean() + EMPHASISED_SHARE * emphasised.mean()
    return Loss(loss.mean(), trained)
