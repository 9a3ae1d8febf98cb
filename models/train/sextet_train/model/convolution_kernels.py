"""Triton kernels of the strided and gated convolutions (convolution.py).

R is rows, M blocks of four positions, L positions, O output channels; N rows of C channels. Sums
are float32, results have the type of the tensor that they are stored to.
"""

import triton
import triton.language as tl

BLOCK = 1024


@triton.jit(do_not_specialize=["M"])
def down_kernel(p, bias, z, M, O: tl.constexpr, BLOCK: tl.constexpr):
    """z[r, k] = p[r, k, 0] + p[r, k + 1, 1] + bias; p [R, M + 1, 2, O], z [R, M, O]."""
    r = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < M * O
    o, k = at % O, at // O
    row = p + r * (M + 1) * 2 * O + k * 2 * O + o
    value = tl.load(row, mask=inside, other=0.0).to(tl.float32) + tl.load(
        row + 3 * O, mask=inside, other=0.0
    ).to(tl.float32)
    tl.store(
        z + r * M * O + at,
        (value + tl.load(bias + o, mask=inside, other=0.0)).to(z.dtype.element_ty),
        mask=inside,
    )


@triton.jit(do_not_specialize=["M"])
def down_backward_kernel(dz, dp, M, O: tl.constexpr, BLOCK: tl.constexpr):
    """dp[r, k, 0] = dp[r, k + 1, 1] = dz[r, k]; the two ends are zeros."""
    r = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < (M + 1) * 2 * O
    o, k = at % O, at // (2 * O) - at // O % 2
    there = inside & (k >= 0) & (k < M)
    tl.store(
        dp + r * (M + 1) * 2 * O + at,
        tl.load(dz + r * M * O + k * O + o, mask=there, other=0.0),
        mask=inside,
    )


@triton.jit(do_not_specialize=["M", "L"])
def up_kernel(y, bias, z, M, L, O: tl.constexpr, BLOCK: tl.constexpr):
    """Overlap-add of y [R, M, 2, 4, O], whose second half belongs one block later, without the
    first two positions."""
    r = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < L * O
    o, s = at % O, at // O + 2
    k, j = s // 4, s % 4
    row = y + r * M * 8 * O + (k * 8 + j) * O + o
    value = tl.load(row, mask=inside & (k < M), other=0.0).to(tl.float32)
    value += tl.load(row - 4 * O, mask=inside & (k >= 1), other=0.0).to(tl.float32)
    tl.store(
        z + r * L * O + at,
        (value + tl.load(bias + o, mask=inside, other=0.0)).to(z.dtype.element_ty),
        mask=inside,
    )


@triton.jit(do_not_specialize=["M", "L"])
def up_backward_kernel(dz, dy, M, L, O: tl.constexpr, BLOCK: tl.constexpr):
    """dy [R, M, 2, 4, O] of dz [R, L, O]: every position's gradient, to both blocks over it."""
    r = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < M * 8 * O
    o, j, half, k = at % O, at // O % 4, at // (4 * O) % 2, at // (8 * O)
    s = 4 * (k + half) + j - 2
    there = inside & (s >= 0) & (s < L)
    tl.store(
        dy + r * M * 8 * O + at,
        tl.load(dz + r * L * O + s * O + o, mask=there, other=0.0),
        mask=inside,
    )


@triton.jit(do_not_specialize=["N"])
def gate_kernel(y, bias, out, N, C: tl.constexpr, CB: tl.constexpr, BN: tl.constexpr):
    """out = (value + bias) * sigmoid(gate + bias); y [N, 2C]."""
    n = (tl.program_id(0) * BN + tl.arange(0, BN)).to(tl.int64)
    c = tl.program_id(1) * CB + tl.arange(0, CB)
    here = c < C
    inside = (n < N)[:, None] & here[None, :]
    at = n[:, None] * 2 * C + c[None, :]
    value = (
        tl.load(y + at, mask=inside, other=0.0).to(tl.float32)
        + tl.load(bias + c, mask=here, other=0.0)[None, :]
    )
    gate = (
        tl.load(y + at + C, mask=inside, other=0.0).to(tl.float32)
        + tl.load(bias + C + c, mask=here, other=0.0)[None, :]
    )
    tl.store(
        out + n[:, None] * C + c[None, :],
        (value * tl.sigmoid(gate)).to(out.dtype.element_ty),
        mask=inside,
    )


@triton.jit(do_not_specialize=["N"])
def gate_backward_kernel(
    y, bias, dout, dy, db, N, C: tl.constexpr, CB: tl.constexpr, BN: tl.constexpr
):
    """dy, and of every program its sum of dy over rows, db [2C]."""
    part = tl.program_id(0)
    c = tl.program_id(1) * CB + tl.arange(0, CB)
    here = c < C
    bv, bg = (
        tl.load(bias + c, mask=here, other=0.0)[None, :],
        tl.load(bias + C + c, mask=here, other=0.0)[None, :],
    )
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
