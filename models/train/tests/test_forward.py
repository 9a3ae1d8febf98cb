"""The training step against demucs: the same outputs and gradients in float32. Triton's kernels run
on its interpreter."""

from typing import Any

import pytest
import torch
from demucs.demucs import DConv
from demucs.htdemucs import HTDemucs

pytest.importorskip("triton")

from sextet_train.model.convolution import downsample, gated, gated_in_context, upsample
from sextet_train.model.dconv import dconv
from sextet_train.model.forward import forward
from sextet_train.model.htdemucs import settings
from sextet_train.model.spectrum import signal, spectrum


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).detach().norm() / b.detach().norm().clamp(min=1e-6))


def shaken(module: Any) -> Any:
    """Random parameters that hide nothing: norms and scales as they are created are ones, zeros
    and thousandths."""
    torch.manual_seed(0)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return module


def agree(
    ours: torch.Tensor, theirs: torch.Tensor, weights: list[Any], inputs: list[torch.Tensor]
) -> float:
    """Compares the outputs and every gradient of a random projection; returns the worst relative
    error."""
    to = torch.randn_like(theirs)
    got, want = (
        torch.autograd.grad((out * to).sum(), [*inputs, *weights], retain_graph=True)
        for out in (ours, theirs)
    )
    scale = max(float(g.norm()) for g in want)
    for g, w in zip(
        got, want
    ):  # a gradient that is zero but for rounding is compared with the largest
        if w.norm() < 1e-6 * scale:
            assert (g - w).norm() < 1e-5 * scale
    return max(
        [relative(ours, theirs)]
        + [relative(g, w) for g, w in zip(got, want) if w.norm() >= 1e-6 * scale]
    )


@pytest.mark.parametrize("shape", [(2, 21, 5, 24), (1, 150, 1, 48), (2, 9, 3, 96), (1, 17, 2, 192)])
def test_dconv_is_demucs_dconv(shape: tuple[int, ...]) -> None:
    batch, frames, freqs, channels = shape
    branch = shaken(DConv(channels, compress=8, depth=2, init=0.5))
    x = torch.randn(shape, requires_grad=True)
    rows = x.permute(0, 2, 3, 1).reshape(batch * freqs, channels, frames)
    theirs = branch(rows).reshape(batch, freqs, channels, frames).permute(0, 3, 1, 2)
    assert agree(dconv(branch, x), theirs, list(branch.parameters()), [x]) < 1e-5


def test_dconv_in_half_precision_stays_near() -> None:
    """float16: Triton's interpreter multiplies bfloat16 wrongly."""
    branch = shaken(DConv(24, compress=8, depth=2, init=0.5))
    x = torch.randn(1, 40, 4, 24)
    assert relative(dconv(branch, x.half()).float(), dconv(branch, x)) < 2e-3


@pytest.mark.parametrize("length", [4, 8, 40, 1024])
def test_strided_convolutions(length: int) -> None:
    conv, back = (
        shaken(torch.nn.Conv1d(6, 10, 8, 4, 2)),
        shaken(torch.nn.ConvTranspose1d(10, 3, 8, 4)),
    )
    x = torch.randn(2, length, 6, requires_grad=True)
    y = conv(x.transpose(1, 2))
    assert agree(downsample(conv, x), y.transpose(1, 2), list(conv.parameters()), [x]) < 1e-5
    y = y.detach().transpose(1, 2).contiguous().requires_grad_()
    for wanted in (length, length - 1):
        theirs = back(y.transpose(1, 2))[..., 2 : 2 + wanted].transpose(1, 2)
        assert agree(upsample(back, y, wanted), theirs, list(back.parameters()), [y]) < 1e-5


def test_gated_convolutions() -> None:
    x = torch.randn(2, 5, 7, 10, requires_grad=True)
    for conv, ours in (
        (shaken(torch.nn.Conv2d(10, 20, 1)), gated),
        (shaken(torch.nn.Conv2d(10, 20, 3, padding=1)), gated_in_context),
    ):
        theirs = torch.nn.functional.glu(conv(x.permute(0, 3, 2, 1)), 1).permute(0, 3, 2, 1)
        assert agree(ours(conv, x), theirs, list(conv.parameters()), [x]) < 1e-5


def test_spectra_are_demucs_spectra() -> None:
    model = HTDemucs(**settings(channels=8, t_layers=1))
    for length in (3000, 44100, 50001):
        mix = torch.randn(1, 2, length)
        z = spectrum(mix)
        assert relative(z, model._spec(mix)) < 1e-6
        assert relative(signal(z.transpose(-1, -2), length), model._ispec(z, length)) < 1e-5


def test_the_whole_step_is_demucs_step() -> None:
    """A minute or two on the interpreter. The length leaves a remainder in every time layer."""
    model = shaken(HTDemucs(**settings(channels=16, t_layers=2), use_train_segment=False).train())
    mix = 0.3 * torch.randn(1, 2, 1897)
    results = []
    for out in (forward(model, mix, torch.float32), model(mix)):
        grads = torch.autograd.grad(
            (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum(), list(model.parameters())
        )
        results.append((out, grads, torch.cat([g.flatten() for g in grads])))
    (out, grads, all_), (true, wanted, all_wanted) = results
    assert relative(out, true) < 1e-5 and relative(all_, all_wanted) < 1e-5
    for g, w in zip(grads, wanted):
        assert (g - w).norm() < 1e-3 * w.norm() + 1e-6 * all_wanted.norm()
