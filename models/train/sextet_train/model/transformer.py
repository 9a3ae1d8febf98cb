"""demucs' transformer for training: the residual stream in float32, products in the given type."""

import functools
from typing import Any

import torch
from demucs.transformer import create_2d_sin_embedding, create_sin_embedding
from torch.nn import functional as F


def norm_over_tokens(norm: torch.nn.GroupNorm, x: torch.Tensor) -> torch.Tensor:
    """GroupNorm(1, C) of x [B, N, C]."""
    variance, mean = torch.var_mean(x, (1, 2), correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + norm.eps) * norm.weight + norm.bias


def attend(
    attention: torch.nn.MultiheadAttention, q: torch.Tensor, k: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """nn.MultiheadAttention, batch first, of queries q [B, N, C] over k [B, M, C]."""
    w, b, heads = (
        attention.in_proj_weight.to(dtype),
        attention.in_proj_bias.to(dtype),
        attention.num_heads,
    )
    size = q.shape[-1]
    query = F.linear(q, w[:size], b[:size])
    key, value = F.linear(k, w[size:], b[size:]).chunk(2, -1)
    query, key, value = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (query, key, value))
    out = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    return F.linear(out, attention.out_proj.weight.to(dtype), attention.out_proj.bias.to(dtype))


def transformer_layer(
    layer: Any, x: torch.Tensor, other: torch.Tensor | None, dtype: torch.dtype
) -> torch.Tensor:
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
def positions(
    channels: int, freqs: int, frames: int, steps: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """demucs' embeddings of places: [1, T F, C] of the spectrum, [1, T', C] of the signal."""
    # demucs annotates the device as a str, the period as an int.
    where: Any = device
    period: Any = 10000.0
    plane = create_2d_sin_embedding(channels, freqs, frames, where, period)  # [1, C, F, T]
    line = create_sin_embedding(steps, channels, device=where, max_period=period)  # [T, 1, C]
    return plane.permute(0, 3, 2, 1).flatten(1, 2), line.transpose(0, 1)


def transform(module: Any, x: torch.Tensor, xt: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
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
