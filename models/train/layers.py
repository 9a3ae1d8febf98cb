"""The other layers of HTDemucs for training, on tensors whose channels are innermost: matrix products with the pieces around
them fused into single passes (Triton's kernels, as in dconv.py).

A convolution of kernel 8 and stride 4 is one product of blocks of four positions, [4 Cin] x [2 x Cout], whose two halves
are added one block apart; a transposed one likewise. Weights are demucs' own, float32, permuted on the fly.
"""

import functools

import torch
import triton
import triton.language as tl
from torch.nn import functional as F

BLOCK = 1024


@triton.jit(do_not_specialize=["M"])
def down_kernel(p, bias, z, M, O: tl.constexpr, BLOCK: tl.constexpr):
    """z[r, k] = p[r, k, 0] + p[r, k + 1, 1] + bias; p [R, M + 1, 2, O], z [R, M, O]."""
    r = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < M * O
    o, k = at % O, at // O
    row = p + r * (M + 1) * 2 * O + k * 2 * O + o
    value = tl.load(row, mask=inside, other=0.0).to(tl.float32) + tl.load(row + 3 * O, mask=inside, other=0.0).to(tl.float32)
    tl.store(z + r * M * O + at, (value + tl.load(bias + o, mask=inside, other=0.0)).to(z.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["M"])
def down_backward_kernel(dz, dp, M, O: tl.constexpr, BLOCK: tl.constexpr):
    r = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < (M + 1) * 2 * O
    o, k = at % O, at // (2 * O) - at // O % 2
    there = inside & (k >= 0) & (k < M)
    tl.store(dp + r * (M + 1) * 2 * O + at, tl.load(dz + r * M * O + k * O + o, mask=there, other=0.0), mask=inside)


@triton.jit(do_not_specialize=["M", "L"])
def up_kernel(y, bias, z, M, L, O: tl.constexpr, BLOCK: tl.constexpr):
    """Overlap-add of y [R, M, 2, 4, O], whose second half belongs one block later, without the first two positions."""
    r = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < L * O
    o, s = at % O, at // O + 2
    k, j = s // 4, s % 4
    row = y + r * M * 8 * O + (k * 8 + j) * O + o
    value = tl.load(row, mask=inside & (k < M), other=0.0).to(tl.float32)
    value += tl.load(row - 4 * O, mask=inside & (k >= 1), other=0.0).to(tl.float32)
    tl.store(z + r * L * O + at, (value + tl.load(bias + o, mask=inside, other=0.0)).to(z.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["M", "L"])
def up_backward_kernel(dz, dy, M, L, O: tl.constexpr, BLOCK: tl.constexpr):
    r = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < M * 8 * O
    o, j, half, k = at % O, at // O % 4, at // (4 * O) % 2, at // (8 * O)
    s = 4 * (k + half) + j - 2
    there = inside & (s >= 0) & (s < L)
    tl.store(dy + r * M * 8 * O + at, tl.load(dz + r * L * O + s * O + o, mask=there, other=0.0), mask=inside)


@triton.jit(do_not_specialize=["N"])
def gate_kernel(y, bias, out, N, C: tl.constexpr, CB: tl.constexpr, BN: tl.constexpr):
    """out = (value + bias) * sigmoid(gate + bias); y [N, 2C]."""
    n = (tl.program_id(0) * BN + tl.arange(0, BN)).to(tl.int64)
    c = tl.program_id(1) * CB + tl.arange(0, CB)
    here = c < C
    inside = (n < N)[:, None] & here[None, :]
    at = n[:, None] * 2 * C + c[None, :]
    value = tl.load(y + at, mask=inside, other=0.0).to(tl.float32) + tl.load(bias + c, mask=here, other=0.0)[None, :]
    gate = tl.load(y + at + C, mask=inside, other=0.0).to(tl.float32) + tl.load(bias + C + c, mask=here, other=0.0)[None, :]
    tl.store(out + n[:, None] * C + c[None, :], (value * tl.sigmoid(gate)).to(out.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["N"])
def gate_backward_kernel(y, bias, dout, dy, db, N, C: tl.constexpr, CB: tl.constexpr, BN: tl.constexpr):
    """dy, and of every program its sum of dy over rows, db [2C]."""
    part = tl.program_id(0)
    c = tl.program_id(1) * CB + tl.arange(0, CB)
    here = c < C
    bv, bg = tl.load(bias + c, mask=here, other=0.0)[None, :], tl.load(bias + C + c, mask=here, other=0.0)[None, :]
    sv, sg = tl.zeros((CB,), tl.float32), tl.zeros((CB,), tl.float32)
    for n0 in range(part * BN, N, tl.num_programs(0) * BN):
        n = (n0 + tl.arange(0, BN)).to(tl.int64)
        inside = (n < N)[:, None] & here[None, :]
        at = n[:, None] * 2 * C + c[None, :]
        value = tl.load(y + at, mask=inside, other=0.0).to(tl.float32) + bv
        open_ = tl.sigmoid(tl.load(y + at + C, mask=inside, other=0.0).to(tl.float32) + bg)
        do = tl.load(dout + n[:, None] * C + c[None, :], mask=inside, other=0.0).to(tl.float32)
        dv = do * open_
        dg = dv * value * (1.0 - open_)
        sv += tl.sum(dv, 0)
        sg += tl.sum(dg, 0)
        tl.store(dy + at, dv.to(dy.dtype.element_ty), mask=inside)
        tl.store(dy + at + C, dg.to(dy.dtype.element_ty), mask=inside)
    tl.store(db + part * 2 * C + c, sv, mask=here)
    tl.store(db + part * 2 * C + C + c, sg, mask=here)


def grid(written):
    """Blocks of one row of the tensor that is written, rows."""
    return triton.cdiv(written[0].numel(), BLOCK), written.shape[0]


@functools.cache
def pieces(rows):
    """Into how many equal pieces a long sum is cut so that it fills the GPU."""
    return max(d for d in range(1, 513) if rows % d == 0) if rows > 20000 else 1


class Product(torch.autograd.Function):
    """x [..., K] times w [K, M] (float32), in x's type. The weight's gradient, a sum over millions of rows into a small
    matrix, is made in pieces: one such product by itself would occupy a few multiprocessors only."""

    @staticmethod
    def forward(ctx, x, w):
        w = w.to(x.dtype)
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dy = dy.contiguous()
        n = pieces(dy.numel() // dy.shape[-1])
        dw = torch.bmm(x.reshape(n, -1, x.shape[-1]).transpose(1, 2), dy.view(n, -1, dy.shape[-1]))
        return dy @ w.t() if ctx.needs_input_grad[0] else None, dw.sum(0, dtype=torch.float32)


class DownAdd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, p, bias):
        rows, blocks, _, out = p.shape
        z = torch.empty(rows, blocks - 1, out, dtype=p.dtype, device=p.device)
        down_kernel[grid(z)](p, bias, z, blocks - 1, out, BLOCK)
        return z

    @staticmethod
    def backward(ctx, dz):
        dz = dz.contiguous()
        rows, blocks, out = dz.shape
        dp = torch.empty(rows, blocks + 1, 2, out, dtype=dz.dtype, device=dz.device)
        down_backward_kernel[grid(dp)](dz, dp, blocks, out, BLOCK)
        return dp, dz.sum((0, 1), dtype=torch.float32)


class UpAdd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y, bias, length):
        rows, blocks, _, _, out = y.shape
        z = torch.empty(rows, length, out, dtype=y.dtype, device=y.device)
        up_kernel[grid(z)](y, bias, z, blocks, length, out, BLOCK)
        ctx.blocks = blocks
        return z

    @staticmethod
    def backward(ctx, dz):
        dz = dz.contiguous()
        rows, length, out = dz.shape
        dy = torch.empty(rows, ctx.blocks, 2, 4, out, dtype=dz.dtype, device=dz.device)
        up_backward_kernel[grid(dy)](dz, dy, ctx.blocks, length, out, BLOCK)
        return dy, dz.sum((0, 1), dtype=torch.float32), None


class Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y, bias):
        y = y.contiguous()
        channels = y.shape[-1] // 2
        n, span = y.numel() // (2 * channels), max(16, min(64, triton.next_power_of_2(channels)))
        out = torch.empty(*y.shape[:-1], channels, dtype=y.dtype, device=y.device)
        gate_kernel[(triton.cdiv(n, 64), triton.cdiv(channels, span))](y, bias, out, n, channels, span, 64)
        ctx.save_for_backward(y, bias)
        return out

    @staticmethod
    def backward(ctx, dout):
        y, bias = ctx.saved_tensors
        dout, channels = dout.contiguous(), y.shape[-1] // 2
        n, span = y.numel() // (2 * channels), max(16, min(64, triton.next_power_of_2(channels)))
        parts = min(triton.cdiv(n, 64), 132 * 8 if y.is_cuda else 3)
        dy, db = torch.empty_like(y), torch.empty(parts, 2 * channels, dtype=torch.float32, device=y.device)
        gate_backward_kernel[(parts, triton.cdiv(channels, span))](y, bias, dout, dy, db, n, channels, span, 64)
        return dy, db.sum(0)


def down(conv, x):
    """conv of kernel 8, stride 4, padding 2 along the middle of x [rows, length, Cin], length a multiple of 4."""
    weight = conv.weight.flatten(2)
    out, cin, _ = weight.shape
    rows, length, _ = x.shape
    blocks = F.pad(x, (0, 0, 2, 2)).view(rows, length // 4 + 1, 4 * cin)
    matrix = weight.permute(2, 1, 0).reshape(2, 4 * cin, out).transpose(0, 1).reshape(4 * cin, 2 * out)
    return DownAdd.apply(Product.apply(blocks, matrix).view(rows, length // 4 + 1, 2, out), conv.bias)


def up(conv, x, length):
    """Transposed conv of kernel 8, stride 4 along the middle of x [rows, blocks, C]; positions 2 to length + 2."""
    weight = conv.weight.flatten(2)
    cin, out, _ = weight.shape
    y = Product.apply(x, weight.transpose(1, 2).reshape(cin, 8 * out))
    return UpAdd.apply(y.view(*x.shape[:2], 2, 4, out), conv.bias, length)


def gated(conv, x):
    """GLU of a convolution of kernel 1 in x [B, T, F, C]."""
    return Gate.apply(Product.apply(x, conv.weight.flatten(1).t()), conv.bias)


def gated_in_context(conv, x):
    """GLU of a convolution of kernel 3 (over time) or 3 x 3 (demucs: frequency x time) in x [B, T, F, C]."""
    weight = conv.weight.transpose(2, 3) if conv.weight.dim() == 4 else conv.weight[..., None]
    y = F.conv2d(x.permute(0, 3, 1, 2), weight.to(x.dtype), padding=(1, weight.shape[3] // 2))
    return Gate.apply(y.permute(0, 2, 3, 1), conv.bias)
