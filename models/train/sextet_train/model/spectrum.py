"""demucs' spectra, forward and inverse, with shapes that are fixed and nothing that waits for
the GPU."""

import functools
import math
from typing import Any

import torch
from torch.nn import functional as F

FFT, HOP = 4096, 1024


@functools.cache
def window(device: torch.device) -> torch.Tensor:
    """demucs' Hann window [FFT]."""
    return torch.hann_window(FFT, device=device)


def spectrum(mix: torch.Tensor) -> torch.Tensor:
    """demucs' `_spec`: [B, 2, L] to [B, 2, 2048, frames] complex."""
    frames = math.ceil(mix.shape[-1] / HOP)
    pad = HOP // 2 * 3
    x = F.pad(mix, (pad, pad + frames * HOP - mix.shape[-1]), mode="reflect").flatten(0, 1)
    z = torch.stft(
        x,
        FFT,
        HOP,
        window=window(mix.device),
        normalized=True,
        center=True,
        return_complex=True,
        pad_mode="reflect",
    )
    return z[:, :-1, 2 : 2 + frames].view(mix.shape[0], 2, FFT // 2, frames)


class OverlapAdd(torch.autograd.Function):
    """Windowed frames [..., n, 4096] to a signal [..., (n + 3) * 1024]."""

    @staticmethod
    def forward(ctx: Any, frames: torch.Tensor) -> torch.Tensor:
        """Overlaps and adds frames [..., n, 4096]."""
        n = frames.shape[-2]
        parts, w = (
            frames.unflatten(-1, (4, HOP)),
            window(frames.device).view(4, HOP) / 1.5,
        )  # Hann squared at a quarter sums to 1.5
        out = torch.zeros(*frames.shape[:-2], n + 3, HOP, dtype=frames.dtype, device=frames.device)
        for j in range(4):
            out[..., j : j + n, :].addcmul_(parts[..., j, :], w[j])
        return out.flatten(-2)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        """The gradient [..., n, 4096] of the frames."""
        return grad.unfold(-1, FFT, HOP) * (window(grad.device) / 1.5)


def signal(z: torch.Tensor, length: int) -> torch.Tensor:
    """demucs' `_ispec`: [..., frames, 2048] complex (frames before bins) to [..., length]."""
    x = OverlapAdd.apply(torch.fft.irfft(z, FFT, norm="ortho"))
    return x[..., HOP // 2 * 3 : HOP // 2 * 3 + length]


@functools.cache
def constant_signal(frames: int, length: int, device: torch.device) -> torch.Tensor:
    """What a spectrum of 1 + 1i everywhere sounds like: adding a mean to a spectrum adds that
    much of it to the signal."""
    return signal(
        torch.full((frames, FFT // 2), 1 + 1j, dtype=torch.complex64, device=device), length
    )
