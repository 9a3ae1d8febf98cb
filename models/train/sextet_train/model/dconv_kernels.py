"""Triton kernels of a DConv layer (dconv.py has the formulae and the names).

N rows of T times and F frequencies, C channels, H hidden channels; HP, CB and BN are the block
sizes of hidden channels, channels and rows. Statistics and sums are float32, products take the
activations' type.
"""

import triton
import triton.language as tl


@triton.jit
def gelu(z):
    """GELU by the error function."""
    return 0.5 * z * (1.0 + tl.erf(z * 0.7071067811865476))


@triton.jit
def gelu_slope(z):
    """The derivative of `gelu`."""
    return 0.5 * (1.0 + tl.erf(z * 0.7071067811865476)) + z * 0.3989422804014327 * tl.exp(
        -0.5 * z * z
    )


@triton.jit(do_not_specialize=["N", "T", "F", "D"])
def bottleneck_in_kernel(
    x,
    w,
    bias,
    p,
    sum1,
    sum2,
    N,
    T,
    F,
    D,
    C: tl.constexpr,
    H: tl.constexpr,
    HP: tl.constexpr,
    CB: tl.constexpr,
    BN: tl.constexpr,
):
    """p[n] = bias + sum_k w[k] x[n + (k-1) D rows of time]; row sums of p and p^2."""
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    t = (n // F) % T
    i = tl.arange(0, HP)
    acc = tl.zeros((BN, HP), tl.float32)
    for k in tl.static_range(3):
        ahead = (k - 1) * D
        there = (n < N) & (t + ahead >= 0) & (t + ahead < T)
        for c0 in tl.static_range(0, C, CB):
            c = c0 + tl.arange(0, CB)
            xs = tl.load(
                x + (n + ahead * F)[:, None] * C + c[None, :],
                mask=there[:, None] & (c < C)[None, :],
                other=0.0,
            )
            ws = tl.load(
                w + (k * C + c)[:, None] * H + i[None, :],
                mask=(c < C)[:, None] & (i < H)[None, :],
                other=0.0,
            )
            acc += tl.dot(xs, ws, input_precision="ieee")
    acc += tl.load(bias + i, mask=i < H, other=0.0)[None, :]
    acc = tl.where((i < H)[None, :], acc, 0.0)
    tl.store(
        p + n[:, None] * H + i[None, :],
        acc.to(p.dtype.element_ty),
        mask=(n < N)[:, None] & (i < H)[None, :],
    )
    tl.store(sum1 + n, tl.sum(acc, 1), mask=n < N)
    tl.store(sum2 + n, tl.sum(acc * acc, 1), mask=n < N)


@triton.jit(do_not_specialize=["N", "T", "F"])
def hidden_kernel(
    p,
    mu,
    r,
    w1,
    b1,
    a,
    v,
    g,
    h,
    sum1,
    sum2,
    N,
    T,
    F,
    H: tl.constexpr,
    HP: tl.constexpr,
    BN: tl.constexpr,
):
    """h = gelu(norm(p)); a.h and h'Gh + 2 v.h of every row."""
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    i = tl.arange(0, HP)
    inside = (n < N)[:, None] & (i < H)[None, :]
    bf = n // (T * F) * F + n % F
    ps = tl.load(p + n[:, None] * H + i[None, :], mask=inside, other=0.0).to(tl.float32)
    mus, rs = tl.load(mu + bf, mask=n < N, other=0.0), tl.load(r + bf, mask=n < N, other=0.0)
    ws, bs = tl.load(w1 + i, mask=i < H, other=0.0), tl.load(b1 + i, mask=i < H, other=0.0)
    hs = gelu((ps - mus[:, None]) * rs[:, None] * ws[None, :] + bs[None, :]).to(h.dtype.element_ty)
    tl.store(h + n[:, None] * H + i[None, :], hs, mask=inside)
    hs = tl.where(inside, hs.to(tl.float32), 0.0)
    gs = tl.load(
        g + i[:, None] * H + i[None, :], mask=(i < H)[:, None] & (i < H)[None, :], other=0.0
    )
    hg = tl.dot(hs, gs, input_precision="ieee")
    av, vv = tl.load(a + i, mask=i < H, other=0.0), tl.load(v + i, mask=i < H, other=0.0)
    tl.store(sum1 + n, tl.sum(hs * av[None, :], 1), mask=n < N)
    tl.store(sum2 + n, tl.sum(hs * (hg + 2.0 * vv[None, :]), 1), mask=n < N)


@triton.jit(do_not_specialize=["N", "T", "F"])
def bottleneck_out_kernel(
    x,
    h,
    inv,
    m,
    w,
    b,
    gain,
    shift,
    scale,
    out,
    N,
    T,
    F,
    C: tl.constexpr,
    H: tl.constexpr,
    HP: tl.constexpr,
    CB: tl.constexpr,
    BN: tl.constexpr,
):
    """out = x + scale * value * sigmoid(gate); value and gate = inv (w h + b) - m gain + shift,
    w and b times gain already."""
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    c = tl.program_id(1) * CB + tl.arange(0, CB)
    i = tl.arange(0, HP)
    bf = n // (T * F) * F + n % F
    hs = tl.load(
        h + n[:, None] * H + i[None, :], mask=(n < N)[:, None] & (i < H)[None, :], other=0.0
    )
    invs, ms = (
        tl.load(inv + bf, mask=n < N, other=0.0)[:, None],
        tl.load(m + bf, mask=n < N, other=0.0)[:, None],
    )
    wmask = (i < H)[:, None] & (c < C)[None, :]
    wv = tl.load(w + c[None, :] * H + i[:, None], mask=wmask, other=0.0)
    wg = tl.load(w + (c + C)[None, :] * H + i[:, None], mask=wmask, other=0.0)
    here = c < C
    value = invs * (
        tl.dot(hs, wv, input_precision="ieee") + tl.load(b + c, mask=here, other=0.0)[None, :]
    )
    value += (
        tl.load(shift + c, mask=here, other=0.0)[None, :]
        - ms * tl.load(gain + c, mask=here, other=0.0)[None, :]
    )
    gate = invs * (
        tl.dot(hs, wg, input_precision="ieee") + tl.load(b + C + c, mask=here, other=0.0)[None, :]
    )
    gate += (
        tl.load(shift + C + c, mask=here, other=0.0)[None, :]
        - ms * tl.load(gain + C + c, mask=here, other=0.0)[None, :]
    )
    at = n[:, None] * C + c[None, :]
    inside = (n < N)[:, None] & here[None, :]
    xs = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    y = xs + tl.load(scale + c, mask=here, other=0.0)[None, :] * value * tl.sigmoid(gate)
    tl.store(out + at, y.to(out.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["N", "T", "F"])
def bottleneck_out_backward_kernel(
    dout,
    h,
    inv,
    m,
    w,
    b,
    gain,
    shift,
    scale,
    dh,
    dinv,
    dm,
    dw,
    N,
    T,
    F,
    C: tl.constexpr,
    H: tl.constexpr,
    HP: tl.constexpr,
    CB: tl.constexpr,
    BN: tl.constexpr,
):
    """Of every row: d h (through the product alone), d inv, d m, one part for every block of
    channels. Of every program: dw [2C, HP], the sums over rows of the gradients of value and
    gate, both before the layer's scale, times (inv h, inv, -m, 1): the gradients of w, b, gain
    and shift."""
    part, span = tl.program_id(0), tl.program_id(1)
    c = span * CB + tl.arange(0, CB)
    i = tl.arange(0, HP)
    here = c < C
    wmask = (i < H)[:, None] & here[None, :]
    wv = tl.load(w + c[None, :] * H + i[:, None], mask=wmask, other=0.0)
    wg = tl.load(w + (c + C)[None, :] * H + i[:, None], mask=wmask, other=0.0)
    bv, bg = (
        tl.load(b + c, mask=here, other=0.0)[None, :],
        tl.load(b + C + c, mask=here, other=0.0)[None, :],
    )
    kv, kg = (
        tl.load(gain + c, mask=here, other=0.0)[None, :],
        tl.load(gain + C + c, mask=here, other=0.0)[None, :],
    )
    sv, sg = (
        tl.load(shift + c, mask=here, other=0.0)[None, :],
        tl.load(shift + C + c, mask=here, other=0.0)[None, :],
    )
    ls = tl.load(scale + c, mask=here, other=0.0)[None, :]
    dwv, dwg = tl.zeros((CB, HP), tl.float32), tl.zeros((CB, HP), tl.float32)
    for n0 in range(part * BN, N, tl.num_programs(0) * BN):
        n = n0 + tl.arange(0, BN)
        bf = n // (T * F) * F + n % F
        narrow = (n < N)[:, None] & (i < H)[None, :]
        hs = tl.load(h + n[:, None] * H + i[None, :], mask=narrow, other=0.0)
        invs, ms = (
            tl.load(inv + bf, mask=n < N, other=0.0)[:, None],
            tl.load(m + bf, mask=n < N, other=0.0)[:, None],
        )
        uv = tl.dot(hs, wv, input_precision="ieee") + bv
        ug = tl.dot(hs, wg, input_precision="ieee") + bg
        value = invs * uv + sv - ms * kv
        opened = tl.sigmoid(invs * ug + sg - ms * kg)
        do = tl.load(
            dout + n[:, None] * C + c[None, :], mask=(n < N)[:, None] & here[None, :], other=0.0
        ).to(tl.float32)
        dv = do * opened
        dg = dv * value * (1.0 - opened)
        known = tl.where((i < H)[None, :], hs.to(tl.float32) * invs, 0.0)
        known = tl.where((i == H)[None, :], invs, known)
        known = tl.where((i == H + 1)[None, :], -ms, known)
        known = tl.where((i == H + 2)[None, :], 1.0, known).to(hs.dtype)
        dwv += tl.dot(tl.trans(dv.to(hs.dtype)), known, input_precision="ieee")
        dwg += tl.dot(tl.trans(dg.to(hs.dtype)), known, input_precision="ieee")
        dv *= ls
        dg *= ls
        row = span * N + n
        tl.store(dinv + row, tl.sum(dv * uv + dg * ug, 1), mask=n < N)
        tl.store(dm + row, -tl.sum(dv * kv + dg * kg, 1), mask=n < N)
        back = tl.dot(dv.to(hs.dtype), tl.trans(wv), input_precision="ieee")
        back = tl.dot(dg.to(hs.dtype), tl.trans(wg), back, input_precision="ieee") * invs
        tl.store(dh + row[:, None] * H + i[None, :], back, mask=narrow)
    tl.store(dw + (part * 2 * C + c)[:, None] * HP + i[None, :], dwv, mask=here[:, None])
    tl.store(dw + (part * 2 * C + C + c)[:, None] * HP + i[None, :], dwg, mask=here[:, None])


@triton.jit(do_not_specialize=["N", "T", "F"])
def hidden_backward_kernel(
    p,
    h,
    dh,
    mu,
    r,
    w1,
    b1,
    a,
    v,
    g,
    d1,
    d2,
    dz,
    sum1,
    sum2,
    dvec,
    dg,
    N,
    T,
    F,
    SPANS: tl.constexpr,
    H: tl.constexpr,
    HP: tl.constexpr,
    BN: tl.constexpr,
):
    """dz = gradient of the normalised p (before its gain) and its row sums with 1 and with the
    normalised p; d1, d2 [B, F] are the gradients of the two sums of hidden_kernel. Of every
    program: dvec [4, H] (w1, b1, a, v) and dg [H, H]."""
    part = tl.program_id(0)
    i = tl.arange(0, HP)
    real = i < H
    ws, bs = (
        tl.load(w1 + i, mask=real, other=0.0)[None, :],
        tl.load(b1 + i, mask=real, other=0.0)[None, :],
    )
    av, vv = (
        tl.load(a + i, mask=real, other=0.0)[None, :],
        tl.load(v + i, mask=real, other=0.0)[None, :],
    )
    square = real[:, None] & real[None, :]
    gs = tl.load(g + i[:, None] * H + i[None, :], mask=square, other=0.0)
    dw, db = tl.zeros((HP,), tl.float32), tl.zeros((HP,), tl.float32)
    da, dv = tl.zeros((HP,), tl.float32), tl.zeros((HP,), tl.float32)
    dgs = tl.zeros((HP, HP), tl.float32)
    for n0 in range(part * BN, N, tl.num_programs(0) * BN):
        n = n0 + tl.arange(0, BN)
        bf = n // (T * F) * F + n % F
        inside = (n < N)[:, None] & real[None, :]
        at = n[:, None] * H + i[None, :]
        mus, rs = (
            tl.load(mu + bf, mask=n < N, other=0.0)[:, None],
            tl.load(r + bf, mask=n < N, other=0.0)[:, None],
        )
        e1, e2 = (
            tl.load(d1 + bf, mask=n < N, other=0.0)[:, None],
            tl.load(d2 + bf, mask=n < N, other=0.0)[:, None],
        )
        phat = tl.where(
            inside, (tl.load(p + at, mask=inside, other=0.0).to(tl.float32) - mus) * rs, 0.0
        )
        hs = tl.load(h + at, mask=inside, other=0.0).to(tl.float32)
        back = e1 * av + 2.0 * e2 * (tl.dot(hs, gs, input_precision="ieee") + vv)
        for s in tl.static_range(SPANS):
            back += tl.load(dh + s * N * H + at, mask=inside, other=0.0)
        back = tl.where(inside, back * gelu_slope(phat * ws + bs), 0.0)
        dw += tl.sum(back * phat, 0)
        db += tl.sum(back, 0)
        da += tl.sum(e1 * hs, 0)
        dv += tl.sum(2.0 * e2 * hs, 0)
        dgs += tl.dot(tl.trans(e2 * hs), hs, input_precision="ieee")
        back = back * ws
        tl.store(dz + at, back.to(dz.dtype.element_ty), mask=inside)
        tl.store(sum1 + n, tl.sum(back, 1), mask=n < N)
        tl.store(sum2 + n, tl.sum(back * phat, 1), mask=n < N)
    tl.store(dvec + part * 4 * H + i, dw, mask=real)
    tl.store(dvec + part * 4 * H + H + i, db, mask=real)
    tl.store(dvec + part * 4 * H + 2 * H + i, da, mask=real)
    tl.store(dvec + part * 4 * H + 3 * H + i, dv, mask=real)
    tl.store(dg + part * H * H + i[:, None] * H + i[None, :], dgs, mask=square)


@triton.jit(do_not_specialize=["N", "T", "F", "D"])
def bottleneck_in_backward_kernel(
    x,
    dout,
    p,
    dz,
    mu,
    r,
    q1,
    q2,
    w,
    dx,
    dw,
    db,
    N,
    T,
    F,
    D,
    C: tl.constexpr,
    H: tl.constexpr,
    HP: tl.constexpr,
    CB: tl.constexpr,
    BN: tl.constexpr,
):
    """dx = dout + sum_k dp[n - (k-1) D] w[k]'; of every program dw [3, C, H] and db [H]. dp = r
    (dz - q1 - phat q2)."""
    part, span = tl.program_id(0), tl.program_id(1)
    c = span * CB + tl.arange(0, CB)
    i = tl.arange(0, HP)
    here, real = c < C, i < H
    wmask = here[:, None] & real[None, :]
    w0 = tl.load(w + c[:, None] * H + i[None, :], mask=wmask, other=0.0)
    w1 = tl.load(w + (C + c)[:, None] * H + i[None, :], mask=wmask, other=0.0)
    w2 = tl.load(w + (2 * C + c)[:, None] * H + i[None, :], mask=wmask, other=0.0)
    dw0, dw1, dw2 = (
        tl.zeros((CB, HP), tl.float32),
        tl.zeros((CB, HP), tl.float32),
        tl.zeros((CB, HP), tl.float32),
    )
    dbs = tl.zeros((HP,), tl.float32)
    for n0 in range(part * BN, N, tl.num_programs(0) * BN):
        n = n0 + tl.arange(0, BN)
        t = (n // F) % T
        bf = n // (T * F) * F + n % F
        at = n[:, None] * C + c[None, :]
        inside = (n < N)[:, None] & here[None, :]
        xs = tl.load(x + at, mask=inside, other=0.0)
        acc = tl.load(dout + at, mask=inside, other=0.0).to(tl.float32)
        mus, rs = (
            tl.load(mu + bf, mask=n < N, other=0.0)[:, None],
            tl.load(r + bf, mask=n < N, other=0.0)[:, None],
        )
        e1, e2 = (
            tl.load(q1 + bf, mask=n < N, other=0.0)[:, None],
            tl.load(q2 + bf, mask=n < N, other=0.0)[:, None],
        )
        for k in tl.static_range(3):
            ahead = (1 - k) * D
            there = ((n < N) & (t + ahead >= 0) & (t + ahead < T))[:, None] & real[None, :]
            there_at = (n + ahead * F)[:, None] * H + i[None, :]
            phat = (tl.load(p + there_at, mask=there, other=0.0).to(tl.float32) - mus) * rs
            dp = rs * (
                tl.load(dz + there_at, mask=there, other=0.0).to(tl.float32) - e1 - phat * e2
            )
            dp = tl.where(there, dp, 0.0)
            small = dp.to(xs.dtype)
            if k == 0:
                acc += tl.dot(small, tl.trans(w0), input_precision="ieee")
                dw0 += tl.dot(tl.trans(xs), small, input_precision="ieee")
            elif k == 1:
                dbs += tl.sum(dp, 0)
                acc += tl.dot(small, tl.trans(w1), input_precision="ieee")
                dw1 += tl.dot(tl.trans(xs), small, input_precision="ieee")
            else:
                acc += tl.dot(small, tl.trans(w2), input_precision="ieee")
                dw2 += tl.dot(tl.trans(xs), small, input_precision="ieee")
        tl.store(dx + at, acc.to(dx.dtype.element_ty), mask=inside)
    base = dw + part * 3 * C * H
    tl.store(base + c[:, None] * H + i[None, :], dw0, mask=wmask)
    tl.store(base + (C + c)[:, None] * H + i[None, :], dw1, mask=wmask)
    tl.store(base + (2 * C + c)[:, None] * H + i[None, :], dw2, mask=wmask)
    if span == 0:
        tl.store(db + part * H + i, dbs, mask=real)
