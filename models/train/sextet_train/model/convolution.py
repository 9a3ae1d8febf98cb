"""The strided and gated convolutions of HTDemucs for training, on tensors whose channels are
innermost: matrix products with the pieces around them fused into single passes.

A convolution of kernel 8 and stride 4 is one product of blocks of four positions, [4 Cin] x [2 x
Cout], whose two halves are added one block apart; a transposed one likewise. Weights are demucs'
own, float32, permuted on the fly.
"""

# Triton takes integers for constexpr parameters.
# pyright: reportArgumentType=false

import functools
from typing import Any

import torch
import triton
from torch.nn import functional as F

from sextet_train.model.convolution_kernels import (
    BLOCK,
    down_backward_kernel,
    down_kernel,
    gate_backward_kernel,
    gate_kernel,
    up_backward_kernel,
    up_kernel,
)


def grid(written: torch.Tensor) -> tuple[int, int]:
    """Blocks of one row of the tensor that is written, rows."""
    return triton.cdiv(written[0].numel(), BLOCK), written.shape[0]


@functools.cache
def pieces(rows: int) -> int:
    """Into how many equal pieces a long sum is cut so that it fills the GPU."""
    return max(d for d in range(1, 513) if rows % d == 0) if rows > 20000 else 1


class Product(torch.autograd.Function):
    """x [..., K] times w [K, M] (float32), in x's type. The weight's gradient, a sum over
    millions of rows into a small matrix, is made in pieces: one such product by itself would
    occupy a few multiprocessors only."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """x w, in x's type."""
        w = w.to(x.dtype)
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of x (where it wants one) and of w (float32)."""
        x, w = ctx.saved_tensors
        dy = dy.contiguous()
        n = pieces(dy.numel() // dy.shape[-1])
        dw = torch.bmm(x.reshape(n, -1, x.shape[-1]).transpose(1, 2), dy.view(n, -1, dy.shape[-1]))
        return dy @ w.t() if ctx.needs_input_grad[0] else None, dw.sum(0, dtype=torch.float32)


class DownAdd(torch.autograd.Function):
    """Adds the two halves of p [rows, blocks + 1, 2, out] one block apart, and a bias [out]."""

    @staticmethod
    def forward(ctx: Any, p: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """The sums [rows, blocks, out]."""
        rows, blocks, _, out = p.shape
        z = torch.empty(rows, blocks - 1, out, dtype=p.dtype, device=p.device)
        down_kernel[grid(z)](p, bias, z, blocks - 1, out, BLOCK)
        return z

    @staticmethod
    def backward(ctx: Any, dz: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of p and of the bias (float32)."""
        dz = dz.contiguous()
        rows, blocks, out = dz.shape
        dp = torch.empty(rows, blocks + 1, 2, out, dtype=dz.dtype, device=dz.device)
        down_backward_kernel[grid(dp)](dz, dp, blocks, out, BLOCK)
        return dp, dz.sum((0, 1), dtype=torch.float32)


class UpAdd(torch.autograd.Function):
    """Overlap-add of y [rows, blocks, 2, 4, out], and a bias [out]; `length` positions."""

    @staticmethod
    def forward(ctx: Any, y: torch.Tensor, bias: torch.Tensor, length: int) -> torch.Tensor:
        """The sums [rows, length, out]."""
        rows, blocks, _, _, out = y.shape
        z = torch.empty(rows, length, out, dtype=y.dtype, device=y.device)
        up_kernel[grid(z)](y, bias, z, blocks, length, out, BLOCK)
        ctx.blocks = blocks
        return z

    @staticmethod
    def backward(ctx: Any, dz: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of y and of the bias (float32), None for the length."""
        dz = dz.contiguous()
        rows, length, out = dz.shape
        dy = torch.empty(rows, ctx.blocks, 2, 4, out, dtype=dz.dtype, device=dz.device)
        up_backward_kernel[grid(dy)](dz, dy, ctx.blocks, length, out, BLOCK)
        return dy, dz.sum((0, 1), dtype=torch.float32), None


class Gate(torch.autograd.Function):
    """The gated linear unit of y [..., 2 C] plus a bias [2 C]: [..., C]."""

    @staticmethod
    def forward(ctx: Any, y: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """(value + bias) sigmoid(gate + bias)."""
        y = y.contiguous()
        channels = y.shape[-1] // 2
        n, span = y.numel() // (2 * channels), max(16, min(64, triton.next_power_of_2(channels)))
        out = torch.empty(*y.shape[:-1], channels, dtype=y.dtype, device=y.device)
        gate_kernel[(triton.cdiv(n, 64), triton.cdiv(channels, span))](
            y, bias, out, n, channels, span, 64
        )
        ctx.save_for_backward(y, bias)
        return out

    @staticmethod
    def backward(ctx: Any, dout: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of y and of the bias (float32)."""
        y, bias = ctx.saved_tensors
        dout, channels = dout.contiguous(), y.shape[-1] // 2
        n, span = y.numel() // (2 * channels), max(16, min(64, triton.next_power_of_2(channels)))
        parts = min(triton.cdiv(n, 64), 132 * 8 if y.is_cuda else 3)
        dy, db = (
            torch.empty_like(y),
            torch.empty(parts, 2 * channels, dtype=torch.float32, device=y.device),
        )
        gate_backward_kernel[(parts, triton.cdiv(channels, span))](
            y, bias, dout, dy, db, n, channels, span, 64
        )
        return dy, db.sum(0)


def downsample(conv: Any, x: torch.Tensor) -> torch.Tensor:
    """conv of kernel 8, stride 4, padding 2 along the middle of x [rows, length, Cin], length a
    multiple of 4."""
    weight = conv.weight.flatten(2)
    out, cin, _ = weight.shape
    rows, length, _ = x.shape
    blocks = F.pad(x, (0, 0, 2, 2)).view(rows, length // 4 + 1, 4 * cin)
    matrix = (
        weight.permute(2, 1, 0).reshape(2, 4 * cin, out).transpose(0, 1).reshape(4 * cin, 2 * out)
    )
    return DownAdd.apply(
        Product.apply(blocks, matrix).view(rows, length // 4 + 1, 2, out), conv.bias
    )


def upsample(conv: Any, x: torch.Tensor, length: int) -> torch.Tensor:
    """Transposed conv of kernel 8, stride 4 along the middle of x [rows, blocks, C]; positions 2
    to length + 2."""
    weight = conv.weight.flatten(2)
    cin, out, _ = weight.shape
    y = Product.apply(x, weight.transpose(1, 2).reshape(cin, 8 * out))
    return UpAdd.apply(y.view(*x.shape[:2], 2, 4, out), conv.bias, length)


def gated(conv: Any, x: torch.Tensor) -> torch.Tensor:
    """GLU of a convolution of kernel 1 in x [B, T, F, C]."""
    return Gate.apply(Product.apply(x, conv.weight.flatten(1).t()), conv.bias)


def gated_in_context(conv: Any, x: torch.Tensor) -> torch.Tensor:
    """GLU of a convolution of kernel 3 (over time) or 3 x 3 (demucs: frequency x time) in x [B,
    T, F, C]."""
    weight = conv.weight.transpose(2, 3) if conv.weight.dim() == 4 else conv.weight[..., None]
    y = F.conv2d(x.permute(0, 3, 1, 2), weight.to(x.dtype), padding=(1, weight.shape[3] // 2))
    return Gate.apply(y.permute(0, 2, 3, 1), conv.bias)
