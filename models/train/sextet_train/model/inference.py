"""Runs the model: by forward.py on a GPU, by demucs itself elsewhere."""

import torch
from demucs.htdemucs import HTDemucs


def run(model: HTDemucs, mix: torch.Tensor) -> torch.Tensor:
    """Stems [batch, 6, 2, frames] of mix [batch, 2, frames], float32."""
    if mix.device.type != "cuda":
        return model(mix)
    from sextet_train.model.forward import forward  # Triton is needed on a GPU only

    return forward(model, mix)
