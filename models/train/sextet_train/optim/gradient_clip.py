"""Clips gradients at a multiple of their usual norm."""

import torch

CLIP = 2.0  # usual norms
EMA_KEEP = 0.98
OUTLIER = 4.0  # usual norms; what a larger one counts for in the average


class GradientClip:
    """Keeps `grad_norm_ema` (scalar), an exponential average of the gradient's norm."""

    def __init__(self, device: torch.device) -> None:
        self.grad_norm_ema = torch.ones((), device=device)

    def apply(self, grad: torch.Tensor, first: bool) -> None:
        """Scales the gradient [places] in place; one that is not finite becomes zero.

        The first gradient of a run sets the average.
        """
        usual = self.grad_norm_ema
        norm = grad.norm()
        finite = torch.isfinite(norm)
        scale = torch.clamp(CLIP * usual / (norm + 1e-9), max=1.0)
        grad.nan_to_num_(0, 0, 0).mul_(torch.where(finite, scale, 0.0))

        counted = torch.where(finite, torch.minimum(norm, OUTLIER * usual), usual)
        if first:
            self.grad_norm_ema = torch.where(finite, norm, usual)
        else:
            self.grad_norm_ema = EMA_KEEP * usual + (1 - EMA_KEEP) * counted
