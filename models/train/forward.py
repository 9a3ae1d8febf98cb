"""HTDemucs.forward for training: the same function of the same parameters, several times faster on a GPU.

Activations are [B, T, F, C], time first and channels innermost, in one type (bfloat16 on a GPU); spectra, statistics and the
transformer's residual stream are float32. The model stays demucs' own, so nothing about its file changes. Shapes are fixed
and nothing waits for the GPU, so that a step can be captured as a CUDA graph.
"""

import functools
import math

import torch
from demucs.transformer import create_2d_sin_embedding, create_sin_embedding
from torch.nn import functional as F

from dconv import dconv
from layers import down, gated, gated_in_context, up

FFT, HOP = 4096, 1024


@functools.cache
def window(device):
    return torch.hann_window(FFT, device=device)


def spectrum(mix):
    """demucs' `_spec`: [B, 2, L] to [B, 2, 2048, frames] complex."""
    frames = math.ceil(mix.shape[-1] / HOP)
    pad = HOP // 2 * 3
    x = F.pad(mix, (pad, pad + frames * HOP - mix.shape[-1]), mode="reflect").flatten(0, 1)
    z = torch.stft(x, FFT, HOP, window=window(mix.device), normalized=True, center=True, return_complex=True, pad_mode="reflect")
    return z[:, :-1, 2 : 2 + frames].view(mix.shape[0], 2, FFT // 2, frames)


class OverlapAdd(torch.autograd.Function):
    """Windowed frames [..., n, 4096] to a signal [..., (n + 3) * 1024]."""

    @staticmethod
    def forward(ctx, frames):
        n = frames.shape[-2]
        parts, w = frames.unflatten(-1, (4, HOP)), window(frames.device).view(4, HOP) / 1.5  # Hann squared at a quarter sums to 1.5
        out = torch.zeros(*frames.shape[:-2], n + 3, HOP, dtype=frames.dtype, device=frames.device)
        for j in range(4):
            out[..., j : j + n, :].addcmul_(parts[..., j, :], w[j])
        return out.flatten(-2)

    @staticmethod
    def backward(ctx, grad):
        return grad.unfold(-1, FFT, HOP) * (window(grad.device) / 1.5)


def signal(z, length):
    """demucs' `_ispec`: [..., frames, 2048] complex (frames before bins) to [..., length]."""
    x = OverlapAdd.apply(torch.fft.irfft(z, FFT, norm="ortho"))
    return x[..., HOP // 2 * 3 : HOP // 2 * 3 + length]


@functools.cache
def constant_signal(frames, length, device):
    """What a spectrum of 1 + 1i everywhere sounds like: adding a mean to a spectrum adds that much of it to the signal."""
    return signal(torch.full((frames, FFT // 2), 1 + 1j, dtype=torch.complex64, device=device), length)


def norm_over_tokens(norm, x):
    """GroupNorm(1, C) of x [B, N, C]."""
    variance, mean = torch.var_mean(x, (1, 2), correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + norm.eps) * norm.weight + norm.bias


def attend(attention, q, k, dtype):
    """nn.MultiheadAttention, batch first, of queries q [B, N, C] over k [B, M, C]."""
    w, b, heads = attention.in_proj_weight.to(dtype), attention.in_proj_bias.to(dtype), attention.num_heads
    size = q.shape[-1]
    query = F.linear(q, w[:size], b[:size])
    key, value = F.linear(k, w[size:], b[size:]).chunk(2, -1)
    query, key, value = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (query, key, value))
    out = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    return F.linear(out, attention.out_proj.weight.to(dtype), attention.out_proj.bias.to(dtype))


def transformer_layer(layer, x, other, dtype):
    """One layer of demucs' transformer; `other` is None for self-attention. x [B, N, C] float32."""
    q = F.layer_norm(x, x.shape[-1:], layer.norm1.weight, layer.norm1.bias).to(dtype)
    if other is None:
        x = x + layer.gamma_1.scale * attend(layer.self_attn, q, q, dtype)
        norm = layer.norm2
    else:
        k = F.layer_norm(other, x.shape[-1:], layer.norm2.weight, layer.norm2.bias).to(dtype)
        x = x + layer.gamma_1.scale * attend(layer.cross_attn, q, k, dtype)
        norm = layer.norm3
    y = F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias).to(dtype)
    y = F.gelu(F.linear(y, layer.linear1.weight.to(dtype), layer.linear1.bias.to(dtype)))
    y = F.linear(y, layer.linear2.weight.to(dtype), layer.linear2.bias.to(dtype))
    return norm_over_tokens(layer.norm_out, x + layer.gamma_2.scale * y)


@functools.cache
def positions(channels, freqs, frames, steps, device):
    plane = create_2d_sin_embedding(channels, freqs, frames, device, 10000.0)  # [1, C, F, T]
    line = create_sin_embedding(steps, channels, device=device, max_period=10000.0)  # [T, 1, C]
    return plane.permute(0, 3, 2, 1).flatten(1, 2), line.transpose(0, 1)


def transform(module, x, xt):
    """CrossTransformerEncoder of x [B, T, F, C] and xt [B, T', C]."""
    shape, dtype = x.shape, x.dtype
    plane, line = positions(shape[3], shape[2], shape[1], xt.shape[1], x.device)
    x, xt = x.flatten(1, 2).float(), xt.float()
    x = F.layer_norm(x, x.shape[-1:], module.norm_in.weight, module.norm_in.bias) + plane
    xt = F.layer_norm(xt, x.shape[-1:], module.norm_in_t.weight, module.norm_in_t.bias) + line
    for i in range(module.num_layers):
        crossed = i % 2 != module.classic_parity
        x, xt = (
            transformer_layer(module.layers[i], x, xt if crossed else None, dtype),
            transformer_layer(module.layers_t[i], xt, x if crossed else None, dtype),
        )
    return x.to(dtype).view(shape), xt.to(dtype)


def encode(layer, x):
    """HEncLayer of x [B, T, F, C] (frequency) or [B, T, C] (time, padded to a multiple of 4)."""
    if layer.freq:
        b, t, f, _ = x.shape
        y = down(layer.conv, x.reshape(b * t, f, -1)).view(b, t, f // 4, -1)
    else:
        y = down(layer.conv, F.pad(x, (0, 0, 0, -x.shape[1] % 4)))[:, :, None]
    y = gated(layer.rewrite, dconv(layer.dconv, F.gelu(y)))
    return y if layer.freq else y[:, :, 0]


def decode(layer, x, skip, length):
    """HDecLayer; `length` of the time signal it gives back, None for the frequency branch."""
    x = x + skip
    if layer.freq:
        b, t, f, _ = x.shape
        y = dconv(layer.dconv, gated_in_context(layer.rewrite, x))
        z = up(layer.conv_tr, y.view(b * t, f, -1), 4 * f).view(b, t, 4 * f, -1)
    else:
        y = dconv(layer.dconv, gated_in_context(layer.rewrite, x[:, :, None]))
        z = up(layer.conv_tr, y[:, :, 0], length)
    return z if layer.last else F.gelu(z)


def forward(model, mix, dtype=torch.bfloat16):
    """Stems [B, 6, 2, L] float32 of mix [B, 2, L] float32; the same as model(mix) with use_train_segment=False."""
    batch, _, length = mix.shape
    stems = len(model.sources)
    z = torch.view_as_real(spectrum(mix)).permute(0, 3, 2, 1, 4).reshape(batch, -1, FFT // 2, 4)
    frames = z.shape[1]
    std, mean = torch.std_mean(z, (1, 2, 3), keepdim=True)
    x = ((z - mean) / (1e-5 + std)).to(dtype)
    stdt, meant = torch.std_mean(mix, (1, 2), keepdim=True)
    xt = ((mix - meant) / (1e-5 + stdt)).transpose(1, 2).to(dtype)
    saved, lengths = [], []
    for i, (layer, layer_t) in enumerate(zip(model.encoder, model.tencoder)):
        lengths.append(xt.shape[1])
        x, xt = encode(layer, x), encode(layer_t, xt)
        if i == 0:
            x = x + (model.freq_emb_scale * model.freq_emb.weight).to(dtype)
        saved.append((x, xt))
    x, xt = transform(model.crosstransformer, x, xt)
    for layer, layer_t in zip(model.decoder, model.tdecoder):
        skip, skip_t = saved.pop()
        x, xt = decode(layer, x, skip, None), decode(layer_t, xt, skip_t, lengths.pop())
    z = x.unflatten(-1, (stems, 2, 2)).permute(0, 3, 4, 1, 2, 5).to(torch.float32, memory_format=torch.contiguous_format)
    std, mean = std[:, None, ...], mean[:, None, ...]
    out = signal(torch.view_as_complex(z), length) * std[..., 0] + mean[..., 0] * constant_signal(frames, length, mix.device)
    return out + (xt.unflatten(-1, (stems, 2)).permute(0, 2, 3, 1) * stdt[:, None] + meant[:, None])
