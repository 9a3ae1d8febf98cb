"""HTDemucs.forward for training: the same function of the same parameters, several times faster on
a GPU.

Activations are [B, T, F, C], time first and channels innermost, in one type (bfloat16 on a GPU);
spectra, statistics and the transformer's residual stream are float32. The model stays demucs' own,
so nothing about its file changes. Shapes are fixed and nothing waits for the GPU, so that a step
can be captured as a CUDA graph.
"""

from typing import Any, cast

import torch
from demucs.htdemucs import HTDemucs
from torch.nn import functional as F

from sextet_train.model.convolution import downsample, gated, gated_in_context, upsample
from sextet_train.model.dconv import dconv
from sextet_train.model.spectrum import FFT, constant_signal, signal, spectrum
from sextet_train.model.transformer import transform


def encode(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """HEncLayer of x [B, T, F, C] (frequency) or [B, T, C] (time, padded to a multiple of 4)."""
    if layer.freq:
        b, t, f, _ = x.shape
        y = downsample(layer.conv, x.reshape(b * t, f, -1)).view(b, t, f // 4, -1)
    else:
        y = downsample(layer.conv, F.pad(x, (0, 0, 0, -x.shape[1] % 4)))[:, :, None]
    y = gated(layer.rewrite, dconv(layer.dconv, F.gelu(y)))
    return y if layer.freq else y[:, :, 0]


def decode(layer: Any, x: torch.Tensor, skip: torch.Tensor, length: int) -> torch.Tensor:
    """HDecLayer; `length` of the time signal it gives back, of no use to the frequency branch."""
    x = x + skip
    if layer.freq:
        b, t, f, _ = x.shape
        y = dconv(layer.dconv, gated_in_context(layer.rewrite, x))
        z = upsample(layer.conv_tr, y.view(b * t, f, -1), 4 * f).view(b, t, 4 * f, -1)
    else:
        y = dconv(layer.dconv, gated_in_context(layer.rewrite, x[:, :, None]))
        z = upsample(layer.conv_tr, y[:, :, 0], length)
    return z if layer.last else F.gelu(z)


def forward(
    model: HTDemucs, mix: torch.Tensor, dtype: torch.dtype = torch.bfloat16
) -> torch.Tensor:
    """Stems [B, 6, 2, L] float32 of mix [B, 2, L] float32; the same as model(mix) with
    use_train_segment=False."""
    batch, _, length = mix.shape
    stems, parts = len(model.sources), cast(Any, model)
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
            x = x + (parts.freq_emb_scale * parts.freq_emb.weight).to(dtype)
        saved.append((x, xt))
    x, xt = transform(parts.crosstransformer, x, xt)
    for layer, layer_t in zip(model.decoder, model.tdecoder):
        skip, skip_t = saved.pop()
        x, xt = decode(layer, x, skip, 0), decode(layer_t, xt, skip_t, lengths.pop())
    z = (
        x.unflatten(-1, (stems, 2, 2))
        .permute(0, 3, 4, 1, 2, 5)
        .to(torch.float32, memory_format=torch.contiguous_format)
    )
    std, mean = std[:, None, ...], mean[:, None, ...]
    out = signal(torch.view_as_complex(z), length) * std[..., 0] + mean[..., 0] * constant_signal(
        frames, length, mix.device
    )
    return out + (xt.unflatten(-1, (stems, 2)).permute(0, 2, 3, 1) * stdt[:, None] + meant[:, None])
