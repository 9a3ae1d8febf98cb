"""A layer of demucs' DConv branch for training, forward and backward, that touches its wide tensors
as rarely as possible.

The layer is conv1 (C -> h = C/8, kernel 3, dilated in time) -> GroupNorm(1) -> GELU -> conv2 (1x1,
h -> 2C) -> GroupNorm(1) -> GLU -> LayerScale, added to its input. As PyTorch runs it, forward and
backward make some sixty passes over C-wide tensors in global memory. Here they make seven: the
2C-wide tensor lives in registers only and is computed again when needed. Its mean and mean square,
which the second norm wants, follow from the narrow h of every row, y = w h + b:

    sum_c y_c   = a.h + sum(b)                 a = sum_c w_c
    sum_c y_c^2 = h'Gh + 2 v.h + sum(b^2)      G = w'w,  v = sum_c b_c w_c

Tensors are [B, T, F, C], contiguous, a "row" is one (b, t, f); norms run over (T, C) of every
(b, f); time branches have F = 1. Statistics and sums are float32, products take the activations'
type. The kernels are Triton's: an NVIDIA GPU, or a CPU with TRITON_INTERPRET=1 for tests.
"""

# Triton takes integers for constexpr parameters.
# pyright: reportArgumentType=false

from typing import Any, NamedTuple

import torch
import triton
from demucs.demucs import DConv

from sextet_train.model.dconv_kernels import (
    bottleneck_in_backward_kernel,
    bottleneck_in_kernel,
    bottleneck_out_backward_kernel,
    bottleneck_out_kernel,
    hidden_backward_kernel,
    hidden_kernel,
)

EPS = 1e-5
SPAN = 64  # channels of one block of a wide tensor
HIDDEN_ROWS = 128  # of one program of hidden_kernel
HIDDEN_BACKWARD_ROWS = 64


class LaunchSizes:
    """Sizes of blocks and grids for one shape: B, T, F, C, N = B T F rows, H hidden channels."""

    def __init__(self, x: torch.Tensor, hidden: int) -> None:
        self.B, self.T, self.F, self.C = x.shape
        self.N, self.H = self.B * self.T * self.F, hidden
        # Three more columns than hidden channels, in bottleneck_out_backward_kernel.
        self.HP = max(16, triton.next_power_of_2(hidden + 3))
        self.CB = max(16, min(SPAN, triton.next_power_of_2(self.C)))
        self.spans = triton.cdiv(self.C, self.CB)
        self.BN = 128 if self.CB <= 32 else 64
        self.backward_BN = self.BN // 2
        # Enough programs to fill the GPU; on the interpreter a few, of several rounds each.
        self.parts = min(triton.cdiv(self.N, self.BN), 132 * 4 if x.is_cuda else 3)
        self.device = x.device

    @property
    def hidden_count(self) -> int:
        """Values over which the first norm runs."""
        return self.T * self.H

    @property
    def wide_count(self) -> int:
        """Values over which the second norm runs."""
        return self.T * 2 * self.C

    @property
    def shape(self) -> tuple[int, int, int]:
        """What every kernel is told of its rows."""
        return self.N, self.T, self.F

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """What the kernels of wide tensors are told of their channels."""
        return self.C, self.H, self.HP, self.CB

    def float32(self, *size: int) -> torch.Tensor:
        """An empty float32 tensor."""
        return torch.empty(*size, dtype=torch.float32, device=self.device)

    def over_time(self, rows: torch.Tensor) -> torch.Tensor:
        """Sums [N] over time: [B * F]."""
        return rows.view(self.B, self.T, self.F).sum(1).flatten()


class Saved(NamedTuple):
    """What the backward pass needs; names as in the kernels.

    x [B, T, F, C]; p, h [N, H]; mu, r, mean, inv, m [B * F]; w1 [3, C, H]; nw1, nb1 [H]; w, wg
    [2C, H]; cb2, nw2, nb2, bg [2C]; scale [C]; a, v [H]; g [H, H].
    """

    x: torch.Tensor
    p: torch.Tensor
    h: torch.Tensor
    mu: torch.Tensor
    r: torch.Tensor
    mean: torch.Tensor
    inv: torch.Tensor
    m: torch.Tensor
    w1: torch.Tensor
    nw1: torch.Tensor
    nb1: torch.Tensor
    w: torch.Tensor
    cb2: torch.Tensor
    nw2: torch.Tensor
    nb2: torch.Tensor
    scale: torch.Tensor
    wg: torch.Tensor
    bg: torch.Tensor
    a: torch.Tensor
    v: torch.Tensor
    g: torch.Tensor


class DConvLayer(torch.autograd.Function):
    """x [B, T, F, C]; the layer's parameters as demucs has them, float32; dilation. Gives back
    x + layer(x)."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, dilation: int, *parameters: torch.Tensor
    ) -> torch.Tensor:
        """The layer's output [B, T, F, C], added to x; parameters in demucs' order."""
        cw1, cb1, nw1, nb1, cw2, cb2, nw2, nb2, scale = parameters
        x = x.contiguous()
        q = LaunchSizes(x, cw1.shape[0])
        rows = triton.cdiv(q.N, q.BN)

        # First convolution, and its norm's statistics.
        w1 = cw1.permute(2, 1, 0).to(x.dtype).contiguous()  # [3, C, H]
        p = torch.empty(q.N, q.H, dtype=x.dtype, device=x.device)
        s1, s2 = q.float32(q.N), q.float32(q.N)
        bottleneck_in_kernel[(rows,)](x, w1, cb1, p, s1, s2, *q.shape, dilation, *q.channels, q.BN)
        mu = q.over_time(s1) / q.hidden_count
        r = torch.rsqrt((q.over_time(s2) / q.hidden_count - mu * mu).clamp_min(0) + EPS)

        # Hidden activations, and the statistics of the norm after the second convolution.
        w, h = cw2[:, :, 0], torch.empty_like(p)
        a, v, g = w.sum(0), cb2 @ w, w.t() @ w
        hidden_kernel[(triton.cdiv(q.N, HIDDEN_ROWS),)](
            p, mu, r, nw1, nb1, a, v, g.contiguous(), h, s1, s2, *q.shape, q.H, q.HP, HIDDEN_ROWS
        )
        mean = (q.over_time(s1) + q.T * cb2.sum()) / q.wide_count
        square = (q.over_time(s2) + q.T * (cb2 * cb2).sum()) / q.wide_count
        inv = torch.rsqrt((square - mean * mean).clamp_min(0) + EPS)
        m = mean * inv

        # Second convolution, norm, gate and scale.
        wg, bg = (nw2[:, None] * w).to(x.dtype), nw2 * cb2
        out = torch.empty_like(x)
        bottleneck_out_kernel[(rows, q.spans)](
            x, h, inv, m, wg, bg, nw2, nb2, scale, out, *q.shape, *q.channels, q.BN
        )
        saved = Saved(
            x, p, h, mu, r, mean, inv, m, w1, nw1, nb1, w, cb2, nw2, nb2, scale, wg, bg, a, v, g
        )
        ctx.save_for_backward(*saved)
        ctx.sizes, ctx.dilation = q, dilation
        return out

    @staticmethod
    def backward(ctx: Any, dout: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of the arguments of `forward`, None for the dilation."""
        saved, q = Saved(*ctx.saved_tensors), ctx.sizes
        dout = dout.contiguous()
        outer = bottleneck_out_backward(saved, q, dout)
        hidden = hidden_backward(saved, q, outer)
        dx, dw1, db1 = bottleneck_in_backward(saved, q, dout, hidden, ctx.dilation)

        dw = saved.nw2[:, None] * outer.dwg + hidden.da + saved.cb2[:, None] * hidden.dv
        dw = dw + saved.w @ (hidden.dg + hidden.dg.t())
        dgain = outer.dgain + (outer.dwg * saved.w).sum(1) + outer.dbg * saved.cb2
        sums = hidden.d1.sum() + 2 * saved.cb2 * hidden.d2.sum()
        dcb2 = saved.nw2 * outer.dbg + saved.w @ hidden.dv + q.T * sums
        first = dw1.permute(2, 1, 0), db1, hidden.dnw1, hidden.dnb1
        second = dw[:, :, None], dcb2, dgain, outer.dshift, outer.dscale
        return dx, None, *first, *second


class OutGradients(NamedTuple):
    """Gradients through second convolution, norm, gate and scale.

    dh [spans, N, H]; of the norm's statistics dinv, dm [B * F]; dwg [2C, H], dbg, dgain, dshift
    [2C] (of the product's weights times gain, of the norm's own); dscale [C].
    """

    dh: torch.Tensor
    dinv: torch.Tensor
    dm: torch.Tensor
    dwg: torch.Tensor
    dbg: torch.Tensor
    dgain: torch.Tensor
    dshift: torch.Tensor
    dscale: torch.Tensor


def bottleneck_out_backward(s: Saved, q: LaunchSizes, dout: torch.Tensor) -> OutGradients:
    """Of dout [B, T, F, C]."""
    dh, dinv, dm = q.float32(q.spans, q.N, q.H), q.float32(q.spans, q.N), q.float32(q.spans, q.N)
    sums = q.float32(q.parts, 2 * q.C, q.HP)
    inputs = dout, s.h, s.inv, s.m, s.wg, s.bg, s.nw2, s.nb2, s.scale
    bottleneck_out_backward_kernel[(q.parts, q.spans)](
        *inputs, dh, dinv, dm, sums, *q.shape, *q.channels, q.backward_BN
    )
    sums = sums.sum(0)[:, : q.H + 3]
    factors = [s.nw2[:, None] * s.w, s.bg[:, None], s.nw2[:, None], s.nb2[:, None]]
    dscale = (sums * torch.cat(factors, 1))[: q.C].sum(1)
    scaled = sums * torch.cat([s.scale, s.scale])[:, None]
    dwg, dbg, dgain, dshift = scaled.split([q.H, 1, 1, 1], 1)
    return OutGradients(
        dh=dh,
        dinv=q.over_time(dinv.sum(0)),
        dm=q.over_time(dm.sum(0)),
        dwg=dwg,
        dbg=dbg.flatten(),
        dgain=dgain.flatten(),
        dshift=dshift.flatten(),
        dscale=dscale,
    )


class HiddenGradients(NamedTuple):
    """Gradients through the first norm and GELU.

    dz [N, H] of the normalised p, its row sums s1, s2 [N] (with 1, with the normalised p); d1, d2
    [B * F] of the two sums that give the second norm's statistics; dnw1, dnb1, da, dv [H]; dg
    [H, H].
    """

    dz: torch.Tensor
    s1: torch.Tensor
    s2: torch.Tensor
    d1: torch.Tensor
    d2: torch.Tensor
    dnw1: torch.Tensor
    dnb1: torch.Tensor
    da: torch.Tensor
    dv: torch.Tensor
    dg: torch.Tensor


def hidden_backward(s: Saved, q: LaunchSizes, outer: OutGradients) -> HiddenGradients:
    """Of the gradients after the hidden activations."""
    # inv = (square - mean^2 + eps)^-1/2 and m = mean inv, for every (b, f)
    dinv = outer.dinv + outer.dm * s.mean
    dsquare = -0.5 * s.inv**3 * dinv
    dmean = outer.dm * s.inv - 2 * s.mean * dsquare
    d1, d2 = dmean / q.wide_count, dsquare / q.wide_count

    parts = min(q.parts, triton.cdiv(q.N, HIDDEN_BACKWARD_ROWS))
    dz, s1, s2 = torch.empty_like(s.p), q.float32(q.N), q.float32(q.N)
    vectors, dg = q.float32(parts, 4, q.H), q.float32(parts, q.H, q.H)
    inputs = s.p, s.h, outer.dh, s.mu, s.r, s.nw1, s.nb1, s.a, s.v, s.g.contiguous(), d1, d2
    outputs = dz, s1, s2, vectors, dg
    hidden_backward_kernel[(parts,)](
        *inputs, *outputs, *q.shape, q.spans, q.H, q.HP, HIDDEN_BACKWARD_ROWS
    )
    dnw1, dnb1, da, dv = vectors.sum(0)
    return HiddenGradients(dz, s1, s2, d1, d2, dnw1, dnb1, da, dv, dg.sum(0))


def bottleneck_in_backward(
    s: Saved, q: LaunchSizes, dout: torch.Tensor, hidden: HiddenGradients, dilation: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of x [B, T, F, C], of the first convolution's weight [3, C, H] and bias [H]."""
    q1, q2 = (q.over_time(rows) / q.hidden_count for rows in (hidden.s1, hidden.s2))
    dx = torch.empty_like(s.x)
    dw1, db1 = q.float32(q.parts, 3, q.C, q.H), q.float32(q.parts, q.H)
    inputs = s.x, dout, s.p, hidden.dz, s.mu, s.r, q1, q2, s.w1
    bottleneck_in_backward_kernel[(q.parts, q.spans)](
        *inputs, dx, dw1, db1, *q.shape, dilation, *q.channels, q.backward_BN
    )
    return dx, dw1.sum(0), db1.sum(0)


def dconv(branch: DConv, x: torch.Tensor) -> torch.Tensor:
    """demucs.demucs.DConv.forward for x [B, T, F, C], every f on its own."""
    layers: Any = branch.layers
    for conv1, norm1, _gelu, conv2, norm2, _glu, scale in layers:
        first = conv1.weight, conv1.bias, norm1.weight, norm1.bias
        second = conv2.weight, conv2.bias, norm2.weight, norm2.bias
        x = DConvLayer.apply(x, conv1.dilation[0], *first, *second, scale.scale)
    return x
