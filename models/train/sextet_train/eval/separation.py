"""Separation as the demucs command does it."""

import torch
from demucs.apply import apply_model
from demucs.htdemucs import HTDemucs

OVERLAP = 0.25


@torch.no_grad()
def separate(model: HTDemucs, mix: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Stems [6, 2, frames] of a mix [2, frames]: demucs' `apply_model` (shifts 0) on the mix
    normalised by its whole-track mean and deviation."""
    reference = mix.mean(0)
    mean, std = reference.mean(), reference.std() + 1e-8
    normalised = ((mix - mean) / std)[None]
    out = apply_model(model, normalised, shifts=0, split=True, overlap=OVERLAP, device=device)[0]
    return out.cpu() * std + mean
