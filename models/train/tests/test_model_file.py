"""The model's file and the rounding of weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from demucs.htdemucs import HTDemucs

from sextet_train.eval.separation import separate
from sextet_train.model import htdemucs, model_file, rounding
from sextet_train.stems import STEMS


def every_float16() -> torch.Tensor:
    """All finite float16 values, [63488], both zeros and all subnormals among them."""
    patterns = np.arange(1 << 16, dtype=np.uint16)
    return torch.from_numpy(patterns[(patterns & 0x7C00) != 0x7C00].view(np.float16))


@pytest.mark.parametrize("bits", range(11))
def test_rounding_takes_the_nearest_value_with_so_many_bits(bits: int) -> None:
    values = every_float16()
    got = rounding.rounded(values, bits)
    allowed = values[(values.view(torch.int16) & ((1 << (10 - bits)) - 1)) == 0].double().unique()
    x = values.double()
    above = torch.searchsorted(allowed, x).clamp(max=len(allowed) - 1)
    low, high = allowed[(above - (allowed[above] > x).long()).clamp(min=0)], allowed[above]
    assert (
        got.dtype == torch.float16
        and torch.isfinite(got).all()
        and torch.isin(got.double(), allowed).all()
    )
    assert torch.equal((got.double() - x).abs(), torch.minimum((low - x).abs(), (high - x).abs()))
    assert torch.equal(rounding.rounded(got, bits), got)
    assert torch.equal(torch.signbit(got), torch.signbit(values))
    tie = ((low - x).abs() == (high - x).abs()) & (low != high)
    assert tie.any() == (bits < 10)
    assert (got[tie].view(torch.int16) >> (10 - bits) & 1 == 0).all()


@pytest.mark.parametrize(
    ("value", "bits", "expected"),
    [
        (1 + 1 / 8, 2, 1.0),  # a tie goes to the even neighbour, down
        (1 + 3 / 8, 2, 1.5),  # and up
        (1.96875, 4, 2.0),  # the carry raises the exponent
        (-0.3, 5, -0.296875),
        (65504.0, 5, 64512.0),  # not infinity
        (2.0**-24, 5, 0.0),  # the smallest subnormal
        (2.0**-15 + 2.0**-24, 5, 2.0**-15),
        (2.0**-14 - 2.0**-24, 5, 2.0**-14),  # the largest subnormal becomes the smallest normal
    ],
)
def test_rounding_by_example(value: float, bits: int, expected: float) -> None:
    assert rounding.rounded(torch.tensor([value]), bits).item() == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_what_is_not_finite_in_float16_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="infinite or not a number"):
        rounding.rounded(torch.tensor([0.5, value]), 5)


@pytest.mark.parametrize("bits", [-1, 11])
def test_bits_that_float16_does_not_have_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="expected 0 to 10"):
        rounding.rounded(torch.ones(1), bits)


def test_a_rounded_file_is_smaller_once_deflated_and_differs_only_in_large_tensors(
    tmp_path: Path,
) -> None:
    kwargs, whole, small = (
        htdemucs.settings(channels=16, t_layers=1),
        tmp_path / "a.safetensors",
        tmp_path / "b.safetensors",
    )
    torch.manual_seed(0)
    state = HTDemucs(**kwargs).state_dict()
    state = {k: v + 0.1 * torch.randn_like(v) for k, v in state.items()}
    model_file.write(model_file.ModelFile(state, kwargs), whole)
    rounding.round_file(whole, small, (6, 3))
    unrounded, rounded = model_file.read(whole), model_file.read(small)
    before, after = unrounded.tensors, rounded.tensors
    assert unrounded.arguments == rounded.arguments and before.keys() == after.keys()
    for key, tensor in after.items():
        assert torch.equal(tensor, before[key]) == (
            tensor.dim() == 1 or tensor.numel() < rounding.LARGE
        ), key
        rtol = 2.0 ** -(4 if key.startswith("crosstransformer") else 7)
        assert torch.allclose(
            tensor.double(), before[key].double(), rtol=rtol, atol=rtol * 2.0**-14
        ), key
    assert small.stat().st_size == whole.stat().st_size
    large = {k: t.numel() for k, t in after.items() if t.dim() > 1 and t.numel() >= rounding.LARGE}
    assert {k.startswith("crosstransformer") for k in large} == {True, False}
    saved_bits = 8 * (rounding.deflated_size(whole) - rounding.deflated_size(small))
    assert saved_bits > 2 * sum(large.values())
    rounding.round_file(whole, whole, (6, 3))
    assert whole.read_bytes() == small.read_bytes(), "the same model makes the same file"
    assert len(list(tmp_path.iterdir())) == 2
    model_file.load(small)


def test_a_file_that_cannot_be_rounded_stays_as_it_is(tmp_path: Path) -> None:
    kwargs, path = htdemucs.settings(channels=8, t_layers=1), tmp_path / "m.safetensors"
    model_file.write(
        model_file.ModelFile({"a.weight": torch.tensor([[1.0, float("nan")]])}, kwargs), path
    )
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not a number"):
        rounding.round_file(path, path, (6, 3))
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_export_loads_in_demucs_and_runs_on_its_published_segment(tmp_path: Path) -> None:
    kwargs = htdemucs.settings(channels=8, t_layers=1)
    model_file.write(
        model_file.ModelFile(HTDemucs(**kwargs).state_dict(), kwargs), tmp_path / "m.safetensors"
    )
    model = model_file.load(tmp_path / "m.safetensors")
    assert model.sources == list(STEMS) and htdemucs.SEGMENT_FRAMES == 343980
    assert int(model.segment * model.samplerate) == 343980
    out = separate(model, torch.randn(2, 50000) * 0.1, torch.device("cpu"))
    assert out.shape == (6, 2, 50000) and torch.isfinite(out).all()
