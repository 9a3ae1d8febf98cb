"""Training examples without end, drawn from the pool and changed by chance."""

import torch

from sextet_train.arrays import Rng
from sextet_train.data.augmentation import (
    DEFAULT_SHARES,
    Shares,
    random_gain,
    random_overdrive,
    random_width,
    recolour,
)
from sextet_train.data.pool import Pool


def examples(
    pool: Pool, rng: Rng, batch: int, frames: int, shares: Shares = DEFAULT_SHARES
) -> tuple[torch.Tensor, torch.Tensor]:
    """(mix [batch, 2, frames], stems [batch, 6, 2, frames]); the mix has about unit level."""
    stems = torch.stack([pool.draw(rng, frames) for _ in range(batch)])
    stems = recolour(stems, rng)
    gain = random_gain(rng, batch, shares, pool.device)
    stems = random_width(stems, rng) * gain
    stems = random_overdrive(stems, rng)

    mix = stems.sum(1)
    scale = 1 / mix.std((1, 2)).clamp(min=1e-3)
    return mix * scale[:, None, None], stems * scale[:, None, None, None]
