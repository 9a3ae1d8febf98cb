"""Ratios of energies."""

import pytest
import torch

from sextet_train.train.metrics import decibels, sdr


def test_sdr_is_what_it_says() -> None:
    x = torch.randn(2, 1000)
    assert sdr(x, 0.9 * x) == pytest.approx(20.0, abs=1e-3)
    assert sdr(x, torch.zeros_like(x)) == pytest.approx(0.0, abs=1e-3)


def test_silence_has_a_ratio() -> None:
    assert decibels(torch.tensor(0.0), torch.tensor(0.0)) == 0.0
