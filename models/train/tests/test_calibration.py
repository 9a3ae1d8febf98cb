"""Calibration of the last layers' biases."""

from typing import Any

import pytest
import torch
from demucs.htdemucs import HTDemucs

from sextet_train.eval.calibrate_biases import calibrate
from sextet_train.model import htdemucs
from sextet_train.model.htdemucs import SEGMENT_FRAMES


def test_calibration_takes_constants_out_of_the_stems() -> None:
    """From the best biases for an example away by known amounts: calibration takes exactly those
    back."""
    torch.manual_seed(0)
    model: Any = HTDemucs(**htdemucs.settings(channels=8, t_layers=1)).eval()
    stems = torch.randn(6, 2, SEGMENT_FRAMES)
    example = stems / stems.sum(0).std()
    calibrate(model, [example])
    away = torch.linspace(-3, 3, 36).view(6, 2, 3) * torch.tensor([1, 1, 0.01])
    with torch.no_grad():
        model.decoder[-1].conv_tr.bias += away[..., :2].flatten()
        model.tdecoder[-1].conv_tr.bias += away[..., 2].flatten()
        loud = model(example.sum(0)[None])[0]
    added = calibrate(model, [example])
    assert torch.allclose(added[..., 0], -away[..., 0], atol=1e-3)
    assert torch.allclose(added[..., 1], -away[..., 1], atol=0.1), "next to inaudible"
    assert torch.allclose(added[..., 2], -away[..., 2], atol=1e-5)
    with torch.no_grad():
        quiet = model(example.sum(0)[None])[0]
    nyquist = torch.tensor([1.0, -1.0]).repeat(SEGMENT_FRAMES // 2)
    tones = [((found - example) * nyquist).mean(-1).abs().max() for found in (loud, quiet)]
    assert tones[0] > 1e-2 and tones[1] < 1e-3 * tones[0]
    with pytest.raises(ValueError, match="no songs"):
        calibrate(model, [])
