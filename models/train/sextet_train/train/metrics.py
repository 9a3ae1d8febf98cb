"""Ratios of energies in decibels."""

import math

import torch


def decibels(numerator: torch.Tensor, denominator: torch.Tensor) -> float:
    """10 log10 of a ratio of energies (scalars), each kept above 1e-10."""
    return 10 * math.log10((float(numerator) + 1e-10) / (float(denominator) + 1e-10))


def sdr(reference: torch.Tensor, estimate: torch.Tensor) -> float:
    """10 log10 of reference energy over error energy, whole track, in dB; any shape."""
    signal = float(reference.square().sum() + 1e-9)
    return 10 * math.log10(signal / float((reference - estimate).square().sum() + 1e-9))


def leakage_decibels(ratio: torch.Tensor) -> float:
    """A ratio of energies (scalar) in dB, -90 or more."""
    return 10 * math.log10(float(ratio) + 1e-9)
